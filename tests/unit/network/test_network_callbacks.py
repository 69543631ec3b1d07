"""Epoch by epoch, without Keras."""

import logging
import os
from typing import Any

import numpy as np
import pytest

from plumbline.errors import TrainingError
from plumbline.network import backend, callbacks
from plumbline.network.architecture import embedding_width
from plumbline.network.callbacks import Judge, Progress
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

OPTIONS = NetworkSpec(max_epochs=10, batch_size=100)
LOGS = {"loss": 0.5, "val_loss": 0.6, "val_auc": 0.7}


class Weights:
    """Stands for a network."""

    def __init__(self, value: float = 1.0):
        self._value = value

    def get_weights(self) -> list[np.ndarray]:
        return [np.ones(3), np.array([0.0, self._value])]


def matrix(numeric: list[list[float]]) -> Matrix:
    values = np.array(numeric, dtype=np.float32)
    return Matrix(
        numeric=values,
        codes=np.zeros((len(values), 0), dtype=np.int32),
        numeric_names=("amount", "age")[: values.shape[1]],
        category_names=(),
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(callbacks, "time", made)
    return made


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO)
    return caplog.messages


def epochs(progress: Progress, clock: Clock, count: int, seconds: float) -> dict[str, Any]:
    logs = {}
    for epoch in range(count):
        progress.epoch_begins(epoch)
        clock.now += seconds
        logs = dict(LOGS)
        progress.epoch_ends(logs)
    return logs


def test_an_epoch_is_one_line(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    progress = Progress(8000, OPTIONS, logging.getLogger("tested"))
    logs = epochs(progress, clock, 2, seconds=4)
    assert logs["seconds"] == 4
    assert caplog.messages == [
        f"network: epoch {epoch}/10, loss 0.5000, val_loss 0.6000, val AUC 0.7000, 2,000 rows/s, "
        f"at most {left} s left"
        for epoch, left in ((1, 36), (2, 32))
    ]


def test_short_epochs_share_a_line(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    epochs(Progress(10, OPTIONS, logging.getLogger("tested")), clock, 9, seconds=0.5)
    assert [line.split(",")[0] for line in caplog.messages] == [
        "network: epoch 4/10",
        "network: epoch 8/10",
    ]


def test_a_long_epoch_says_how_far_it_is(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    progress = Progress(9000, OPTIONS, logging.getLogger("tested"))
    progress.epoch_begins(2)
    for batch in range(31):
        progress.batch_begins(batch)
        clock.now += 1
    assert caplog.messages == [
        "network: epoch 3/10, 1,000 of 9,000 rows, 100 rows/s",
        "network: epoch 3/10, 2,000 of 9,000 rows, 100 rows/s",
        "network: epoch 3/10, 3,000 of 9,000 rows, 100 rows/s",
    ]


@pytest.mark.parametrize("name", ["loss", "val_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused(name: str, value: float):
    judge = Judge(Weights(), matrix([[1, 2], [3, -40]]), OPTIONS, val_auc=pytest.fail)
    with pytest.raises(TrainingError, match=rf"^the network's {name} is {value} in epoch 3") as it:
        judge.epoch_ends(2, {**LOGS, name: value})
    assert "40, of 'age'" in it.value.found
    assert "learning_rate (now 0.0005)" in it.value.remedy


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value: float):
    judge = Judge(Weights(value), matrix([[1]]), OPTIONS, val_auc=pytest.fail)
    with pytest.raises(TrainingError, match="weights are not finite in epoch 1"):
        judge.epoch_ends(0, dict(LOGS))


def test_a_loss_can_diverge_without_numeric_features():
    judge = Judge(Weights(), matrix([[], []]), OPTIONS, val_auc=pytest.fail)
    with pytest.raises(TrainingError, match="no numeric features"):
        judge.epoch_ends(0, {**LOGS, "loss": float("nan")})


def test_the_auc_joins_the_history():
    logs: dict[str, Any] = {"loss": 1, "val_loss": 2}
    Judge(Weights(), matrix([[1]]), OPTIONS, val_auc=lambda: 0.75).epoch_ends(0, logs)
    assert logs == {"loss": 1, "val_loss": 2, "val_auc": 0.75}


def test_the_learning_rate_falls_before_training_stops():
    for patience in range(1, 20):
        slowed = callbacks.plateau_patience(NetworkSpec(patience=patience))
        assert 1 <= slowed <= patience


@pytest.mark.parametrize(
    ("cardinality", "width"), [(2, 2), (3, 3), (5, 4), (18, 8), (100, 21), (1002, 50)]
)
def test_embeddings_widen_slowly(cardinality: int, width: int):
    assert embedding_width(cardinality) == width


def test_what_the_user_set_in_the_environment_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    backend.prepare()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
