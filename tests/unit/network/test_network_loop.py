"""The compiled loop is Keras' own training, only faster."""

from typing import Any

import numpy as np
import pytest

from plumbline.network.loop import epochs
from plumbline.network.loop.feed import InMemory
from plumbline.network.loop.steps import steps

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ROWS, SIZE, SEED = 500, 64, 7
DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((ROWS, 4), dtype=np.float32)
Y = (X[:, :1] > 0).astype(np.float32)
WEIGHT = DRAW.uniform(0.5, 2, ROWS).astype(np.float32)


def compiled(**options: Any) -> Any:
    from plumbline.network import backend

    backend.seed(1)
    import keras

    given = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(8, activation="relu")(given)
    hidden = keras.layers.BatchNormalization()(hidden)
    network: Any = keras.Model({"x": given}, keras.layers.Dense(1)(hidden))
    network.compile(
        optimizer=keras.optimizers.Adam(0.01, **options),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["mae"],
        jit_compile=backend.jit_compile(),
    )
    return network


def fit(network: Any, rounds: int, *, rates: Any = None, callbacks: Any = ()) -> dict[str, Any]:
    stepping = steps(network)
    arrays = {"x": {"x": X}, "y": Y, "weight": WEIGHT}
    return epochs.fit(
        network,
        stepping,
        InMemory(stepping, arrays, ROWS, SEED),
        epochs=rounds,
        batch_size=lambda _: SIZE,
        rates=rates or (lambda _, count: np.ones(count)),
        validate=dict,
        callbacks=callbacks,
    )


def batches(epoch: int) -> list[np.ndarray]:
    order = np.random.default_rng([SEED, epoch]).permutation(ROWS)
    return np.split(order, range(SIZE, ROWS, SIZE))


def test_it_ends_with_the_weights_of_train_on_batch():
    looped, stepwise = compiled(), compiled()
    history = fit(looped, 3)
    losses = []
    for epoch in range(3):
        losses.append(0.0)
        for here in batches(epoch):
            told = stepwise.train_on_batch(
                {"x": X[here]}, Y[here], sample_weight=WEIGHT[here], return_dict=True
            )
            losses[-1] += float(told["loss"]) * len(here) / ROWS
    assert len(batches(0)[-1]) < SIZE  # a short last batch is among them
    for one, other in zip(looped.get_weights(), stepwise.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert set(history) >= {"loss", "mae"}


def test_each_step_has_its_own_learning_rate():
    looped, stepwise = compiled(), compiled()
    course = np.linspace(0.1, 2, len(batches(0)))
    fit(looped, 1, rates=lambda _epoch, _count: course)
    for here, factor in zip(batches(0), course, strict=True):
        stepwise.optimizer.learning_rate = np.float32(0.01 * factor)
        stepwise.train_on_batch({"x": X[here]}, Y[here], sample_weight=WEIGHT[here])
    for one, other in zip(looped.get_weights(), stepwise.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_callbacks_are_called_as_keras_does():
    import keras

    called: list[tuple[str, int]] = []

    class Watching(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            called.append(("epoch begins", epoch))

        def on_train_batch_end(self, batch, logs=None):
            assert logs["loss"] > 0
            called.append(("step", batch))

        def on_epoch_end(self, epoch, logs=None):
            called.append(("epoch ends", epoch))
            self.model.stop_training = epoch == 1

    history = fit(compiled(), 5, callbacks=[Watching()])
    assert [one for one in called if one[0] != "step"] == [
        *(("epoch begins", 0), ("epoch ends", 0)),
        *(("epoch begins", 1), ("epoch ends", 1)),
    ]
    last = len(batches(0)) - 1
    assert [step for name, step in called if name == "step"].count(last) == 2
    assert len(history["loss"]) == 2


def test_rows_of_one_category_move_its_vector_as_one():
    """As a dense gradient would: Adam's second moment is the square of the sum."""
    import keras

    from plumbline.network.layers.category import CodeEmbedding

    codes = keras.Input((), dtype="int32", name="codes")
    embedding = CodeEmbedding(2, 1, embeddings_initializer="zeros")
    network: Any = keras.Model(codes, embedding(codes))
    network.compile(keras.optimizers.Adam(), keras.losses.MeanSquaredError())
    network.train_on_batch(np.zeros(4, np.int32), np.ones((4, 1), np.float32))
    (velocity,) = (one for one in network.optimizer.variables if "velocity" in one.path)
    # The gradient of the mean of (0 - 1)² by the vector that all four rows share is -2.
    np.testing.assert_allclose(np.array(velocity.value)[:, 0], [0.001 * 4, 0], rtol=1e-5)
