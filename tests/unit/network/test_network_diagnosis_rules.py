"""The rules of the diagnosis on plain numbers, without a network."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.network.diagnosis import causes, report
from plumbline.network.diagnosis.diagnosis import Diagnosis
from plumbline.network.diagnosis.evidence import Column, Evidence, Fit, Label, Layer, Smoke
from plumbline.network.diagnosis.findings import CHECKS, Finding, told
from plumbline.network.diagnosis.rulebook import RULES, diagnosed
from plumbline.network.diagnosis.rules import course, machine, quality
from plumbline.network.diagnosis.sampling import places

FALLING = (0.60, 0.45, 0.40, 0.38, 0.37, 0.365, 0.362, 0.361, 0.3605, 0.360)
OPTIONS = {
    "architecture": "dense",
    "widths": (16, 8),
    "dropout": (0.0, 0.0),
    "l2": 0.0,
    "weight_decay": 0.0,
    "learning_rate": 0.001,
    "batch_size": 64,
    "max_epochs": 10,
    "monitor": "loss",
}


def side(**changed: Any) -> Fit:
    facts = {
        "loss": 0.36,
        "trivial_loss": 0.69,
        "gain_error": 0.005,
        "skill": 0.92,
        "linear_skill": 0.85,
        "chance": 0.5,
        "error": 0.01,
        "rows": 5000,
    }
    return Fit(**{**facts, **changed})


def column(name: str = "age", rms: float = 1.0, **changed: float) -> Column:
    return Column(**{"name": name, "low": -2.0 * rms, "high": 2.0 * rms, "rms": rms, **changed})


def evidence(**changed: Any) -> Evidence:
    """Of a sound training."""
    loss = changed.get("loss", FALLING)
    facts = {
        "task": "binary",
        "hyperparameters": {**OPTIONS, **changed.pop("options", {})},
        "loss": loss,
        "train_loss": loss,
        "val_loss": [one + 0.01 for one in loss],
        "rates": [0.001] * len(loss),
        "moved": [0.1] * len(loss),
        "best_epoch": len(loss),
        "train": side(),
        "val": side(loss=0.37),
        "label": Label(shares=(0.5, 0.5), predicted=(0.6, 0.4), spread=0.7),
        "columns": (column(), column("amount")),
        "layers": (Layer(name="relu_1", dead=0.1),),
        "smoke": Smoke(loss=0.70, expected=0.693, tolerance=0.05),
        "waited": 1.0,
        "stepped": 20.0,
    }
    return Evidence(**{**facts, **changed})


def found(**changed: Any) -> dict[str, Finding]:
    return {one.check: one for one in diagnosed(evidence(**changed))}


def test_a_sound_training_has_no_findings():
    assert found() == {}


def test_every_check_has_a_rule_or_ends_the_training():
    assert set(CHECKS) - set(RULES) == {"shapes", "finite"}
    assert set(RULES) <= set(CHECKS)


FLAT_LOSS = (0.70, 0.694, 0.693, 0.692, 0.691)


def test_a_flat_loss_names_the_column_and_its_range():
    columns = (column(), column("amount_cents", rms=18_780, low=44, high=49_080))
    one = found(loss=FLAT_LOSS, columns=columns)["learning"]
    assert "flat from the first epoch" in one.evidence
    assert "0.6910 in the best of 5 epochs, and a constant answer's is 0.6900" in one.evidence
    assert "'amount_cents' runs from 44 to 49,080" in one.cause
    assert one.remedies[0].startswith("set normalization.method")


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"columns": (column(low=1, high=1), column(low=0, high=0))}, "numeric columns are const"),
        ({"layers": (Layer(name="relu_2", dead=0.8),)}, "80% of the units of layer 'relu_2'"),
        ({"loss": (9.0, 0.9, 0.8, 0.8, 0.8)}, "learning rate is too high"),
        ({"moved": [0.001] * 5}, "learning rate is too low"),
        ({"val": side(linear_skill=0.51)}, "features say little about the label"),
        ({}, "too little freedom or time"),
    ],
)
def test_a_flat_loss_has_the_cause_that_the_evidence_supports(changed, cause):
    facts = {"loss": FLAT_LOSS, "train": side(linear_skill=0.5), **changed}
    assert cause in found(**facts)["learning"].cause


def test_a_small_gain_is_no_flat_loss():
    trivial = side().trivial_loss
    best = trivial * (1 - course.FLAT)
    assert "learning" in found(loss=(0.7, 0.7, best))
    assert "learning" not in found(loss=(0.7, 0.7, best - 1e-6))


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        ((0.60, 0.45, 0.40, 0.55, 0.70, 0.90, 1.20, 1.60), "diverged: 0.4 in epoch 3, 1.6"),
        ((0.60, 0.45, 0.60, 0.40, 0.65, 0.42, 0.66, 0.41), "swings: it rose by 0.64"),
    ],
)
def test_a_loss_that_rises_is_told_as_it_is(loss, word):
    one = found(loss=loss, train_loss=FALLING[:8], options={"max_epochs": 20})["stability"]
    assert word in one.evidence
    assert "learning rate" in one.cause
    assert one.remedies[0].startswith("lower network.learning_rate (now 0.001)")


def test_a_loss_may_rise_where_the_learning_rate_does():
    loss = (0.60, 0.45, 0.60, 0.40, 0.65, 0.42, 0.66, 0.41)
    cyclical = [0.001 * (2 - at % 2) for at in range(8)]
    facts = {"loss": loss, "train_loss": FALLING[:8], "options": {"max_epochs": 20}}
    assert "stability" in found(**facts)
    assert "stability" not in found(**facts, rates=cyclical)


def test_weights_that_hardly_moved_are_too_slow_a_pace():
    one = found(moved=[0.0004] * 10)["pace"]
    assert "within 0.04% of where they began" in one.evidence
    assert "by a factor of 10" in one.remedies[0]


LINE = tuple(0.65 - 0.02 * at for at in range(10))


def test_a_loss_still_falling_at_the_end_asks_for_epochs():
    one = found(loss=LINE)["pace"]
    assert "22% of its fall, from 0.6500 to 0.4700, lies in the last 2 of 10 epochs" in one.evidence
    assert one.remedies[0] == "raise network.max_epochs (now 10)"


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"max_epochs": 30}},  # stopped early
        {"best_epoch": 8},
        {"rates": [0.001 * (10 - at) / 10 for at in range(10)]},  # a schedule ended it
    ],
)
def test_a_steep_end_is_sound_where_it_was_meant(changed):
    assert "pace" not in found(loss=LINE, **changed)


def test_the_first_epochs_are_no_course():
    short = course.EPOCHS - 1
    assert "pace" not in found(loss=LINE[:short], options={"max_epochs": short})
    assert "pace" in found(loss=LINE[: short + 1], options={"max_epochs": short + 1})


def test_a_network_behind_a_linear_model_is_underfitted():
    one = found(train=side(skill=0.80), val=side(skill=0.80, loss=0.5))["underfitting"]
    assert "0.800; a linear model gets 0.850" in one.evidence


def test_a_linear_model_ahead_by_chance_is_none():
    val = side(skill=0.825, loss=0.5)
    assert "underfitting" not in found(train=side(skill=0.80), val=val)
    assert "underfitting" in found(train=side(skill=0.80), val=replace(val, error=0.001))


def test_a_network_at_chance_is_underfitted():
    val = side(skill=0.51, linear_skill=0.505, loss=0.69)
    one = found(val=val)["underfitting"]
    assert "chance is 0.500, give or take 0.020" in one.evidence
    assert "features say little" in one.cause


def test_the_gap_of_overfitting_and_when_it_began():
    val_loss = [0.65, 0.60, 0.58, 0.57, 0.60, 0.63, 0.66, 0.70, 0.74, 0.80]
    val = side(loss=0.57, skill=0.75)
    one = found(val_loss=val_loss, val=val, best_epoch=4)["overfitting"]
    assert "36% of the gain over a constant answer holds" in one.evidence
    assert "opens after epoch 4" in one.evidence
    assert "in epoch 10 it is 0.8000, and 0.3600 on training rows" in one.evidence
    assert one.numbers["began"] == 4


GAP = side(loss=0.57, skill=0.75)


def test_a_gap_within_chance_is_none():
    assert "overfitting" in found(val=GAP)
    assert "overfitting" not in found(val=replace(GAP, gain_error=0.05))
    assert "overfitting" not in found(val=replace(GAP, error=0.1))


def test_a_gap_that_a_linear_model_has_too_is_drift():
    """The numbers of the flights: validation rows come after training rows in time."""
    train = side(loss=0.4714, trivial_loss=0.5595, skill=0.7642, linear_skill=0.7033)
    val = side(loss=0.4473, trivial_loss=0.4806, skill=0.6680, linear_skill=0.6621)
    assert "overfitting" not in found(train=train, val=val)
    assert "overfitting" in found(train=train, val=replace(val, skill=0.62, linear_skill=0.70))


def test_a_gap_in_the_loss_is_none_where_another_metric_holds():
    assert "overfitting" not in found(val=replace(GAP, skill=0.9), options={"monitor": "auc"})
    assert "overfitting" in found(val=GAP, options={"monitor": "auc"})


def test_a_validation_loss_that_explodes_later_is_told_too():
    val_loss = [*(one + 0.01 for one in FALLING[:9]), 0.372 + quality.RISE * 0.69]
    assert "overfitting" in found(val_loss=val_loss, best_epoch=9)
    assert "overfitting" not in found(val_loss=val_loss, best_epoch=9, train_loss=FALLING[::-1])


def test_predictions_that_are_all_alike_are_of_no_use():
    label = Label(shares=(0.5, 0.5), predicted=(1.0, 0.0), spread=0.004)
    one = found(label=label)["predictions"]
    assert one.severity == "ERROR"
    assert "0.40% of what the labels deviate by" in one.evidence
    regression = Label(shares=(), predicted=(), spread=0.0)
    assert found(label=regression, task="regression")["predictions"].severity == "ERROR"


@pytest.mark.parametrize(("share", "told"), [(0.55, True), (0.65, False)])
def test_one_class_for_every_row_is_told_where_it_cannot_be_right(share, told):
    label = Label(shares=(share, 1 - share), predicted=(1.0, 0.0), spread=0.2)
    assert ("predictions" in found(label=label)) is told


def test_a_rare_class_that_is_never_predicted():
    label = Label(shares=(0.998, 0.002), predicted=(1.0, 0.0), spread=0.2)
    one = found(label=label)["minority"]
    assert "1 (0.20% of the training rows)" in one.evidence
    assert "none reaches one half" in one.cause
    lost = found(label=label, val=side(skill=0.51, loss=0.01, trivial_loss=0.014))["minority"]
    assert lost.remedies[0] == "set network.class_weights to balanced"
    seen = replace(label, predicted=(0.999, 0.001))
    assert "minority" not in found(label=seen)


def test_dead_units_are_named_by_layer():
    layers = (
        Layer(name="relu_1", dead=causes.DEAD),
        Layer(name="relu_2", dead=causes.DEAD - 0.01),
        Layer(name="raw_outputs"),
    )
    one = found(layers=layers)["units"]
    assert "50% of layer 'relu_1'" in one.evidence
    assert "relu_2" not in one.evidence


def test_an_untrained_network_that_is_sure_of_itself():
    smoke = Smoke(loss=3.1, expected=0.693, tolerance=0.05)
    assert "3.1000; an even guess has 0.6930" in found(smoke=smoke)["smoke_test"].evidence
    assert "smoke_test" not in found(smoke=None)


def test_waiting_for_rows_longer_than_computing():
    assert "60% of the steps' 20 s" in found(waited=12.0)["feeding"].evidence
    assert "feeding" not in found(waited=machine.WAITED * 20.0)
    assert "feeding" not in found(waited=0.5, stepped=0.6)


def test_a_gpu_that_is_not_used():
    assert "NVIDIA H100 is there" in found(unused_gpu="NVIDIA H100")["hardware"].evidence


def test_errors_come_first_and_a_shared_cause_is_told_once():
    label = Label(shares=(0.5, 0.5), predicted=(1.0, 0.0), spread=0.0)
    findings = diagnosed(evidence(loss=FLAT_LOSS, label=label))
    assert [one.severity for one in findings] == ["ERROR", "WARN"]
    text = told(findings)
    assert text.count("to fix:") == 1
    assert "likeliest cause: as above" in text


@given(st.integers(1, 3000), st.integers(1, 500))
def test_the_rows_that_are_looked_at_are_fixed_and_differ(rows: int, count: int):
    at = places(rows, count)
    assert len(at) == min(rows, count)
    assert (np.diff(at) > 0).all()
    assert 0 <= at[0] <= at[-1] < rows
    np.testing.assert_array_equal(at, places(rows, count))


def test_no_period_of_the_rows_is_met():
    labels = np.arange(40_000) % 2
    assert labels[places(40_000, 4_096)].mean() == pytest.approx(0.5, abs=0.03)


texts = st.text(min_size=1, max_size=20)


@given(
    st.builds(
        Finding,
        check=st.sampled_from(list(CHECKS)),
        severity=st.sampled_from(["ERROR", "WARN"]),
        evidence=texts,
        cause=texts,
        remedies=st.lists(texts, min_size=1, max_size=3).map(tuple),
        numbers=st.dictionaries(texts, st.floats(allow_nan=False)),
    )
)
def test_a_finding_survives_json(one: Finding):
    assert Finding.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_a_diagnosis_is_written_logged_and_read(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    bad = evidence(loss=FLAT_LOSS, val=side(skill=float("nan"), loss=0.69))
    made = Diagnosis(evidence=bad, findings=diagnosed(bad))
    made.write(tmp_path)
    assert report.read(tmp_path) == made.findings
    record = json.loads((tmp_path / report.FILE).read_text(), parse_constant=pytest.fail)
    assert record["evidence"]["val"]["skill"] is None
    assert record["evidence"]["layers"][0]["dead"] == 0.1
    made.log()
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "the loss is flat from the first epoch" in line.getMessage()
    Diagnosis(evidence=bad, findings=()).log()
    assert len(caplog.records) == 1
