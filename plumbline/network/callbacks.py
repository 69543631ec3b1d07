"""What happens at the end of each epoch: keep the best, slow down, say so."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from plumbline.network.architectures import Network
from plumbline.network.loop.steps import learning_rate
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.schedules import rates
from plumbline.network.recipe import Recipe
from plumbline.spec.metrics import GREATER_IS_BETTER

Logs = dict[str, Any]
"""What Keras hands every callback of an epoch, and keeps in the history."""

EPOCHS_EVERY, BATCHES_EVERY = 2.0, 10.0
"""Seconds between two lines: at the end of an epoch, and in the middle of a long one."""

SLOWDOWN = 0.5
"""Factor of the learning rate on a plateau."""


def plateau_patience(recipe: Recipe) -> int:
    """Epochs without a better validation loss before the learning rate is reduced."""
    return max(1, recipe.patience // 2)


def callbacks(network: Network, rows: int, recipe: Recipe, log: logging.Logger) -> list[Any]:
    """In the order they run, for so many training rows.

    A resumed training restores what early stopping and the plateau remember (see
    `plumbline.network.resume`); the others follow from the epoch alone.
    """
    import keras

    rate = Rate(network, rows, recipe)
    progress = Progress(rows, recipe, log)
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
        keras.callbacks.LambdaCallback(on_epoch_end=rate.epoch_ends),
        stopping,
        *([plateau] if recipe.schedule == "plateau" else []),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: progress.epoch_begins(epoch),
            on_train_batch_begin=lambda batch, **_: progress.batch_begins(batch),
            on_epoch_end=lambda _, logs: progress.epoch_ends(logs),
        ),
    ]


def best_epoch(used: Sequence[Any]) -> int:
    """The epoch, counted from 1, whose weights early stopping kept."""
    return next(one.best_epoch for one in used if hasattr(one, "best_epoch")) + 1


class Rate:
    """Adds `learning_rate` to the history: that of the epoch's last step."""

    def __init__(self, network: Network, rows: int, recipe: Recipe):
        self._network = network
        self._rows = rows
        self._sizes = batch_sizes(recipe)
        self._factors = rates(recipe)

    def epoch_ends(self, epoch: int, logs: Logs) -> None:
        steps = math.ceil(self._rows / self._sizes(epoch))
        height = float(learning_rate(self._network.optimizer).numpy())
        logs["learning_rate"] = height * float(self._factors(epoch, steps)[-1])


class Progress:
    """Adds `seconds` to the history; logs a line per epoch, at most every two seconds."""

    def __init__(self, rows: int, recipe: Recipe, log: logging.Logger):
        self._rows = rows
        self._recipe = recipe
        self._log = log
        self._started = self._epoch_started = self._told = time.monotonic()
        self._epoch = self._before = 0

    def epoch_begins(self, epoch: int) -> None:
        if not self._epoch:
            self._before = epoch  # more than 0 where a training is taken up again
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
        each = (self._told - self._started) / (self._epoch - self._before)
        left = each * (self._recipe.max_epochs - self._epoch)
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
