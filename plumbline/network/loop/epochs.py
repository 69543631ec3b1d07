"""Epoch after epoch, with Keras' callbacks and history."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Protocol

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.feed import Feed, Portion
from plumbline.network.loop.oom import Recovering
from plumbline.network.loop.steps import Steps, learning_rate

FIRST_STEPS, SECONDS = 16, 1.0
"""Steps of the first compiled call, and how long later ones should take: callbacks run in
between, and Ctrl-C is heard."""

Rates = Callable[[int, int], np.ndarray]
"""Epoch, and its number of steps, to a factor of the learning rate for every step."""


class Resuming(Protocol):
    """Keeps a training's state from epoch to epoch; see `plumbline.network.resume`."""

    def begin(self, training: Network, callbacks: Sequence[Any]) -> int:
        """Restore what was kept, if anything was; returns the epoch to go on with."""
        ...

    def epoch_ends(self, epoch: int) -> None:
        """An epoch is over, its callbacks have run."""
        ...


def fit(
    training: Network,
    steps: Steps,
    feed: Feed,
    *,
    epochs: int,
    batch_size: Callable[[int], int],
    rates: Rates,
    validate: Callable[[], dict[str, float]],
    callbacks: Sequence[Any],
    resuming: Resuming | None = None,
    paced: bool = True,
) -> dict[str, list[float]]:
    """Train a compiled model; returns Keras' history.

    As `keras.Model.fit`: callbacks get the same calls, `model.stop_training` ends the training
    after the epoch, and a callback that sets the optimizer's learning rate sets the height
    that `rates` is multiplied with. Between two calls of `on_train_batch_*` lie several steps,
    as with `steps_per_execution`.

    batch_size: rows per step of an epoch. validate: what is added to the epoch's logs.
    resuming: takes up a training that was killed, and keeps this one's state. paced: whether the
    time that steps take says how many lie between two callbacks; not where other processes have
    to take as many.
    """
    import keras

    listed: Any = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=training, epochs=epochs
    )
    training.stop_training = False
    listed.on_train_begin()
    first_epoch = resuming.begin(training, listed.callbacks) if resuming else 0
    logs: dict[str, float] = {}
    stepping = _Stepping(training, steps, listed, paced=paced)
    for epoch in range(first_epoch, epochs):
        if training.stop_training:  # taken up after its last epoch
            break
        training.reset_metrics()
        listed.on_epoch_begin(epoch)
        size = batch_size(epoch)
        run = partial(stepping.epoch, feed, epoch, size, rates)
        waited = steps.attempt(run, size) if isinstance(steps, Recovering) else run()
        logs = {name: float(value) for name, value in training.get_metrics_result().items()}
        logs["wait_share"] = waited
        logs |= validate()
        listed.on_epoch_end(epoch, logs)
        if resuming:
            resuming.epoch_ends(epoch)
    listed.on_train_end(logs)
    return training.history.history


class _Stepping:
    """Takes an epoch's steps, as many in a call as its time allows."""

    def __init__(self, training: Network, steps: Steps, callbacks: Any, *, paced: bool):
        self._training = training
        self._steps = steps
        self._callbacks = callbacks
        self._paced = paced
        self._each = FIRST_STEPS
        self._done = 0

    def epoch(self, feed: Feed, epoch: int, size: int, rates: Rates) -> float:
        """Returns the share of the time in which the steps waited for rows."""
        self._done = 0
        rate = learning_rate(self._training.optimizer)
        height = float(rate.numpy())
        course = rates(epoch, math.ceil(feed.rows / size)) * height
        began, waited = time.monotonic(), 0.0
        with closing(feed.epoch(epoch, size)) as portions:
            asked = began
            for portion in portions:
                waited += time.monotonic() - asked
                self._portion(portion, size, course)
                asked = time.monotonic()
        rate.assign(height)
        return waited / max(time.monotonic() - began, 1e-9)

    def _portion(self, portion: Portion, size: int, course: np.ndarray) -> None:
        order = self._steps.order(portion.order)
        count = math.ceil(len(portion.order) / size)
        # Equally long for every portion of an epoch, so that nothing is compiled anew.
        here = np.resize(course[self._done : self._done + count], count)
        start = 0
        while start < count:
            stop = min(count, start + self._each)
            self._callbacks.on_train_batch_begin(self._done + start)
            began = time.monotonic()
            self._steps.run(portion.placed, order, size, here, start, stop)
            seconds = time.monotonic() - began
            told = stop - start == self._each or seconds > SECONDS  # an epoch's end tells nothing
            if self._paced and told:
                self._each = _next(stop - start, seconds)
            self._callbacks.on_train_batch_end(
                self._done + stop - 1, self._training.get_metrics_result()
            )
            start = stop
        self._done += count


def _next(steps: int, seconds: float) -> int:
    return max(1, min(4 * steps, round(steps * SECONDS / max(seconds, 1e-6))))
