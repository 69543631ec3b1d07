"""Epoch by epoch, without Keras."""

import logging
import os
from typing import Any

import numpy as np
import pytest

from plumbline.network import backend, callbacks
from plumbline.network.callbacks import Progress
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

LOGS = {"loss": 0.5, "val_loss": 0.6, "val_auc": 0.7}


def recipe(**options: Any) -> Recipe:
    declared = NetworkSpec(**{"architecture": "dense", "max_epochs": 10, **options})
    matrix = Matrix(
        numeric=np.zeros((4, 1), np.float32),
        codes=np.zeros((4, 0), np.int32),
        numeric_names=("amount",),
        category_names=(),
    )
    return resolve(declared, Table.described(matrix, ()), objective("binary", 2, declared))


RECIPE = recipe(batch_size=100)


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
    progress = Progress(8000, RECIPE, logging.getLogger("tested"))
    logs = epochs(progress, clock, 2, seconds=4)
    assert logs["seconds"] == 4
    assert caplog.messages == [
        f"network: epoch {epoch}/10, loss 0.5000, val_loss 0.6000, val_auc 0.7000, 2,000 rows/s, "
        f"at most {left} s left"
        for epoch, left in ((1, 36), (2, 32))
    ]


def test_short_epochs_share_a_line(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    epochs(Progress(10, RECIPE, logging.getLogger("tested")), clock, 9, seconds=0.5)
    assert [line.split(",")[0] for line in caplog.messages] == [
        "network: epoch 4/10",
        "network: epoch 8/10",
    ]


def test_a_long_epoch_says_how_far_it_is(clock: Clock, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    progress = Progress(9000, RECIPE, logging.getLogger("tested"))
    progress.epoch_begins(2)
    for batch in range(31):
        progress.batch_begins(batch)
        clock.now += 1
    assert caplog.messages == [
        "network: epoch 3/10, 1,000 of 9,000 rows, 100 rows/s",
        "network: epoch 3/10, 2,000 of 9,000 rows, 100 rows/s",
        "network: epoch 3/10, 3,000 of 9,000 rows, 100 rows/s",
    ]


def test_a_training_that_is_taken_up_counts_its_own_time(
    clock: Clock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    progress = Progress(8000, RECIPE, logging.getLogger("tested"))
    for epoch in (6, 7):
        progress.epoch_begins(epoch)
        clock.now += 4
        progress.epoch_ends(dict(LOGS))
    lefts = [line.rsplit(", ", 1)[1] for line in caplog.messages]
    assert lefts == ["at most 12 s left", "at most 8 s left"]


def test_the_learning_rate_falls_before_training_stops():
    for patience in range(1, 20):
        slowed = callbacks.plateau_patience(recipe(patience=patience))
        assert 1 <= slowed <= patience


def test_what_the_user_set_in_the_environment_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    backend.prepare()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
