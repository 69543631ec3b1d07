"""Replicas of a network that share every batch train as one device does (JAX)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_network_resume import Killed, harmless, killer

from plumbline.environment import keras_backend
from plumbline.network import backend, resume
from plumbline.network.loop import devices, epochs
from plumbline.network.loop.feed import InMemory
from plumbline.network.loop.steps import Steps, learning_rate, steps
from plumbline.network.resume import variables

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(keras_backend() != "jax", reason="replicas are a way of JAX"),
]

ROWS, SIZE = 500, 64
"""Seven full batches, and one of 52 rows."""

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((ROWS, 4), dtype=np.float32)
Y = (X[:, :1] > 0).astype(np.float32)
WEIGHT = DRAW.uniform(0.1, 3, ROWS).astype(np.float32)
ARRAYS = {"x": {"x": X}, "y": Y, "weight": WEIGHT}


def network(
    optimizer: Callable[[], Any] | None = None, dropout: float = 0.0, **options: Any
) -> Any:
    backend.seed(1)
    import keras

    given = keras.Input((4,), name="x")
    penalty = keras.regularizers.L2(0.01)
    hidden = keras.layers.Dense(16, activation="relu", kernel_regularizer=penalty)(given)
    hidden = keras.layers.Dropout(dropout)(hidden) if dropout else hidden
    made: Any = keras.Model({"x": given}, keras.layers.Dense(1)(hidden))
    made.compile(
        optimizer=optimizer() if optimizer else keras.optimizers.Adam(0.01),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        **options,
    )
    return made


def replicas(training: Any) -> Steps:
    return devices.steps_on(2)(training)


def run(
    training: Any,
    make: Callable[[Any], Steps],
    *,
    calls: Sequence[int] = (8,),
    size: int = SIZE,
    arrays: Any = ARRAYS,
) -> Steps:
    """An epoch in several calls, each up to a step."""
    stepping = make(training)
    placed = stepping.place(arrays)
    count = len(arrays["y"])
    order = stepping.order(np.random.default_rng(2).permutation(count))
    rates = np.full(-(-count // size), float(learning_rate(training.optimizer).value), np.float32)
    start = 0
    for stop in calls:
        stepping.run(placed, order, size, rates, start, stop)
        start = stop
    return stepping


def state(training: Any) -> dict[str, np.ndarray]:
    """All that a step changes, the metrics too."""
    metrics = {f"metric.{at}": one for at, one in enumerate(training.metrics_variables)}
    return {name: np.array(one.value) for name, one in (variables(training) | metrics).items()}


def assert_close(one: Any, other: Any) -> None:
    expected, found = state(one), state(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=2e-6, err_msg=name)


def assert_same(one: Any, other: Any) -> None:
    expected, found = state(one), state(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def adamw() -> Any:
    import keras

    return keras.optimizers.AdamW(0.02, weight_decay=0.1, global_clipnorm=0.05)


def accumulating() -> Any:
    import keras

    return keras.optimizers.SGD(0.1, clipnorm=0.05, gradient_accumulation_steps=3)


@pytest.mark.parametrize("optimizer", [adamw, accumulating])
def test_they_end_where_one_device_does(optimizer: Callable[[], Any]):
    """Weighted rows, a penalty, clipped gradients; the last step is short."""
    one, two = (network(optimizer, metrics=["mae"]) for _ in range(2))
    run(one, steps)
    run(two, replicas)
    assert_close(one, two)


def test_a_gradient_that_overflows_on_one_of_them_is_skipped_by_all():
    import keras

    def scaling() -> Any:
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))

    lost = X.copy()
    lost[:8] = 1e36  # a scaled gradient is infinite
    order = np.random.default_rng(2).permutation(ROWS)
    arrays = {"x": {"x": np.empty_like(X)}, "y": Y}
    arrays["x"]["x"][order] = lost  # all in the first replica's share of the first batch
    one, two = network(scaling), network(scaling)
    before = two.get_weights()
    run(one, steps, calls=[2], arrays=arrays)
    run(two, replicas, calls=[2], arrays=arrays)
    assert float(two.optimizer.dynamic_scale.value) == 2**14
    for made in (one, two):
        made.reset_metrics()  # the loss is lost
    assert_close(one, two)
    assert all(np.isfinite(after).all() for after in two.get_weights())
    assert any((after != was).any() for after, was in zip(two.get_weights(), before, strict=True))


def test_each_draws_its_own_dropout():
    """Of equal rows, equal masks would give the gradient of one share."""
    import keras

    def sgd() -> Any:
        return keras.optimizers.SGD(1.0)

    def after(make: Callable[[Any], Steps], rows: int, dropout: float) -> Any:
        alike = {"x": {"x": np.ones((rows, 4), np.float32)}, "y": np.ones((rows, 1), np.float32)}
        made = network(sgd, dropout)
        run(made, make, calls=[1], size=rows, arrays=alike)
        return made

    def apart(dropout: float) -> float:
        two, share = after(replicas, 16, dropout), after(steps, 8, dropout)
        pairs = zip(two.get_weights(), share.get_weights(), strict=True)
        return max(np.abs(a - b).max() for a, b in pairs)

    assert apart(0.0) < 1e-6
    assert apart(0.5) > 1e-3


def test_the_same_bits_however_many_steps_a_call_takes():
    """And dropout's seeds have gone on as with one device: a number for each step."""
    at_once, in_parts = (network(dropout=0.3, metrics=["mae"]) for _ in range(2))
    (seed,) = at_once.non_trainable_variables
    before = np.array(seed.value)
    run(at_once, replicas, calls=[7])
    run(in_parts, replicas, calls=[1, 3, 4, 7])
    assert_same(at_once, in_parts)
    np.testing.assert_array_equal(np.array(seed.value) - before, [0, 7])


