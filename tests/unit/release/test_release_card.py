"""The model card: its headings, and that it says what is so and nothing else."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from release_bundles import ROWS, build, decision_of, evaluation_of, prepare, raw_table

from plumbline.baselines import random_forest
from plumbline.network.diagnosis.findings import CHECKS, Finding
from plumbline.release.bundle import load_bundle
from plumbline.release.layout import CARD
from plumbline.release.markdown import block, code, table

pytest_plugins = ["release_fixtures"]

HEADINGS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


@pytest.fixture
def card_of(forest, tmp_path):
    """The card of the forest's bundle, built with other facts."""

    def run(**changed) -> str:
        built = build(
            forest.prepared, "random_forest", forest.predictor, tmp_path / "bundle", **changed
        )
        return (built.folder / CARD).read_text("utf-8")

    return run


@pytest.fixture(scope="module")
def text(forest) -> str:
    return (forest.folder / CARD).read_text("utf-8")


def test_the_headings_are_those_of_the_paper_in_their_order(text):
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS


def test_every_version_is_there(text, forest):
    for version in (
        "v1",
        forest.prepared.snapshot.digest,
        "split_version-1",
        "normalization_version-1",
        "model_version-1",
        "evaluation_version-1",
        "bundle_version-1",
    ):
        assert f"`{version}`" in text


def test_every_column_is_there_with_its_treatment_or_the_reason_why_it_is_not_read(text):
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line[:2] == "| "}
    assert "integer | numeric | minus mean" in lines["`age`"]
    assert "flagged by a 0/1 column" in lines["`age`"]
    assert "flagged" not in lines["`amount`"]
    assert "12 of 12 training values have a code each" in lines["`month`"]
    assert "part of the key" in lines["`id`"]
    assert "dropped by source.drop" in lines["`note`"]


def test_rows_and_candidates_are_there(text, forest):
    for side, count in forest.prepared.split.counts.items():
        assert f"| {side} | {count:,} |" in text
    for kind in ("random_forest", "xgboost"):
        assert f"| {kind} | 0.7500 (0.7000 to 0.8000) | 0.7500 (0.7000 to 0.8000) |" in text
    assert "BASELINE: made up for a test." in text
    assert forest.prepared.snapshot.query in text


def test_what_nobody_declared_is_said_to_be_so(text):
    assert "Owners: none declared" in text
    assert "Nothing is declared under `description`." in text
    assert "not known: the project is not a git checkout" in text


def test_what_was_declared_is_there(card_of, prepared):
    declared = {"description": "For the night shift.", "owners": ["team:night"]}
    text = card_of(spec=prepared.spec.model_copy(update=declared))
    assert "## Intended use\n\nFor the night shift." in text
    assert "Owners: team:night" in text


@pytest.mark.parametrize(("reads", "told"), [(1, False), (3, True)])
def test_reading_the_test_rows_again_is_a_caveat(card_of, reads, told):
    text = card_of(test_reads=reads)
    assert f"opened so far: {reads} time(s)" in text
    assert (f"The test rows were opened {reads} times: what was changed" in text) is told


def test_an_interval_that_was_widened_is_told(card_of, tmp_path):
    reads = {"reading": 3, "allowed": 1, "confidence": 0.9917}
    text = card_of(evaluation=evaluation_of("random_forest", tmp_path, reads=reads))
    assert "the evaluation was reading 3, and 1 may be at full width" in text
    assert "if the 99.17 % interval of its gain in test AUC" in text
    assert "wider than declared, because it was reading 3 of these test rows" in text


MEASURED = {"value": 0.75, "low": 0.7, "high": 0.8}


