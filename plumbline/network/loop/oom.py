"""When a step's rows do not fit into memory: the same step in parts, from the epoch's start."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network import backend
from plumbline.network.architectures import Network
from plumbline.network.loop.steps import Placed, Steps
from plumbline.network.resume import variables

log = logging.getLogger(__name__)

Told = TypeVar("Told")

_NAMES = frozenset({"XlaRuntimeError", "JaxRuntimeError", "InternalError"})
_WORDS = ("resource_exhausted", "out of memory", "oom when allocating", "alloc_failed")
"""How TensorFlow, XLA and the CUDA libraries say it."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception tells that memory could not be had, on the host or on the device."""
    if isinstance(error, MemoryError):
        return True
    named = {one.__name__ for one in type(error).__mro__}
    if "ResourceExhaustedError" in named:
        return True
    return bool(named & _NAMES) and any(word in str(error).lower() for word in _WORDS)


def _told(error: BaseException) -> str:
    """The line of an exception's text that speaks of memory."""
    lines = [one.strip() for one in str(error).splitlines()]
    said = (one for one in lines if any(word in one.lower() for word in _WORDS))
    return next(said, type(error).__name__)


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """What was made of a lack of memory in training."""

    times: int = 0
    """How often memory ran out (count)."""
    rows: int | None = None
    """Rows of one pass at last. None: whole batches."""


class Recovering:
    """Steps that can be taken in parts.

    Memory that runs out halves the rows of a pass. The batch stays what it was: the gradient
    is that of all its rows, summed up pass by pass.
    """

    def __init__(self, training: Network, make: Callable[[Network], Steps]):
        """make: the backend's steps for a compiled model."""
        self.shortage = Shortage()
        self._training: Any = training
        self._make = make
        self._steps = make(training)

    def place(self, arrays: Any) -> Placed:
        return self._steps.place(arrays)

    def rows(self, placed: Placed, places: np.ndarray) -> Any:
        return self._steps.rows(placed, places)

    def order(self, places: np.ndarray) -> Any:
        return self._steps.order(places)

    def run(  # noqa: PLR0917
        self, placed: Placed, order: Any, size: int, rates: np.ndarray, start: int, stop: int
    ) -> None:
        self._steps.run(placed, order, size, rates, start, stop)

    def attempt(self, epoch: Callable[[], Told], size: int) -> Told:
        """An epoch of batches of `size` rows, begun anew until it fits.

        Raises:
            TrainingError: memory does not hold one row's pass.
        """
        before = _State(self._training)
        while True:
            try:
                return epoch()
            except Exception as error:  # the backends' own, which are not imported here
                if not out_of_memory(error):
                    raise
                told = _told(error)
            # Here the exception's frames, and what they held on the device, are gone.
            self._halve(size, told)
            before.restore()

    def _halve(self, size: int, told: str) -> None:
        now = min(size, self.shortage.rows or size)
        if now == 1:
            raise TrainingError(
                f"memory does not hold a step of one row: {told}",
                expected="memory for one row's pass through the network",
                remedy="lower network.widths or network.members, or train on a larger machine",
                times=self.shortage.times + 1,
            )
        self.shortage = Shortage(times=self.shortage.times + 1, rows=now // 2)
        log.warning(
            "network: out of memory (%s); %d rows at a time now, batches of %d as before; "
            "the epoch starts anew",
            *(told, now // 2, size),
        )
        self._training.train_step = _accumulating(self._training, now // 2)
        self._steps = self._make(self._training)


def _accumulating(training: Network, rows: int) -> Any:
    if backend.name() == "tensorflow":
        from plumbline.network.loop import tensorflow_accumulation as accumulation
    else:
        from plumbline.network.loop import jax_accumulation as accumulation
    return accumulation.Accumulating(training, rows)


class _State:
    """A copy, on the host, of all that a step changes."""

    def __init__(self, training: Any):
        if not training.optimizer.built:  # loss scaling would be built anew
            training.optimizer.build(training.trainable_variables)
        self._training = training
        self._values = {name: np.array(one.value) for name, one in variables(training).items()}

    def restore(self) -> None:
        for name, one in variables(self._training).items():
            one.assign(self._values[name])
        self._training.reset_metrics()
