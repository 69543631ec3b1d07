"""Two trainings compared: what the tier is, and where it is written."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plumbline.network import fitting, reproducibility
from plumbline.network.examples import Examples
from plumbline.network.fitting import Fitted
from plumbline.network.reproducibility import TOLERANCE, compared, measured, place, record, recorded
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

OPTIONS = NetworkSpec(architecture="dense", widths=[8], batch_size=64, max_epochs=40, dropout=0.2)


def examples(rows: int, seed: int) -> Examples:
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, 3), dtype=np.float32)
    matrix = Matrix(
        numeric=numeric,
        codes=np.zeros((rows, 0), np.int32),
        numeric_names=("a", "b", "c"),
        category_names=(),
    )
    return Examples(matrix=matrix, labels=(numeric[:, 0] > 0).astype(np.int8))


def fit(options: NetworkSpec) -> Fitted:
    train, val = examples(256, 1), examples(100, 2)
    goal = objective("binary", 2, options)
    return fitting.fit_examples(train, val, Table.described(train.matrix, ()), goal, options, None)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[NetworkSpec]:
    """The options of every training that `measured` does; rows are made up."""
    seen: list[NetworkSpec] = []

    def stands_in(_train: Any, _val: Any, _normalization: Any, options: NetworkSpec, work: Any):
        assert work is None
        seen.append(options)
        return fit(options)

    monkeypatch.setattr(reproducibility, "fit", stands_in)
    return seen


def ask(options: NetworkSpec, epochs: int = 2) -> reproducibility.Reproducibility:
    rows: Any = None
    return measured(rows, rows, rows, options, epochs)


def test_a_deterministic_network_is_bitwise_reproducible(trainings: list[NetworkSpec]):
    found = ask(OPTIONS)
    assert found.tier == "bitwise"
    assert (found.weights_differ, found.scores_differ) == (0, 0)
    assert found.epochs == 2
    assert all(first == second for first, second in found.metrics.values())
    assert found.circumstances["devices"]
    assert [one.max_epochs for one in trainings] == [2, 2]


def test_the_options_stay_but_for_their_length():
    given = OPTIONS.model_copy(update={"range_test": True})
    short = reproducibility.shortened(given, 50)
    assert (short.max_epochs, short.range_test) == (40, False)
    assert short.model_copy(update={"range_test": True}) == given
    assert reproducibility.shortened(NetworkSpec(), 5).max_epochs == 5


@cache
def short(number: int) -> Fitted:
    """An epoch, trained once for each number."""
    return fit(OPTIONS.model_copy(update={"max_epochs": 1}))


def nudged(fitted: Fitted, by: float) -> Fitted:
    """The same training, had its last digits come out otherwise."""
    again = short(1)
    weights = fitted.predictor.network.get_weights()
    again.predictor.network.set_weights([one * np.float32(1 + by) for one in weights])
    scores = fitted.val_scores * (1 + by)
    return replace(fitted, predictor=again.predictor, val_scores=scores)


@pytest.mark.parametrize(
    ("by", "tier"),
    [(0.0, "bitwise"), (0.1 * TOLERANCE, "tolerance"), (10 * TOLERANCE, "statistical")],
)
def test_the_tier_is_the_best_that_holds(by: float, tier: str):
    one = short(0)
    found = compared(one, nudged(one, by), OPTIONS)
    assert found.tier == tier
    assert found.weights_differ == pytest.approx(by, rel=0.05, abs=1e-12)
    assert found.scores_differ == pytest.approx(by, rel=0.05, abs=1e-12)


def test_another_seed_is_told_apart(monkeypatch: pytest.MonkeyPatch):
    seeds = iter((0, 1))

    def unseeded(_train: Any, _val: Any, _normalization: Any, options: NetworkSpec, _work: Any):
        return fit(options.model_copy(update={"seed": next(seeds)}))

    monkeypatch.setattr(reproducibility, "fit", unseeded)
    found = ask(OPTIONS)
    assert found.tier == "statistical"
    assert found.weights_differ > TOLERANCE


def test_it_is_written_beside_the_artifact_and_read_again(tmp_path: Path):
    folder = tmp_path / "visits" / "network" / "abc"
    folder.mkdir(parents=True)
    assert recorded(folder) is None
    found = compared(short(0), nudged(short(0), 0.0), OPTIONS)
    path = record(folder, found)
    assert path == place(folder) == tmp_path / "visits" / "reproducibility" / "abc.json"
    told = recorded(folder)
    assert told is not None
    assert told["tier"] == "bitwise"
    assert told["deterministic"] is True
    assert list(folder.iterdir()) == []
    assert [one.name for one in path.parent.iterdir()] == ["abc.json"]