def test_slices_costs_and_seeds_are_told_where_they_were_measured(card_of, tmp_path, text):
    assert "No group of rows was evaluated separately" in text
    one = {"slice": "city = NA", "rows": 1200, "difference": {**MEASURED, "value": -0.01}}
    found = {
        "measured": [
            {
                **one,
                "declared": declared,
                "candidates": {"random_forest": MEASURED},
                "holm": 0.004 if declared else None,
                "blocks": declared,
            }
            for declared in (True, False)
        ],
        "left_out": [{"slice": "city = nan", "rows": 7, "why": "fewer than 200 rows"}],
    }
    cost = {"candidate": "network", "one_row_us": 812.5, "bytes": 123456, "seconds": None}
    complexity = {
        "candidates": [{**cost, "trainings": 3, "explanations": "none"}],
        "limits": [{"told": "it takes 3 ms for one row, and verdict.max_latency_ms is 2"}],
    }
    network = {"seed": 5, "val": 0.7, "test": 0.71, "released": True}
    seeds = {"networks": [network, {**network, "seed": 6, "released": False}], "std": 0.0123}
    evaluation = evaluation_of(
        "random_forest", tmp_path, slices=found, complexity=complexity, seeds=seeds
    )
    told = card_of(evaluation=evaluation)
    assert "No group of rows" not in told
    gain = "-0.0100 (0.7000 to 0.8000)"
    released = "0.7500 (0.7000 to 0.8000)"
    assert f"| `city = NA` | declared | 1,200 | {released} | {gain} | 0.004 | yes |" in told
    assert f"| `city = NA` | found | 1,200 | {released} | {gain} |  | no |" in told
    assert "| `city = nan` | 7 | fewer than 200 rows |" in told
    assert "| network | 812.5 | 123,456 | not measured | 3 | none |" in told
    assert "- it takes 3 ms for one row, and verdict.max_latency_ms is 2" in told
    assert "Networks of 2 seeds; their test scores have a spread of 0.0123:" in told
    assert "| 5 | 0.7000 | 0.7100 | yes |" in told
    assert "| 6 | 0.7000 | 0.7100 |  |" in told


def test_calibration_thresholds_and_coverage_are_told(card_of, tmp_path, text):
    assert "Calibration:" not in text
    evaluation = evaluation_of("random_forest", tmp_path)
    ece = {**MEASURED, "by_chance": 0.02}
    chosen = {"label": None, "threshold": 0.25, "met": True, "precision": 0.5, "recall": 0.75}
    evaluation.candidates["random_forest"] |= {
        "calibration": {
            "method": "platt",
            "reason": "it gains",
            "test": {"before": {"ece": ece}, "after": {"ece": {**ece, "value": 0.5}}},
        },
        "choice": {
            "rule": {"by": "precision", "at_least": 0.9},
            "met": True,
            "chosen": [chosen, {**chosen, "label": "sick", "met": False}],
        },
        "conformal": {"nominal": 0.9, "test": {"coverage": MEASURED, "size": MEASURED}},
    }
    told = card_of(evaluation=evaluation)
    assert "Calibration: platt; it gains." in told
    assert "| as the model says | 0.7500 (0.7000 to 0.8000) | 0.0200 |" in told
    assert "| as released | 0.5000 (0.7000 to 0.8000) | 0.0200 |" in told
    assert "chosen on the validation rows (by precision, at_least 0.9):" in told
    assert "| 1 | 0.25 | 0.5000 | 0.7500 |" in told
    assert "| `sick` | none: the rule cannot be met | 0.5000 | 0.7500 |" in told
    assert "hold the truth of 90 % of rows. Of the test rows they hold 0.7500 (0.7000" in told


@pytest.mark.parametrize(
    ("task", "predicts"),
    [
        ("multiclass", "of each class of `size`: `large`, `middle`, `small`"),
        ("multilabel", "for `both`, the probability of each label by itself: `member`, `label`"),
        ("regression", "`amount`, in the unit of its column"),
    ],
)
def test_every_task_has_a_card(released, task, predicts):
    built = released[task, "dummy"]
    coding = built.prepared.split.coding
    text = (built.folder / CARD).read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert predicts in text
    for name in decision_of(coding).schema.names:
        assert f"| `{name}` |" in text
    for name in coding.classes:
        rows = re.findall(rf"^\| `{name}` \| \d+ \| \d+ \| \d+ \|$", text, re.MULTILINE)
        assert len(rows) == 1
    assert ("| train | 410 | 48.9853 | -6.39139 | 101.433 |" in text) == (task == "regression")


