"""docs/decision.md says what the options and the code say."""

import re
from pathlib import Path

import yaml

from plumbline.decision.calibration import STAIRS_FROM
from plumbline.decision.curves import EDGE
from plumbline.decision.decision import Decision
from plumbline.decision.fitting import FOLDS
from plumbline.decision.sets import Conformal
from plumbline.metrics.reliability import BINS
from plumbline.spec import ConformalSpec, DecisionSpec, ThresholdSpec
from plumbline.spec.decision import READ_BY

PAGE = Path(__file__).parents[3] / "docs" / "decision.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_options_shown_are_accepted_and_all_there_are():
    (block,) = blocks("yaml")
    shown = yaml.safe_load(block)["decision"]
    assert set(shown) == set(DecisionSpec.model_fields)
    declared = DecisionSpec(**shown)
    assert (declared.calibration, declared.conformal) == ("auto", ConformalSpec())
    every = set(re.findall(r"\w+", block))
    assert {"none", "platt", "isotonic", *READ_BY} <= every
    assert set(shown["threshold"]) == {"by", *READ_BY["cost"]}


def test_every_rule_has_its_line():
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) ?\|$", text, re.MULTILINE)
    told = {rule: tuple(re.findall(r"`(\w+)`", reads)) for rule, reads in rows if rule != "by"}
    assert told == READ_BY
    assert ThresholdSpec().by == "accuracy"


def test_the_python_shown_runs_and_answers_what_is_said():
    (block,) = blocks("python")
    names = {}
    exec(block, names)
    (said,) = re.findall(r"^`answers` is `(.*?)`\.", PAGE.read_text("utf-8"), re.MULTILINE)
    assert names["answers"] == yaml.safe_load(said)


def test_the_columns_are_those_of_the_answers():
    text = PAGE.read_text("utf-8")
    for task, classes in (("binary", ()), ("multiclass", ("a", "b")), ("regression", ())):
        threshold = 0.5 if task == "binary" else None
        sets = Conformal(coverage=0.9, margins=(0.1,))
        made = Decision(task=task, classes=classes, threshold=threshold, conformal=sets)
        (line,) = re.findall(rf"^\| {task} \| .*$", text.partition("## Cal")[0], re.MULTILINE)
        further = made.schema.names[len(made.schema) - (2 if task == "regression" else 1) :]
        assert re.findall(r"`(\w+)`", line) == further


def test_numbers_in_the_text_are_the_codes():
    text = PAGE.read_text("utf-8")
    assert (FOLDS, BINS) == (5, 10)
    assert "cut in five parts" in text
    assert "in ten bins" in text
    assert f"from {STAIRS_FROM:,} validation rows on" in text
    assert f"drawn in by {EDGE:f}" in text
