"""The sides that training.py compares: each trains the same network on the same rows.

A side returns the seconds of every epoch but the first, in which things are compiled, and the
AUC on validation rows.
"""

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

WIDTH, HIDDEN, EPOCHS, VAL_ROWS = 40, (256, 128), 4, 50_000

Rows = tuple[Any, Any, Any, Any]
Measured = tuple[list[float], float]
Side = Callable[[Rows, int], Measured]


class Clock:
    """Seconds of each epoch after the first."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last: float | None = None

    def tick(self, *_: Any) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now


def table(rows: int) -> Rows:
    """Training and validation rows: the label follows some products of the numbers."""
    import numpy as np

    draw = np.random.default_rng(rows)
    x = draw.standard_normal((rows + VAL_ROWS, WIDTH), dtype=np.float32)
    signal = x[:, :8].sum(1) + 2 * x[:, 8] * x[:, 9] + 2 * x[:, 10] * x[:, 11]
    y = (signal + draw.normal(scale=2, size=len(x)) > 0).astype(np.float32)[:, None]
    return x[:rows], y[:rows], x[rows:], y[rows:]


def compiled(**options: Any) -> Any:
    """The network, as every Keras side trains it."""
    from plumbline.network import backend

    backend.prepare()
    import keras

    keras.utils.set_random_seed(0)
    hidden = first = keras.Input((WIDTH,), name="x")
    for units in HIDDEN:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    network: Any = keras.Model({"x": first}, keras.layers.Dense(1)(hidden))
    network.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        **{"jit_compile": backend.jit_compile(), **options},
    )
    return network


def sharing(network: Any, batch: int) -> int:
    """Devices that share the batches where `network.devices` is left out."""
    from plumbline.network.loop import devices

    return devices.settled(network, devices.chosen("all", [batch]), "all", [batch])


def plumbline(rows: Rows, batch: int) -> Measured:
    import keras
    import numpy as np

    from plumbline.network.loop import devices, epochs
    from plumbline.network.loop.feed import InMemory

    x, y, *val = rows
    network = compiled()
    stepping = devices.steps_on(sharing(network, batch))(network)
    clock = Clock()
    epochs.fit(
        network,
        stepping,
        InMemory(stepping, {"x": {"x": x}, "y": y}, len(x), seed=0),
        epochs=1 + EPOCHS,
        batch_size=lambda _: batch,
        rates=lambda _, count: np.ones(count),
        validate=dict,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=clock.tick)],
    )
    return clock.seconds, auc(network, *val)


def fit_numpy(rows: Rows, batch: int) -> Measured:
    x, y, *val = rows
    network = compiled()
    return fitted(network, val, x={"x": x}, y=y, batch_size=batch)


def fit_tf_data(rows: Rows, batch: int) -> Measured:
    """As TensorFlow's guide to performance advises; several steps per execution on TensorFlow."""
    import tensorflow as tf

    x, y, *val = rows
    several = {"steps_per_execution": 32} if os.environ["KERAS_BACKEND"] == "tensorflow" else {}
    network = compiled(**several)
    # Shuffled numbers, whole batches gathered: faster than shuffling and batching the rows.
    order = tf.data.Dataset.range(len(x)).shuffle(len(x), reshuffle_each_iteration=True)
    here, there = tf.constant(x), tf.constant(y)
    batches = order.batch(batch).map(
        lambda one: ({"x": tf.gather(here, one)}, tf.gather(there, one)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return fitted(network, val, x=batches.prefetch(tf.data.AUTOTUNE))


def fitted(network: Any, val: Any, **given: Any) -> Measured:
    import keras

    clock = Clock()
    callback = keras.callbacks.LambdaCallback(on_epoch_end=clock.tick)
    network.fit(**given, epochs=1 + EPOCHS, verbose=0, callbacks=[callback])
    return clock.seconds, auc(network, *val)


def auc(network: Any, x: Any, y: Any) -> float:
    from plumbline.metrics.areas import auc as area

    return area(y[:, 0], network.predict({"x": x}, batch_size=4096, verbose=0)[:, 0])


def torch_eager(rows: Rows, batch: int) -> Measured:
    return torch_loop(rows, batch, lambda step: step)


def torch_compiled(rows: Rows, batch: int) -> Measured:
    import torch

    return torch_loop(rows, batch, torch.compile)


def torch_loop(rows: Rows, batch: int, prepare: Callable) -> Measured:
    """Rows as tensors, permuted indices: the usual fast loop, without a DataLoader."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    x, y, val_x, val_y = map(torch.from_numpy, rows)
    sizes = (WIDTH, *HIDDEN)
    layers: list[Any] = []
    for before, after in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 1))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    loss = torch.nn.BCEWithLogitsLoss()
    forward = prepare(lambda rows, labels: loss(network(rows), labels))
    clock = Clock()
    for _ in range(1 + EPOCHS):
        order = torch.randperm(len(x))
        for at in range(0, len(x), batch):
            here = order[at : at + batch]
            optimizer.zero_grad(set_to_none=True)
            forward(x[here], y[here]).backward()
            optimizer.step()
        clock.tick()
    with torch.no_grad():
        scores = network(val_x)[:, 0].numpy()
    ranks = np.argsort(np.argsort(scores)) + 1.0
    ones = val_y.numpy()[:, 0] == 1
    low = ones.sum() * (ones.sum() + 1) / 2
    return clock.seconds, float((ranks[ones].sum() - low) / ones.sum() / (~ones).sum())
