"""Courses of the learning rate, batch sizes and an optimizer's options: no network is made."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plumbline.errors import SpecError
from plumbline.network.optimisation import schedules
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.known import FINITE
from plumbline.network.optimisation.schedules import rates
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import BatchPhase, NetworkSpec
from plumbline.spec.network import OPTIMIZER_OPTIONS

SCHEDULES = ("constant", "plateau", "cosine", "cyclical", "one_cycle", "flat_cosine", "coslog")


def recipe(rows: int = 1000, **options: Any) -> Recipe:
    matrix = Matrix(
        numeric=np.zeros((4, 1), np.float32),
        codes=np.zeros((4, 0), np.int32),
        numeric_names=("amount",),
        category_names=(),
    )
    declared = NetworkSpec(**{"architecture": "dense", **options})
    table = Table.described(matrix, (), rows=rows)
    return resolve(declared, table, objective("binary", 2, declared))


def whole(schedule: str, epochs: int, steps: int, **options: Any) -> np.ndarray:
    """The factors of a whole training."""
    course = rates(recipe(schedule=schedule, max_epochs=epochs, **options))
    return np.concatenate([course(epoch, steps) for epoch in range(epochs)])


epochs_and_steps = given(
    schedule=st.sampled_from(SCHEDULES), epochs=st.integers(1, 40), steps=st.integers(1, 50)
)


@epochs_and_steps
def test_a_factor_lies_between_0_and_1(schedule: str, epochs: int, steps: int):
    factors = whole(schedule, epochs, steps)
    assert factors.shape == (epochs * steps,)
    assert ((factors >= 0) & (factors <= 1)).all()


@epochs_and_steps
def test_a_course_does_not_see_where_an_epoch_ends(schedule: str, epochs: int, steps: int):
    halved = whole(schedule, epochs, 2 * steps)
    np.testing.assert_allclose(halved[1::2], whole(schedule, epochs, steps), atol=1e-9)


@given(schedule=st.sampled_from(SCHEDULES), epochs=st.integers(4, 30))
def test_a_course_has_no_jumps(schedule: str, epochs: int):
    steps = 200
    # The steepest is a warm-up: from 0 to 1 over a twentieth of the steps; coslog's first wave
    # is as steep: pi · 15 / ln 2 per unit of the share.
    steepest = math.pi * 15 / math.log(2) / (epochs * steps)
    factors = whole(schedule, epochs, steps)
    assert np.abs(np.diff(factors)).max() <= max(steepest, 2 / (4 * steps))


@given(epochs=st.integers(1, 40), steps=st.integers(1, 50))
def test_where_each_course_begins_and_ends(epochs: int, steps: int):
    ends = {name: whole(name, epochs, steps)[-1] for name in SCHEDULES}
    for name in FINITE:
        assert ends[name] == pytest.approx(0, abs=1e-9), name
    assert ends["constant"] == ends["plateau"] == 1


def test_warm_up_rises_to_the_height_and_falls_from_there():
    for name, first in (("cosine", 0.0), ("one_cycle", schedules.FIRST)):
        factors = whole(name, 10, 100, warmup=0.2)
        assert factors.argmax() == 199
        assert factors[199] == pytest.approx(1)
        assert first < factors[0] < first + 0.01
        assert (np.diff(factors[:199]) > 0).all()
        assert (np.diff(factors[200:]) < 0).all()
    assert whole("cosine", 10, 100, warmup=0.0)[0] == pytest.approx(1, abs=1e-4)


def test_coslog_has_four_waves_that_double_in_length():
    factors = whole("coslog", 150, 100)
    heights = [0, *np.flatnonzero((factors[1:-1] > factors[:-2]) & (factors[1:-1] > factors[2:]))]
    np.testing.assert_allclose(factors[np.array(heights[1:]) + 1], 1, atol=1e-3)
    # ½ (1 - cos 2πk) is 1 where log₂(1 + 15 t) is k + ½.
    expected = [(2 ** (k + 0.5) - 1) / 15 for k in range(4)]
    np.testing.assert_allclose(np.array(heights[1:]) / len(factors), expected, atol=2e-3)


def test_flat_cosine_is_flat_for_half_of_the_steps():
    factors = whole("flat_cosine", 4, 100)
    assert (factors[:200] == 1).all()
    assert (np.diff(factors[200:]) < 0).all()


def test_cycles_repeat():
    factors = whole("cyclical", 3 * schedules.CYCLE_EPOCHS, 20)
    period = 20 * schedules.CYCLE_EPOCHS
    np.testing.assert_allclose(factors[:period], factors[period : 2 * period])
    assert factors.min() == pytest.approx(schedules.LOWEST)
    assert factors.max() == pytest.approx(1)


@pytest.mark.parametrize("name", sorted(FINITE))
def test_a_course_that_ends_is_let_run_to_its_end(name: str):
    assert recipe(schedule=name, max_epochs=33).patience == 33
    assert recipe(schedule=name, max_epochs=33, patience=4).patience == 4
    assert recipe(schedule="plateau", max_epochs=33).patience < 33


phases = st.lists(
    st.tuples(st.integers(1, 99), st.integers(1, 512)),
    min_size=0,
    max_size=4,
    unique_by=lambda p: p[0],
)


@given(parts=phases, last=st.integers(1, 512), epochs=st.integers(1, 60))
def test_phases_follow_each_other_in_their_order(
    parts: list[tuple[int, int]], last: int, epochs: int
):
    declared = [BatchPhase(until=at / 100, size=size) for at, size in sorted(parts)]
    declared.append(BatchPhase(until=1, size=last))
    sizes = batch_sizes(recipe(batch_size=declared, max_epochs=epochs))
    found = [sizes(epoch) for epoch in range(epochs)]
    for epoch, size in enumerate(found):
        share = epoch / epochs
        expected = next(one.size for one in declared if share < one.until)
        assert size == expected
    assert found[0] == declared[0].size


@given(rows=st.integers(1, 10**8))
def test_a_batch_by_the_number_of_rows_is_a_power_of_two_within_bounds(rows: int):
    size = recipe(rows, batch_size="auto").batch_size
    assert isinstance(size, int)
    assert 64 <= size <= 1024
    assert size & (size - 1) == 0


@pytest.mark.parametrize(
    ("optimizer", "option"),
    [("adam", "weight_decay"), ("adam", "momentum"), ("adamw", "momentum"), ("sgd", "beta_2")],
)
def test_an_option_that_an_optimizer_does_not_read_is_refused(optimizer: str, option: str):
    with pytest.raises(ValidationError, match=rf"{option} is declared, and optimizer {optimizer}"):
        NetworkSpec.model_validate({"optimizer": optimizer, option: 0.5})
    # The architecture's own optimizer is known only later.
    if optimizer == "adam":
        with pytest.raises(SpecError, match=rf"network\.{option} .* choose optimizer "):
            recipe(1000, **{option: 0.5})


def test_an_option_of_0_asks_for_nothing():
    assert NetworkSpec(optimizer="adam", weight_decay=0.0).weight_decay == 0


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZER_OPTIONS))
def test_what_an_optimizer_does_not_read_is_recorded_as_0(optimizer: str):
    made = recipe(architecture="resnet", optimizer=optimizer)
    for name in ("momentum", "beta_2", "weight_decay"):
        if name not in OPTIMIZER_OPTIONS[optimizer]:  # type: ignore[index]
            assert getattr(made, name) == 0
    assert recipe(optimizer="sgd").momentum == 0.9
    assert recipe(optimizer="sgd", momentum=0.5).momentum == 0.5
    assert recipe(optimizer="rmsprop").beta_2 == 0.9


def test_an_architectures_beta_is_not_another_optimizers():
    assert recipe(architecture="realmlp").beta_2 == 0.95
    assert recipe(architecture="realmlp", optimizer="rmsprop").beta_2 == 0.9
    assert recipe(architecture="realmlp", optimizer="rmsprop").weight_decay == 0.02
