"""Each failure made to happen in a real training, and none seen in a sound one."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from plumbline.environment import keras_backend
from plumbline.errors import TrainingError
from plumbline.network import fitting, trainer
from plumbline.network.diagnosis.findings import Finding
from plumbline.network.examples import Examples
from plumbline.network.fitting import Fitted
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

on_one_backend = pytest.mark.skipif(
    keras_backend() != "tensorflow", reason="the rules read plain numbers; one backend shows them"
)

ROWS, VAL = 2000, 1500
NAMES = tuple("abcdef")
OPTIONS = {
    "architecture": "dense",
    "widths": [32, 16],
    "dropout": 0.0,
    "learning_rate": 0.003,
    "max_epochs": 10,
    "patience": 5,
    "batch_size": 64,
}
PLAIN = {"batch_normalization": False}


def examples(rows: int, seed: int, task: str = "binary", rare: float = 0.5) -> Examples:
    """The label follows two numbers, the product of two others and a category, with noise."""
    draw = np.random.default_rng(seed)
    numeric = draw.standard_normal((rows, len(NAMES)), dtype=np.float32)
    codes = draw.integers(0, 5, (rows, 2)).astype(np.int32)
    signal = numeric[:, 0] * numeric[:, 1] + numeric[:, 2] + codes[:, 0] % 2
    signal = signal + draw.normal(scale=0.5, size=rows)
    labels = {
        "binary": (signal > np.quantile(signal, 1 - rare)).astype(np.int8),
        "multiclass": np.digitize(signal, [-0.5, 0.5, 1.0]).astype(np.int16),
        "regression": signal * 10 + 5,
    }
    matrix = Matrix(
        numeric=numeric, codes=codes, numeric_names=NAMES, category_names=("city", "month")
    )
    return Examples(matrix=matrix, labels=labels[task])


def fit(train: Examples, val: Examples, task: Any = "binary", **changed: Any) -> Fitted:
    options = NetworkSpec.model_validate({**OPTIONS, **changed})
    table = Table.described(train.matrix, (5, 5))
    return fitting.fit_examples(train, val, table, objective(task, 4, options), options, None)


def with_numbers(given: Examples, numeric: np.ndarray) -> Examples:
    return replace(given, matrix=replace(given.matrix, numeric=numeric.astype(np.float32)))


TRAIN, HELD_OUT = examples(ROWS, 1), examples(VAL, 2)


@cache
def sound() -> Fitted:
    return fit(TRAIN, HELD_OUT)


def found(fitted: Fitted) -> dict[str, Finding]:
    return {one.check: one for one in fitted.diagnosis.findings}


def test_a_sound_training_has_no_findings():
    fitted = sound()
    assert fitted.diagnosis.findings == ()
    assert fitted.diagnosis.evidence.val.skill > 0.93


@on_one_backend
@pytest.mark.parametrize("architecture", ["linear", "resnet", "tabm_mini"])
def test_no_finding_on_other_architectures(architecture: str):
    widths = {} if architecture == "linear" else {"widths": [32, 32]}
    members = {"members": 4} if architecture == "tabm_mini" else {}
    rates = {"learning_rate": None, "dropout": None}
    one = fit(TRAIN, HELD_OUT, architecture=architecture, **{**rates, **widths, **members})
    assert one.diagnosis.findings == ()


@on_one_backend
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_no_finding_on_other_tasks(task: str):
    fitted = fit(examples(ROWS, 1, task), examples(VAL, 2, task), task)
    assert fitted.diagnosis.findings == ()
    assert fitted.diagnosis.evidence.val.skill > 0.6


def test_the_evidence_is_of_this_training():
    fitted = sound()
    seen, history = fitted.diagnosis.evidence, fitted.history
    assert list(seen.train_loss) == history["train_loss"]
    assert len(seen.moved) == len(seen.rates) == len(history["loss"])
    assert seen.moved[0] < seen.moved[-1]
    assert seen.rates[0] == pytest.approx(0.003)
    assert seen.val.loss == pytest.approx(history["val_loss"][fitted.best_epoch - 1])
    assert seen.val.skill == pytest.approx(history["val_auc"][fitted.best_epoch - 1])
    assert seen.val.trivial_loss == pytest.approx(np.log(2), abs=0.01)
    assert seen.train.skill > seen.train.linear_skill > 0.8
    layers = {one.name: one for one in seen.layers}
    assert layers["relu_1"].dead is not None
    assert layers["relu_1"].dead < 0.2
    for one in layers.values():
        if one.gradients:
            assert all(norm > 0 for norm in one.gradients)
    assert [one.name for one in seen.columns] == list(NAMES)
    assert seen.columns[0].rms == pytest.approx(1, abs=0.1)


def test_the_diagnosis_changes_no_weight(monkeypatch: pytest.MonkeyPatch):
    class Nobody:
        """Watches nothing."""

        def callback(self) -> Any:
            import keras

            return keras.callbacks.Callback()

    monkeypatch.setattr(trainer, "watching", lambda *_, **__: Nobody())
    monkeypatch.setattr(fitting, "judged", lambda *_: None)
    unwatched = fit(TRAIN, HELD_OUT)
    monkeypatch.undo()
    assert unwatched.predictor.weights_sha256() == sound().predictor.weights_sha256()


@on_one_backend
def test_a_far_too_high_learning_rate_kills_units():
    findings = found(fit(TRAIN, HELD_OUT, **PLAIN, learning_rate=3.0))
    assert findings["predictions"].severity == "ERROR"
    assert "of layer 'relu_2'" in findings["units"].evidence
    for check in ("learning", "predictions", "units"):
        assert "pass no gradient back" in findings[check].cause
        assert findings[check].remedies[0].startswith("lower network.learning_rate (now 3)")


@on_one_backend
def test_a_too_high_learning_rate_swings():
    findings = found(fit(TRAIN, HELD_OUT, learning_rate=5.0, max_epochs=8, patience=8))
    assert "the training loss" in findings["stability"].evidence
    assert findings["stability"].remedies[0].startswith("lower network.learning_rate (now 5)")


@on_one_backend
def test_a_too_low_learning_rate_hardly_moves():
    findings = found(fit(TRAIN, HELD_OUT, learning_rate=1e-6, patience=10))
    assert "of where they began" in findings["pace"].evidence
    for check in ("pace", "learning"):
        assert findings[check].remedies[0].startswith("raise network.learning_rate (now 1e-06)")


@on_one_backend
def test_a_low_learning_rate_is_still_falling():
    findings = found(fit(TRAIN, HELD_OUT, learning_rate=3e-5))
    assert set(findings) == {"pace", "underfitting"}
    assert "was still falling when training ended" in findings["pace"].evidence


@on_one_backend
def test_unscaled_input_is_named_with_its_range():
    wide = np.array([30_000, 1, 1, 1, 1, 1])
    train, val = (with_numbers(one, np.abs(one.matrix.numeric) * wide) for one in (TRAIN, HELD_OUT))
    findings = found(fit(train, val, **PLAIN))
    cause = findings.get("learning", findings.get("underfitting"))
    assert cause
    low, high = train.matrix.numeric[:, 0].min(), train.matrix.numeric[:, 0].max()
    assert f"'a' runs from {low:,.6g} to {high:,.6g}" in cause.cause
    assert cause.remedies[0] == "set normalization.method to standard, or to quantile"


def lost(train: Examples, **changed: Any) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        fit(train, HELD_OUT, **changed)
    return caught.value


def step_of(row: int, epoch: int = 1, seed: int = 0) -> int:
    """The step that reads a row, found by running the shuffle alone."""
    from plumbline.network.loop.shuffle import Shuffle

    row_bytes = (len(NAMES) + 2) * 4
    order = Shuffle(rows=ROWS, row_bytes=row_bytes, seed=seed).order(epoch - 1, 64)
    return int(np.flatnonzero(order == row)[0]) // 64 + 1


@pytest.mark.parametrize(
    ("value", "where"),
    [(np.nan, "the input 'numeric'"), (3e38, "moving_variance")],
    ids=["nan", "huge"],
)
def test_nan_by_data_names_layer_batch_and_column(value: float, where: str):
    numeric = TRAIN.matrix.numeric.copy()
    numeric[1717, 3] = value
    error = lost(with_numbers(TRAIN, numeric))
    assert f"in epoch 1; in step {step_of(1717)} of 32, the" in error.found
    assert where in error.found
    assert "of 'd'; likeliest cause: the data: that step is lost" in error.found
    assert error.values["step"] == step_of(1717)
    assert "normalization.method" in error.remedy


def test_nan_by_learning_rate_is_told_from_nan_by_data():
    error = lost(TRAIN, **PLAIN, optimizer="sgd", learning_rate=1e5)
    assert "in epoch 1; in step " in error.found
    assert "likeliest cause: the learning rate is too high" in error.found
    assert error.remedy.startswith("lower network.learning_rate (now 100000) by a factor of 10")


@on_one_backend
def test_nan_by_learning_rate_on_unscaled_input_names_the_column():
    wide = np.array([1, 1, 1, 1, 30_000, 1])
    error = lost(
        with_numbers(TRAIN, TRAIN.matrix.numeric * wide),
        **{**PLAIN, "optimizer": "sgd", "learning_rate": 10.0},
    )
    assert "likeliest cause: the input is not on one scale: 'e' runs from" in error.found
    assert error.remedy.startswith("set normalization.method to standard")


@on_one_backend
def test_validation_rows_that_cannot_be_read_are_told_from_training_rows():
    numeric = HELD_OUT.matrix.numeric.copy()
    numeric[5, 1] = np.nan
    with pytest.raises(TrainingError, match=r"val_loss is nan in epoch 1; no training step .* 'b'"):
        fit(TRAIN, with_numbers(HELD_OUT, numeric))


@on_one_backend
def test_features_without_variation():
    train, val = (with_numbers(one, np.ones((len(one.labels), 6))) for one in (TRAIN, HELD_OUT))
    train, val = (
        replace(one, matrix=replace(one.matrix, codes=np.full_like(one.matrix.codes, 2)))
        for one in (train, val)
    )
    findings = found(fit(train, val, max_epochs=3))
    assert findings["predictions"].severity == "ERROR"
    assert "all 6 numeric columns are constant" in findings["learning"].cause


@on_one_backend
def test_labels_learned_by_heart():
    few = examples(300, 1)
    noise = np.random.default_rng(3).random(300) < 0.3
    noisy = replace(few, labels=np.where(noise, 1 - few.labels, few.labels).astype(np.int8))
    fitted = fit(noisy, HELD_OUT, widths=[256, 256], max_epochs=40, patience=40)
    one = found(fitted)["overfitting"]
    least = fitted.history["val_loss"].index(min(fitted.history["val_loss"])) + 1
    assert f"opens after epoch {least}" in one.evidence
    assert one.remedies[0].startswith("raise network.dropout (now [0.0, 0.0])")


@on_one_backend
def test_shuffled_labels_are_no_signal():
    draw = np.random.default_rng(0)
    train, val = (replace(one, labels=draw.permutation(one.labels)) for one in (TRAIN, HELD_OUT))
    findings = found(fit(train, val))
    one = findings.get("learning", findings.get("underfitting"))
    assert one
    assert "the features say little about the label" in one.cause
    assert "look at the join" in one.remedies[0]


@on_one_backend
def test_a_class_of_one_in_500_is_never_predicted():
    train, val = (examples(5000, seed, rare=0.002) for seed in (1, 2))
    one = found(fit(train, val, max_epochs=4))["minority"]
    assert "1 (0.20% of the training rows)" in one.evidence
    assert "set network.class_weights to balanced" in one.remedies


@on_one_backend
def test_class_weights_cure_it():
    train, val = (examples(5000, seed, rare=0.01) for seed in (1, 2))
    assert "minority" in found(fit(train, val, max_epochs=2))
    findings = found(fit(train, val, max_epochs=10, class_weights="balanced"))
    assert not {"minority", "predictions", "learning", "underfitting"} & set(findings)
