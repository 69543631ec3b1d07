"""A training that is killed goes on from its last finished epoch, with the same bits.

The state is everything that the next epoch depends on: weights, the layers' other variables and
seed generators, the optimizer's variables, what callbacks remember, and the history. Shuffle,
batch size and course of the learning rate follow from the epoch's number alone.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from plumbline.environment import installed
from plumbline.errors import TrainingError
from plumbline.network import backend, checkpoint
from plumbline.network.architectures import Network
from plumbline.network.checkpoint import Checkpoint
from plumbline.network.examples import Examples
from plumbline.network.loop import devices
from plumbline.network.recipe import Recipe
from plumbline.network.tasks import Objective
from plumbline.versions import code_version, fingerprint
from plumbline.worker import ALONE, Worker

log = logging.getLogger(__name__)

FILE = "training.npz"

EVERY, SHARE = 5.0, 0.05
"""Seconds between two checkpoints at least, and the share of the time that they may take."""

REMEMBERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "EarlyStopping": ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
        "ReduceLROnPlateau": ("best", "cooldown_counter", "wait"),
        "History": ("epoch", "history"),
    }
)
"""Attributes of Keras' own callbacks. Ours have `state()`, which gives a dict of arrays, lists
of arrays and what JSON can say, and `restore(state)`, which takes it."""


class Resuming:
    """Writes a training's state at the end of its epochs, and takes it up again.

    Of several workers, which are in the same state, the first writes and all read.
    """

    def __init__(self, folder: Path, identity: str, worker: Worker = ALONE, **circumstance: Any):
        """circumstance: further ones that may change the last bits, as JSON types."""
        self._path = folder / FILE
        self._identity = identity
        self._worker = worker
        self._circumstances = {**circumstances(), **circumstance}
        self._written = time.monotonic()
        self._took = 0.0
        self._training: Network = None
        self._callbacks: Sequence[Any] = ()
        self.resumed: list[dict[str, Any]] = []
        """Every time it was taken up: the epoch it went on with, and what had changed."""

    def begin(self, training: Network, callbacks: Sequence[Any]) -> int:
        """Restore a compiled model and its callbacks, whose `on_train_begin` was called.

        Returns the epoch to go on with, counted from 0. Without a checkpoint that can be
        trusted, nothing is touched.

        Raises:
            TrainingError: this worker's checkpoint is another than the first one's.
        """
        self._training, self._callbacks = training, callbacks
        found = checkpoint.read(self._path, self._identity)
        if found is not None and not self._fits(found):
            found = None
        epoch = found.facts["epoch"] + 1 if found else 0
        self._require_same(epoch)
        if found:
            self._restore(found)
            self._say(epoch, found.facts)
        return epoch

    def epoch_ends(self, epoch: int) -> None:
        """Write the state, if the last time was long enough ago.

        A disk that is full ends no training: it only cannot be taken up again.
        """
        began = time.monotonic()
        if not self._worker.first:
            return
        if began - self._written < EVERY or self._took > SHARE * (began - self._written):
            return
        try:
            checkpoint.write(self._path, self._captured(epoch))
        except OSError as error:
            log.warning("network: no checkpoint of epoch %d: %s", epoch + 1, error)
        self._written = time.monotonic()
        self._took = self._written - began

    def finished(self) -> None:
        """Remove the checkpoint: the training needs it no more."""
        if self._worker.first:
            self._path.unlink(missing_ok=True)

    def _require_same(self, epoch: int) -> None:
        first = devices.agreed(lambda: epoch, self._worker)
        if epoch == first:
            return
        raise TrainingError(
            f"worker {self._worker.rank} would go on with epoch {epoch + 1} by {self._path}, the "
            f"first worker with epoch {first + 1}",
            expected="one checkpoint, which all workers can read",
            remedy="put the store on a file system that all workers share",
        )

    def _captured(self, epoch: int) -> Checkpoint:
        remembered, arrays = _packed(self._callbacks)
        arrays |= {name: np.array(one) for name, one in variables(self._training).items()}
        facts = {
            "epoch": epoch,
            "stopped": bool(self._training.stop_training),
            "callbacks": remembered,
            "circumstances": self._circumstances,
            "resumed": self.resumed,
        }
        return Checkpoint(identity=self._identity, facts=facts, arrays=arrays)

    def _fits(self, found: Checkpoint) -> bool:
        """Whether every variable and every callback finds its own."""
        kinds = [one["kind"] for one in found.facts["callbacks"]]
        here = [type(one).__name__ for one in self._callbacks]
        shapes = {k: v.shape for k, v in found.arrays.items() if k.startswith("variable.")}
        fits = kinds == here and shapes == {
            name: tuple(one.shape) for name, one in variables(self._training).items()
        }
        if not fits:
            log.warning("network: the checkpoint at %s is ignored: it does not fit", self._path)
        return fits

    def _restore(self, found: Checkpoint) -> None:
        for name, variable in variables(self._training).items():
            variable.assign(found.arrays[name])
        states = _unpacked(found.facts["callbacks"], found.arrays)
        for callback, state in zip(self._callbacks, states, strict=True):
            _restore(callback, state)
        self._training.stop_training = found.facts["stopped"]

    def _say(self, epoch: int, facts: Mapping[str, Any]) -> None:
        before = facts["circumstances"]
        changed = {
            name: [before.get(name), value]
            for name, value in self._circumstances.items()
            if before.get(name) != value
        }
        self.resumed = [*facts["resumed"], {"epoch": epoch + 1, "changed": changed}]
        log.info("network: taken up from its checkpoint; goes on with epoch %d", epoch + 1)
        for name, (old, new) in changed.items():
            log.warning(
                "network: begun with %s %s and taken up with %s: its weights need not be those "
                "of an uninterrupted training to the last bit",
                *(name, old, new),
            )


def identity(
    recipe: Recipe, goal: Objective, train: Examples, val: Examples, extra: Sequence[Any]
) -> str:
    """Fingerprint of what is trained, by which code, on which labels."""
    return fingerprint(
        code=[code_version(one) for one in ("plumbline.network", "plumbline.metrics")],
        environment=installed("keras", backend.name(), "numpy"),
        backend=backend.name(),
        recipe=recipe.plain(),
        goal=asdict(goal),
        columns=train.matrix.names,
        images=train.matrix.image_shapes,
        labels=[_digest(one.labels) for one in (train, val)],
        auxiliary=[
            {
                **one.record(),
                "name": one.name,
                "digests": [*map(_digest, (one.targets, one.weights))],
            }
            for one in train.auxiliary
        ],
        callbacks=[type(one).__name__ for one in extra],
    )


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


def circumstances() -> dict[str, Any]:
    """What may change the last bits of a sum: devices and processor cores."""
    backend.prepare()
    import keras

    return {
        "devices": sorted(keras.distribution.list_devices()),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def variables(training: Network) -> dict[str, Any]:
    """Weights, other variables and seed generators, and the optimizer's, by name."""
    if not training.optimizer.built:
        training.optimizer.build(training.trainable_variables)
    parts = {
        "trainable": training.trainable_variables,
        "fixed": training.non_trainable_variables,
        "optimizer": training.optimizer.variables,
    }
    return {
        f"variable.{part}.{at}": one
        for part, variables in parts.items()
        for at, one in enumerate(variables)
    }


