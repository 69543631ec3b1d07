"""Where an epoch's rows come from, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from plumbline.network.loop.steps import Placed, Steps


@dataclass(frozen=True, kw_only=True)
class Portion:
    """Rows that are on the device together, and the order in which to take them."""

    placed: Placed
    order: np.ndarray
    """Row numbers in `placed`: int32, shape (rows,)."""


class Feed(Protocol):
    """The training rows, shuffled anew for each epoch."""

    rows: int

    def epoch(self, number: int) -> Iterator[Portion]:
        """Every row once. `number` counts from 0; equal numbers give equal orders.

        All portions but the last hold the same number of rows, a multiple of every batch size
        in use, so that only the epoch's last step is short.
        """
        ...


class InMemory:
    """All rows on the device, in one portion per epoch."""

    def __init__(self, steps: Steps, arrays: Any, rows: int, seed: int):
        self.rows = rows
        self._placed = steps.place(arrays)
        self._seed = seed

    def epoch(self, number: int) -> Iterator[Portion]:
        order = np.random.default_rng([self._seed, number]).permutation(self.rows)
        yield Portion(placed=self._placed, order=order.astype(np.int32))
