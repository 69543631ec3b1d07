"""docs/evaluation.md says what the table of metrics and the options say."""

import re
from pathlib import Path

import yaml

from plumbline.evaluation.figures.of_evaluation import of_evaluation
from plumbline.metrics.parts import CLIP
from plumbline.spec import EvaluationSpec
from plumbline.spec.metrics import AREAS_UP_TO, METRICS, OF_TASK

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
BLOCK = re.compile(r"(<!-- metrics:begin -->\n).*?(<!-- metrics:end -->)", re.DOTALL)


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


def test_the_tables_are_the_codes_own(pytestconfig):
    text = PAGE.read_text("utf-8")
    if pytestconfig.getoption("--update-golden"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + tables() + found[2], text), "utf-8")
    (block,) = BLOCK.finditer(PAGE.read_text("utf-8"))
    assert block[0] == f"<!-- metrics:begin -->\n{tables()}<!-- metrics:end -->"


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


def test_numbers_in_the_text_are_the_codes():
    import math

    text = PAGE.read_text("utf-8")
    assert f"pays {-math.log(CLIP):.0f} for that row" in text
    assert f"`auc` of more than {AREAS_UP_TO} classes" in text
    assert f"never below 1 in {EvaluationSpec().resamples + 1}" in text
    assert of_evaluation.__module__.endswith("figures.of_evaluation")