def _packed(callbacks: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """What callbacks remember: as JSON types, and the arrays by name."""
    told: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for place, one in enumerate(callbacks):
        state: dict[str, Any] = {}
        for name, value in _state(one).items():
            if _are_arrays(value):
                arrays |= {f"callback.{place}.{name}.{at}": v for at, v in enumerate(value)}
                state[name] = {"arrays": len(value)}
            else:
                state[name] = {"value": value}
        told.append({"kind": type(one).__name__, "state": state})
    return told, arrays


def _unpacked(
    told: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
) -> Iterator[dict[str, Any]]:
    for place, one in enumerate(told):
        yield {
            name: packed["value"]
            if "value" in packed
            else [arrays[f"callback.{place}.{name}.{at}"] for at in range(packed["arrays"])]
            for name, packed in one["state"].items()
        }


def _state(callback: Any) -> dict[str, Any]:
    told: Callable[[], dict[str, Any]] | None = getattr(callback, "state", None)
    if told is not None:
        return told()
    return {name: getattr(callback, name) for name in REMEMBERED.get(type(callback).__name__, ())}


def _restore(callback: Any, state: dict[str, Any]) -> None:
    if hasattr(callback, "restore"):
        callback.restore(state)
        return
    for name, value in state.items():
        setattr(callback, name, value)


def _are_arrays(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, np.ndarray) for v in value)