def test_what_was_assigned_between_two_calls_counts():
    """As early stopping and the replay of a lost epoch do."""
    one, two = network(), network()
    for made, make in ((one, steps), (two, replicas)):
        stepping = run(made, make, calls=[4])
        made.set_weights([weight * 0.5 for weight in made.get_weights()])
        for metric in made.metrics_variables:
            metric.assign(metric.value * 0.5)
        placed, order = stepping.place(ARRAYS), stepping.order(np.arange(ROWS))
        stepping.run(placed, order, SIZE, np.full(8, 0.01), 0, 3)
    assert_close(one, two)


def test_batches_that_cannot_be_halved_are_taken_whole():
    one, two = network(dropout=0.3), network(dropout=0.3)
    run(one, steps, size=45, calls=[11])
    run(two, replicas, size=45, calls=[11])
    assert_same(one, two)


def test_nothing_outside_sees_more_than_one_device():
    made = network()
    stepping = run(made, replicas)
    shared = stepping.place(ARRAYS)["x"]["x"]
    assert len(shared.devices()) == 2
    assert len({one.data.unsafe_buffer_pointer() for one in shared.addressable_shards}) == 1
    rows = stepping.rows(stepping.place(ARRAYS), np.array([3, 5]))
    np.testing.assert_array_equal(np.array(rows["x"]["x"]), X[[3, 5]])
    assert len(rows["x"]["x"].devices()) == 1
    for one in (*made.variables, *made.optimizer.variables):
        assert len(one.value.devices()) == 1
        assert not one.value._committed  # or scoring would be compiled anew


def test_rows_are_copied_when_they_are_placed():
    room = np.zeros(ROWS * 16 + 64, np.uint8)
    skip = -room.ctypes.data % 64  # where JAX would take them as they are
    mine = room[skip : skip + ROWS * 16].view(np.float32).reshape(ROWS, 4)
    placed = replicas(network()).place(mine)
    mine[:] = 1
    assert not np.array(placed).any()


def trained(work: Path, callback: Any) -> dict[str, Any]:
    """Three epochs of Dropout, taken up from what lies in `work`; the history and every bit."""
    made = network(dropout=0.3)
    stepping = replicas(made)
    history = epochs.fit(
        made,
        stepping,
        InMemory(stepping, ARRAYS, ROWS, seed=1),
        epochs=3,
        batch_size=lambda _: 50,
        rates=lambda _, count: np.linspace(0.5, 1, count),
        validate=dict,
        callbacks=[callback],
        resuming=resume.Resuming(work, "this"),
    )
    return {"loss": history["loss"], **{name: one.tobytes() for name, one in state(made).items()}}


def test_two_trainings_and_a_killed_one_have_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resume, "EVERY", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)
    whole = trained(tmp_path / "whole", harmless())
    with pytest.raises(Killed):
        trained(tmp_path / "killed", killer(3))
    assert trained(tmp_path / "killed", harmless()) == whole
