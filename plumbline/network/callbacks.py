"""What happens at the end of each epoch: judge it, keep the best, slow down, say so."""

import logging
import math
import time
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.architectures import Network
from plumbline.network.metrics import GREATER_IS_BETTER
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.recipe import Recipe
from plumbline.normalization.matrix import Matrix

Logs = dict[str, Any]
"""What Keras hands every callback of an epoch, and keeps in the history."""

EPOCHS_EVERY, BATCHES_EVERY = 2.0, 10.0
"""Seconds between two lines: at the end of an epoch, and in the middle of a long one."""

SLOWDOWN = 0.5
"""Factor of the learning rate on a plateau."""


def plateau_patience(recipe: Recipe) -> int:
    """Epochs without a better validation loss before the learning rate is reduced."""
    return max(1, recipe.patience // 2)


def callbacks(
    network: Network, train: Matrix, recipe: Recipe, log: logging.Logger
) -> list[Any]:
    """In the order they run."""
    import keras

    judge = Judge(network, train, recipe)
    progress = Progress(len(train), recipe, log)
    mode = "max" if recipe.monitor in GREATER_IS_BETTER else "min"
    stopping = keras.callbacks.EarlyStopping(
        monitor=f"val_{recipe.monitor}",
        mode=mode,
        patience=recipe.patience,
        restore_best_weights=True,
    )
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", mode="min", factor=SLOWDOWN, patience=plateau_patience(recipe)
    )
    return [
        keras.callbacks.LambdaCallback(on_epoch_end=judge.epoch_ends),
        stopping,
        *([plateau] if recipe.schedule == "plateau" else []),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: progress.epoch_begins(epoch),
            on_train_batch_begin=lambda batch, **_: progress.batch_begins(batch),
            on_epoch_end=lambda _, logs: progress.epoch_ends(logs),
        ),
    ]


class Judge:
    """Refuses what is not finite."""

    def __init__(self, network: Network, train: Matrix, recipe: Recipe):
        self._network = network
        self._train = train
        self._recipe = recipe

    def epoch_ends(self, epoch: int, logs: Logs) -> None:
        """Raises TrainingError where a loss or a weight is NaN or infinite."""
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs[name]):
                raise self._diverged(f"{name} is {logs[name]}", epoch)
        # Batch normalization turns an infinite variance into zeros, and the loss stays finite.
        if not all(np.isfinite(one).all() for one in self._network.get_weights()):
            raise self._diverged("weights are not finite", epoch)

    def _diverged(self, found: str, epoch: int) -> TrainingError:
        return TrainingError(
            f"the network's {found} in epoch {epoch + 1}; {_widest(self._train)}",
            expected="a finite loss and finite weights",
            remedy=f"lower network.learning_rate (now {self._recipe.learning_rate:g}); where a "
            "feature reaches far out, bound it in the SQL or set normalization.method to quantile",
            epoch=epoch + 1,
        )


class Progress:
    """Adds `seconds` to the history; logs a line per epoch, at most every two seconds."""

    def __init__(self, rows: int, recipe: Recipe, log: logging.Logger):
        self._rows = rows
        self._recipe = recipe
        self._log = log
        self._started = self._epoch_started = self._told = time.monotonic()
        self._epoch = 0

    def epoch_begins(self, epoch: int) -> None:
        self._epoch = epoch + 1
        self._epoch_started = time.monotonic()

    def batch_begins(self, batch: int) -> None:
        if not batch or not self._due(BATCHES_EVERY):
            return
        rows = batch * batch_sizes(self._recipe)(self._epoch - 1)
        self._log.info(
            "network: epoch %d/%d, %s of %s rows, %s rows/s",
            self._epoch,
            self._recipe.max_epochs,
            f"{rows:,}",
            f"{self._rows:,}",
            f"{rows / (self._told - self._epoch_started):,.0f}",
        )

    def epoch_ends(self, logs: Logs) -> None:
        logs["seconds"] = time.monotonic() - self._epoch_started
        if not self._due(EPOCHS_EVERY):
            return
        left = (self._told - self._started) / self._epoch * (self._recipe.max_epochs - self._epoch)
        self._log.info(
            "network: epoch %d/%d, loss %.4f, val_loss %.4f, %s, %s rows/s, at most %.0f s left",
            self._epoch,
            self._recipe.max_epochs,
            logs["loss"],
            logs["val_loss"],
            _metrics(logs),
            f"{self._rows / logs['seconds']:,.0f}",
            left,
        )

    def _due(self, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._told < seconds:
            return False
        self._told = now
        return True


def _metrics(logs: Logs) -> str:
    found = (name for name in logs if name.startswith("val_") and name != "val_loss")
    return ", ".join(f"{name} {logs[name]:.4f}" for name in found)


def _widest(train: Matrix) -> str:
    """Where the training rows reach furthest from 0."""
    if not train.numeric.size:
        return "there are no numeric features"
    reach = np.abs(train.numeric).max(axis=0)
    column = int(reach.argmax())
    return (
        f"the largest normalized value is {reach[column]:.3g}, of {train.numeric_names[column]!r}"
    )
