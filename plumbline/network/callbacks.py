"""What happens at the end of each epoch: judge it, keep the best, slow down, say so."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.architecture import Network
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

Logs = dict[str, Any]
"""What Keras hands every callback of an epoch, and keeps in the history."""

EPOCHS_EVERY, BATCHES_EVERY = 2.0, 10.0
"""Seconds between two lines: at the end of an epoch, and in the middle of a long one."""

SLOWDOWN = 0.5
"""Factor of the learning rate on a plateau."""


def plateau_patience(options: NetworkSpec) -> int:
    """Epochs without a better validation loss before the learning rate is reduced."""
    return max(1, options.patience // 2)


def callbacks(
    network: Network,
    train: Matrix,
    options: NetworkSpec,
    *,
    val_auc: Callable[[], float],
    best_weights: Path,
    log: logging.Logger,
) -> list[Any]:
    """In the order they run.

    val_auc: gives the validation AUC of the weights of the moment. best_weights: file that
    keeps the best weights while training goes on; its name ends in `.weights.h5`.
    """
    import keras

    judge = Judge(network, train, options, val_auc)
    progress = Progress(len(train), options, log)
    checkpoint: Any = keras.callbacks.ModelCheckpoint(
        best_weights, monitor="val_loss", mode="min", save_best_only=True, save_weights_only=True
    )
    # It acts on epochs only; without this word Keras waits for every step on its behalf.
    checkpoint.async_safe = True
    return [
        keras.callbacks.LambdaCallback(on_epoch_end=judge.epoch_ends),
        keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=options.patience, restore_best_weights=True
        ),
        checkpoint,
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", mode="min", factor=SLOWDOWN, patience=plateau_patience(options)
        ),
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: progress.epoch_begins(epoch),
            on_train_batch_begin=lambda batch, **_: progress.batch_begins(batch),
            on_epoch_end=lambda _, logs: progress.epoch_ends(logs),
        ),
    ]


class Judge:
    """Refuses what is not finite, and adds `val_auc` to the history."""

    def __init__(
        self,
        network: Network,
        train: Matrix,
        options: NetworkSpec,
        val_auc: Callable[[], float],
    ):
        self._network = network
        self._train = train
        self._options = options
        self._val_auc = val_auc

    def epoch_ends(self, epoch: int, logs: Logs) -> None:
        """Raises TrainingError where a loss or a weight is NaN or infinite."""
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs[name]):
                raise self._diverged(f"{name} is {logs[name]}", epoch)
        # Batch normalization turns an infinite variance into zeros, and the loss stays finite.
        if not all(np.isfinite(one).all() for one in self._network.get_weights()):
            raise self._diverged("weights are not finite", epoch)
        logs["val_auc"] = self._val_auc()

    def _diverged(self, found: str, epoch: int) -> TrainingError:
        return TrainingError(
            f"the network's {found} in epoch {epoch + 1}; {_widest(self._train)}",
            expected="a finite loss and finite weights",
            remedy=f"lower network.learning_rate (now {self._options.learning_rate:g}); where a "
            "feature reaches far out, bound it in the SQL or set normalization.method to quantile",
            epoch=epoch + 1,
        )


class Progress:
    """Adds `seconds` to the history; logs a line per epoch, at most every two seconds."""

    def __init__(self, rows: int, options: NetworkSpec, log: logging.Logger):
        self._rows = rows
        self._options = options
        self._log = log
        self._started = self._epoch_started = self._told = time.monotonic()
        self._epoch = 0

    def epoch_begins(self, epoch: int) -> None:
        self._epoch = epoch + 1
        self._epoch_started = time.monotonic()

    def batch_begins(self, batch: int) -> None:
        if not batch or not self._due(BATCHES_EVERY):
            return
        rows = batch * self._options.batch_size
        self._log.info(
            "network: epoch %d/%d, %s of %s rows, %s rows/s",
            self._epoch,
            self._options.max_epochs,
            f"{rows:,}",
            f"{self._rows:,}",
            f"{rows / (self._told - self._epoch_started):,.0f}",
        )

    def epoch_ends(self, logs: Logs) -> None:
        logs["seconds"] = time.monotonic() - self._epoch_started
        if not self._due(EPOCHS_EVERY):
            return
        left = (self._told - self._started) / self._epoch * (self._options.max_epochs - self._epoch)
        self._log.info(
            "network: epoch %d/%d, loss %.4f, val_loss %.4f, val AUC %.4f, %s rows/s, "
            "at most %.0f s left",
            self._epoch,
            self._options.max_epochs,
            logs["loss"],
            logs["val_loss"],
            logs["val_auc"],
            f"{self._rows / logs['seconds']:,.0f}",
            left,
        )

    def _due(self, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._told < seconds:
            return False
        self._told = now
        return True


def _widest(train: Matrix) -> str:
    """Where the training rows reach furthest from 0."""
    if not train.numeric.size:
        return "there are no numeric features"
    reach = np.abs(train.numeric).max(axis=0)
    column = int(reach.argmax())
    return (
        f"the largest normalized value is {reach[column]:.3g}, of {train.numeric_names[column]!r}"
    )
