"""A training watched from epoch to epoch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.diagnosis import yardstick
from plumbline.network.diagnosis.columns import columns
from plumbline.network.diagnosis.replay import Replay, State
from plumbline.network.diagnosis.rules.finite import finite
from plumbline.network.diagnosis.sampling import sampled
from plumbline.network.examples import Examples, Units
from plumbline.network.predictor import BATCH_ROWS, KerasPredictor
from plumbline.network.recipe import Recipe
from plumbline.network.tasks import Objective

Logs = dict[str, Any]

SAMPLE = 4 * BATCH_ROWS
"""Training rows that are looked at after each epoch, at most (count)."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Whose training is watched."""

    predictor: KerasPredictor
    train: Examples
    """Training rows, or a sample of them."""
    val: Examples
    goal: Objective
    units: Units
    recipe: Recipe


class Watch:
    """Looks at a fixed sample of the training rows after each epoch; stops what is lost.

    `train_loss` joins the history: the loss on that sample as the network predicts, without
    dropout and penalties, and so comparable with `val_loss`. One copy of all variables is kept
    of the epoch's beginning, so that a lost epoch can be run again; nothing random is drawn.
    """

    def __init__(self, replay: Replay, watched: Watched):
        self._replay = replay
        self.training = replay.training
        self.watched = watched
        self.sample = sampled(watched.train, SAMPLE)
        self.moved: list[float] = []
        """See `Evidence.moved`."""
        self.rates: list[float] = []
        """See `Evidence.rates`."""
        self.initial_weights = [np.array(one) for one in self.training.get_weights()]
        self._first = self._trainable()
        self._initial = self._start = replay.state()

    def callback(self) -> Any:
        """The Keras callback that does it. Put it first: others may restore other weights."""
        import keras

        watch = self

        class Watching(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
                watch.epoch_begins(epoch)

            def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
                watch.epoch_ends(epoch, logs if logs is not None else {})

            def state(self) -> dict[str, list[float]]:
                """What a training that is taken up again needs of the epochs before."""
                return {"moved": watch.moved, "rates": watch.rates}

            def restore(self, state: dict[str, list[float]]) -> None:
                watch.moved, watch.rates = list(state["moved"]), list(state["rates"])

        return Watching()

    def epoch_begins(self, epoch: int) -> None:
        self._start: State = self._replay.state()
        self.rates.append(self._replay.mean_rate(epoch))

    def epoch_ends(self, epoch: int, logs: Logs) -> None:
        """Raises TrainingError where a loss or a weight is NaN or infinite."""
        for name in ("loss", "val_loss"):
            if not np.isfinite(logs[name]):
                raise self._lost(f"{name} is {logs[name]}", epoch)
        # Batch normalization turns an infinite variance into zeros, and the loss stays finite.
        if not all(np.isfinite(one).all() for one in self.training.get_weights()):
            raise self._lost("weights are not finite", epoch)
        logs["train_loss"] = self._loss()
        self.moved.append(self._distance())

    def _loss(self) -> float:
        scores = self.watched.predictor.predict(self.sample.matrix)
        return yardstick.loss(self.watched.goal, self.watched.units, self.sample, scores)

    def _distance(self) -> float:
        pairs = list(zip(self._first, self._trainable(), strict=True))
        start = sum(np.square(one).sum() for one, _ in pairs)
        return float((sum(np.square(b - a).sum() for a, b in pairs) / (start or 1.0)) ** 0.5)

    def _trainable(self) -> list[np.ndarray]:
        weights = self.training.trainable_variables
        return [np.array(one.numpy(), dtype=np.float64) for one in weights]

    def _lost(self, found: str, epoch: int) -> TrainingError:
        lost = self._replay.lost(epoch, self._start, self._initial)
        rows = self.watched.train if lost else self.watched.val
        finding = finite(found, epoch + 1, lost, columns(rows.matrix), vars(self.watched.recipe))
        return TrainingError(
            f"{finding.evidence}; likeliest cause: {finding.cause}",
            expected="a finite loss and finite weights",
            remedy="; ".join(finding.remedies),
            epoch=epoch + 1,
            step=lost.step if lost else None,
            finding=finding.to_json(),
        )
