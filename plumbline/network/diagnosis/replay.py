"""An epoch run again step by step, to find the one that was lost and why."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.feed import Feed, Portion
from plumbline.network.loop.steps import Steps, learning_rate

Rates = Callable[[int, int], np.ndarray]
State = Sequence[np.ndarray]
"""Every variable of model, optimizer and metrics."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The first step after which a loss or a weight was not finite."""

    step: int
    """Of its epoch; the first is 1."""
    steps: int
    """In that epoch."""
    where: str
    """Where it shows first, in words."""
    data: bool
    """Whether the step is lost with the initial weights too, whatever the learning rate."""
    grown: float
    """Norm of the weights before the step, as a multiple of the initial norm."""
    inputs: np.ndarray
    """Numbers of the step's rows: shape (rows, columns)."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What an epoch needs to be run again as it ran."""

    training: Network
    steps: Steps
    feed: Feed
    batch_size: Callable[[int], int]
    rates: Rates

    def state(self) -> State:
        return [np.array(one.numpy()) for one in self._variables()]

    def restore(self, state: State) -> None:
        for one, value in zip(self._variables(), state, strict=True):
            one.assign(value)

    def mean_rate(self, epoch: int) -> float:
        """Mean learning rate of an epoch's steps, from the height that it stands at now."""
        return float(np.mean(self._course(epoch)))

    def _course(self, epoch: int) -> np.ndarray:
        steps = math.ceil(self.feed.rows / self.batch_size(epoch))
        height = float(learning_rate(self.training.optimizer).numpy())
        return self.rates(epoch, steps) * height

    def lost(self, epoch: int, start: State, initial: State) -> Lost | None:
        """The lost step of an epoch that started from `start`; None if it is not lost now.

        epoch: counted from 0. initial: the state before the first epoch.
        """
        self.restore(start)
        size, course, done = self.batch_size(epoch), self._course(epoch), 0
        for portion in self.feed.epoch(epoch, size):
            run = _Run(self, portion, size, course[done:])
            at = run.first_lost()
            if at is not None:
                return self._explained(run, at, done, len(course), initial)
            done += run.count
        return None

    def _explained(self, run: "_Run", at: int, done: int, steps: int, initial: State) -> Lost:
        batch, before = run.batch(at), self.state()
        weights = norm(self.training)
        where = _where(self.training, batch) or self._update(run, at, before)
        self.restore(initial)
        grown = weights / (norm(self.training) or 1.0)
        run.steps(at, at + 1, rate=0.0)
        data = not self.finite()
        return Lost(
            step=done + at + 1,
            steps=steps,
            where=where,
            data=data,
            grown=grown,
            inputs=np.asarray(batch["x"]["numeric"]),
        )

    def _update(self, run: "_Run", at: int, before: State) -> str:
        self.restore(before)
        run.steps(at, at + 1)
        lost = [one.path for one in self.training.weights if not _finite(one)]
        return f"the new value of {lost[0]!r}" if lost else "the loss"

    def finite(self) -> bool:
        """Whether every weight and the loss are finite; once lost, they stay lost."""
        loss = self.training.get_metrics_result()["loss"]
        weights = self.training.get_weights()
        return math.isfinite(float(loss)) and all(np.isfinite(one).all() for one in weights)

    def _variables(self) -> Iterator[Any]:
        self.training.optimizer.build(self.training.trainable_variables)
        for part in (self.training, self.training.optimizer):
            yield from part.variables
        for metric in self.training.metrics:
            yield from metric.variables


class _Run:
    """Steps of one portion, from the state in which its first step finds the model."""

    def __init__(self, replay: Replay, portion: Portion, size: int, course: np.ndarray):
        self._replay = replay
        self._portion = portion
        self._size = size
        self._order = replay.steps.order(portion.order)
        self.count = math.ceil(len(portion.order) / size)
        self._rates = np.resize(course[: self.count], self.count)

    def steps(self, start: int, stop: int, rate: float | None = None) -> None:
        rates = self._rates if rate is None else np.full_like(self._rates, rate)
        self._replay.steps.run(self._portion.placed, self._order, self._size, rates, start, stop)

    def first_lost(self) -> int | None:
        """Halving: about as many steps as the portion has. The state is then that before it.

        None: nothing is lost, and the state is that after the portion.
        """
        sound, low, high = self._replay.state(), 0, self.count
        self.steps(low, high)
        if self._replay.finite():
            return None
        while high - low > 1:
            middle = (low + high) // 2
            self._replay.restore(sound)
            self.steps(low, middle)
            if self._replay.finite():
                sound, low = self._replay.state(), middle
            else:
                high = middle
        self._replay.restore(sound)
        return low

    def batch(self, step: int) -> Any:
        """The rows of a step, as the loop takes them."""
        places = self._portion.order[step * self._size : (step + 1) * self._size]
        return self._replay.steps.rows(self._portion.placed, places)


def norm(training: Network) -> float:
    """Of all trainable weights."""
    weights = [one.numpy().astype(np.float64) for one in training.trainable_variables]
    return float(sum(np.square(one).sum() for one in weights) ** 0.5)


def _where(training: Network, batch: Any) -> str | None:
    """The first layer whose outputs for a batch are not finite, or the loss; None: neither."""
    import keras

    layers = [one for one in training.layers if len(one._inbound_nodes) == 1]
    layers = [one for one in layers if isinstance(one.output, keras.KerasTensor)]
    inner = keras.Model(training.input, [layer.output for layer in layers])
    outputs = inner(batch["x"], training=True)
    for layer, given in zip(layers, outputs, strict=True):
        if not _finite(given):
            kind = "input" if isinstance(layer, keras.layers.InputLayer) else "output of layer"
            return f"the {kind} {layer.name!r}"
    said = training(batch["x"], training=True)
    if not _finite(training.compute_loss(x=batch["x"], y=batch["y"], y_pred=said)):
        return "the loss, of finite outputs,"
    return None


def _finite(tensor: Any) -> bool:
    import keras

    values: Any = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
    return bool(np.isfinite(values).all())