def test_the_diagnosis_of_a_network_is_a_section_of_the_caveats(card_of, text):
    assert "Diagnosis of the training" not in text
    nothing = card_of(findings=())
    section = nothing[nothing.index("### Diagnosis of the training") :]
    for check in CHECKS:
        assert f"`{check}`" in section


def test_what_the_diagnosis_found_is_told_with_all_remedies(card_of):
    finding = Finding(
        check="pace",
        severity="WARN",
        evidence="still falling",
        cause="too few epochs",
        remedies=("raise max_epochs", "raise learning_rate"),
    )
    told = card_of(findings=(finding,))
    row = "`pace` | WARN | still falling | too few epochs | raise max_epochs; raise learning_rate"
    assert row in told
    assert "`pace`" not in told[told.index("Nothing was found by") :].splitlines()[0]


def test_time_ranges_come_from_the_certificate(card_of, prepared):
    certificate = {
        **prepared.split.certificate,
        "time": {
            "column": "at",
            "ranges": {
                side: {"first": f"{side} first", "last": f"{side} last"}
                for side in ("train", "val", "test")
            },
        },
    }
    text = card_of(split=replace(prepared.split, certificate=certificate))
    assert "| Side | Rows | Positive | First `at` | Last `at` |" in text
    assert "| val first | val last |" in text


def test_rows_on_no_side_are_told_of(card_of, prepared, text):
    certificate = prepared.split.certificate
    assert "On no side" not in text
    reasons = {"gap": {"train": 5, "val": 2}, "duplicate": {"train": 0, "val": 0}}
    excluded = {"rows": 7, "share": 0.01, "reasons": reasons}
    text = card_of(split=replace(prepared.split, certificate={**certificate, "excluded": excluded}))
    assert "On no side: 7 rows (gap 7)" in text


def test_the_verdict_is_told_with_its_reason(card_of, tmp_path):
    undecided = evaluation_of(
        "random_forest", tmp_path, decision="INCONCLUSIVE", reason="the interval spans the gain"
    )
    assert "INCONCLUSIVE: the interval spans the gain." in card_of(evaluation=undecided)


def test_a_column_that_says_only_whether_it_is_null_is_read(tmp_path):
    bonus = pa.array([None if number % 4 else 5.0 for number in range(ROWS)])
    prepared = prepare(tmp_path / "snapshot", raw_table().append_column("bonus", bonus))
    fitted = random_forest.fit(prepared.split.train(), prepared.normalization, 0)
    built = build(prepared, "random_forest", fitted.predictor, tmp_path / "bundle")
    assert load_bundle(built.folder).manifest.inputs[-1].name == "bonus"
    text = (built.folder / CARD).read_text("utf-8")
    (line,) = re.findall(r"^\| `bonus` .*$", text, re.MULTILINE)
    assert "numeric | only whether it is NULL; constant in the training rows (5.0)" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", "`a`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\nb", "`a b`")],
)
def test_code_spans_hold_backticks(text, expected):
    assert code(text) == expected


def test_code_blocks_hold_fences():
    assert block("SELECT 1 -- ```", "sql") == "````sql\nSELECT 1 -- ```\n````"


def test_bars_and_line_breaks_do_not_end_a_cell():
    assert table(["a"], [["x|y\nz"]]).splitlines()[2] == "| x\\|y z |"


def test_cards_hold_no_moment_of_their_making(text, forest):
    assert str(Path.cwd()) not in text
    assert not re.search(r"\d\d:\d\d", text)
