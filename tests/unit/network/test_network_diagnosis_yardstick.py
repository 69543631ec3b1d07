"""What a network is held against: a constant answer, and a linear model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.network.diagnosis import floor, yardstick
from plumbline.network.diagnosis.columns import columns
from plumbline.network.examples import Examples, Units
from plumbline.network.metrics import measured
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

TASKS = ("binary", "multiclass", "multilabel", "regression")


def rows(task: str, seed: int = 0, count: int = 400, scale: float = 1.0) -> Examples:
    """Labels that follow the first number and the category."""
    draw = np.random.default_rng(seed)
    numeric = draw.standard_normal((count, 3))
    codes = draw.integers(0, 6, (count, 1)).astype(np.int32)
    signal = 2 * numeric[:, 0] + 3 * (codes[:, 0] % 2) + draw.normal(size=count)
    labels: dict[str, Any] = {
        "binary": (signal > 1.5).astype(np.int8),
        "multiclass": np.digitize(signal, [0.0, 2.0]).astype(np.int16),
        "multilabel": np.stack([signal > 0, signal > 2, numeric[:, 1] > 0], 1).astype(np.int8),
        "regression": 100 + 10 * signal,
    }
    matrix = Matrix(
        numeric=(numeric * [scale, 1, 1]).astype(np.float32),
        codes=codes,
        numeric_names=("a", "b", "c"),
        category_names=("d",),
    )
    return Examples(matrix=matrix, labels=labels[task])


def goal(task: Any, **options: Any) -> Any:
    return objective(task, 3, NetworkSpec(**options))


def scores(task: str, seed: int, count: int = 400) -> np.ndarray:
    draw = np.random.default_rng(seed)
    if task == "multiclass":
        return draw.dirichlet([1, 1, 1], count)
    if task == "regression":
        return draw.normal(100, 10, count)
    return draw.uniform(size=(count, 3) if task == "multilabel" else count)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_that_of_the_history(task: str, weighted: bool):
    given, units = rows(task), Units(mean=100.0, scale=12.0)
    if weighted:
        given = replace(given, weights=np.linspace(0.1, 2, 400).astype(np.float32))
    said = scores(task, 1)
    expected = measured(goal(task), units, given.labels, said, given.weights)["loss"]
    assert yardstick.loss(goal(task), units, given, said) == pytest.approx(expected)


@pytest.mark.parametrize("task", TASKS)
@given(seed=st.integers(0, 50))
def test_no_constant_answer_is_better_than_the_mean(task: str, seed: int):
    given, units = rows(task), Units(mean=100.0, scale=12.0)
    best = yardstick.constant(goal(task), given, 400)
    other = np.broadcast_to(scores(task, seed, 1)[:1], best.shape)
    assert yardstick.loss(goal(task), units, given, best) <= (
        yardstick.loss(goal(task), units, given, other) + 1e-9
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_constant_answer_is_at_chance(task: str):
    given = rows(task)
    said = yardstick.constant(goal(task), given, 400)
    fit = yardstick.fit(
        goal(task), Units(mean=100.0, scale=12.0), given, given, scores=said, linear=said
    )
    assert fit.skill == pytest.approx(fit.chance)
    assert fit.loss == pytest.approx(fit.trivial_loss)
    assert fit.gain_error == pytest.approx(0)


@pytest.mark.parametrize("task", TASKS)
def test_a_linear_model_finds_a_linear_signal_on_any_scale(task: str):
    train, val = rows(task, 1, 2000), rows(task, 2)
    (said,) = floor.linear_scores(goal(task), train, [val.matrix])
    assert said.shape == scores(task, 0).shape
    skill = yardstick.skill(goal(task), val.labels, said)
    assert skill > {"binary": 0.95, "multiclass": 0.7, "multilabel": 0.9, "regression": 0.85}[task]
    train, val = rows(task, 1, 2000, scale=50_000), rows(task, 2, scale=50_000)
    (scaled,) = floor.linear_scores(goal(task), train, [val.matrix])
    np.testing.assert_allclose(scaled, said, rtol=1e-4)


def test_a_linear_model_needs_no_column():
    given = rows("binary")
    matrix = replace(given.matrix, numeric=np.ones_like(given.matrix.numeric))
    plain = replace(given, matrix=replace(matrix, codes=np.full_like(matrix.codes, 3)))
    (said,) = floor.linear_scores(goal("binary"), plain, [plain.matrix])
    np.testing.assert_allclose(said, given.labels.mean())


def test_the_range_of_a_column():
    seen = columns(rows("binary", scale=50_000).matrix)
    assert [one.name for one in seen] == ["a", "b", "c"]
    assert seen[0].rms == pytest.approx(50_000, rel=0.1)
    assert seen[0].low < -50_000
    assert not seen[0].constant
    assert columns(replace(rows("binary").matrix, numeric=np.zeros((0, 3), np.float32))) == ()
