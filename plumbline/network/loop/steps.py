"""What a backend has to offer: steps of training, and outputs, over rows on the device."""

from typing import Any, Protocol

import numpy as np

from plumbline.network import backend
from plumbline.network.architectures import Network

Placed = Any
"""Rows on the device: inputs `x`, and targets `y` and weights `weight` where they are known."""


class Steps(Protocol):
    """Trains a compiled `keras.Model` by its own `train_step`."""

    def place(self, arrays: Any) -> Placed:
        """Arrays, or dicts of arrays, on the device."""
        ...

    def rows(self, placed: Placed, places: np.ndarray) -> Any:
        """Some of the rows, as a batch of them."""
        ...

    def order(self, places: np.ndarray) -> Any:
        """Row numbers, int32, on the device."""
        ...

    def run(  # noqa: PLR0917
        self, placed: Placed, order: Any, size: int, rates: np.ndarray, start: int, stop: int
    ) -> None:
        """Steps `start` to `stop` of an epoch over the rows in `order`, `size` rows each.

        The last step of an epoch takes the rows that are left. `rates` holds the learning rate
        of every step. The model's and optimizer's variables hold the result.
        """
        ...


def steps(training: Network) -> Steps:
    """The backend's steps for a compiled model."""
    if backend.name() == "tensorflow":
        from plumbline.network.loop.tensorflow_steps import TensorFlowSteps

        return TensorFlowSteps(training)
    from plumbline.network.loop.jax_steps import JaxSteps

    return JaxSteps(training)


def learning_rate(optimizer: Any) -> Any:
    """The variable that holds an optimizer's learning rate, below loss scaling too."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return inner._learning_rate
