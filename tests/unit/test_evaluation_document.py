"""docs/evaluation.md says what the table of metrics and the options say."""

import re
from pathlib import Path
from statistics import NormalDist

import yaml

from plumbline.evaluation import slices, weak_segments
from plumbline.evaluation.figures.of_evaluation import of_evaluation
from plumbline.evaluation.significance import Reading
from plumbline.metrics.parts import CLIP
from plumbline.spec import EvaluationSpec, VerdictSpec
from plumbline.spec.metrics import AREAS_UP_TO, METRICS, OF_TASK

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
BLOCK = re.compile(r"(<!-- (metrics|readings):begin -->\n).*?(<!-- \2:end -->)", re.DOTALL)


def tables() -> str:
    tasks = "".join(
        f"| {task} | {', '.join(f'`{name}`' for name in names)} |\n"
        for task, names in OF_TASK.items()
    )
    gains = "".join(
        f"| `{name}` | {'more' if one.greater_is_better else 'less'} | "
        + (f"{one.gain:.0%}".replace("%", " %") if one.relative else f"{one.gain:g}")
        + (" of the best baseline's on the validation rows" if one.relative else "")
        + " |\n"
        for name, one in METRICS.items()
    )
    return (
        f"| task | metrics, the first of which decides |\n|---|---|\n{tasks}\n"
        f"| metric | better | minimum gain unless declared |\n|---|---|---|\n{gains}"
    )


def readings() -> str:
    wide = [(n, Reading(number=n).confidence(0.95)) for n in (1, 2, 3, 4, 10, 100)]
    return (
        "| reading, with one allowed | interval that decides | standard errors |\n|---|---|---|\n"
        + (
            "".join(
                f"| {n} | {100 * one:.5g} % | {NormalDist().inv_cdf((1 + one) / 2):.2f} |\n"
                for n, one in wide
            )
        )
    )


MADE = {"metrics": tables, "readings": readings}


def test_the_tables_are_the_codes_own(pytestconfig):
    text = PAGE.read_text("utf-8")
    if pytestconfig.getoption("--update-golden"):
        made = BLOCK.sub(lambda found: found[1] + MADE[found[2]]() + found[3], text)
        PAGE.write_text(made, "utf-8")
    blocks = {found[2]: found[0] for found in BLOCK.finditer(PAGE.read_text("utf-8"))}
    for name, table in MADE.items():
        assert blocks[name] == f"<!-- {name}:begin -->\n{table()}<!-- {name}:end -->"


def test_every_metric_of_a_task_is_in_the_table():
    assert {name for names in OF_TASK.values() for name in names} == set(METRICS)


def test_the_options_shown_are_all_there_are():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = yaml.safe_load(block)["evaluation"]
    assert set(shown) == set(EvaluationSpec.model_fields)
    defaults = EvaluationSpec()
    assert EvaluationSpec(**shown).metric == "average_precision"
    for name in ("confidence", "resamples", "stratified", "seed"):
        assert shown[name] == getattr(defaults, name), name


def test_the_options_of_the_verdict_shown_are_all_there_are():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    shown = yaml.safe_load(block)["verdict"]
    assert set(shown) == set(VerdictSpec.model_fields)
    defaults = VerdictSpec()
    assert VerdictSpec(**shown).slices == ["carrier", "distance"]
    for name in ("seeds", "slice_rows", "weak_segments", "max_test_reads"):
        assert shown[name] == getattr(defaults, name), name
    for name in ("slices", "max_latency_ms", "max_bytes"):
        assert not getattr(defaults, name)


def test_how_often_it_is_wrong_is_of_the_benchmark_s_own_contests():
    text = PAGE.read_text("utf-8")
    source = (PAGE.parents[1] / "benchmarks" / "verdict.py").read_text("utf-8")
    for rows in re.findall(r" rows=([\d_]+)[,)]", source):
        assert f"{int(rows):,} rows" in text
    assert "luck: float = 0.25" in source
    assert "a quarter of the minimum gain" in text


def test_numbers_in_the_text_are_the_codes():
    import math

    text = PAGE.read_text("utf-8")
    assert f"pays {-math.log(CLIP):.0f} for that row" in text
    assert f"`auc` of more than {AREAS_UP_TO} classes" in text
    assert f"never below 1 in {EvaluationSpec().resamples + 1}" in text
    assert f"up to the {slices.MOST} commonest" in text
    assert f"fewer than {slices.LEAST_GROUPS} groups" in text
    assert f"a tree of {weak_segments.DEPTH} levels" in text
    assert f"{weak_segments.SHARE:.0%} of the rows".replace("%", " %") in text
    assert of_evaluation.__module__.endswith("figures.of_evaluation")
