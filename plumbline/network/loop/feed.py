"""Where an epoch's rows come from, and in which order."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from plumbline.network.loop.shuffle import Shuffle
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

    def epoch(self, number: int, size: int) -> Generator[Portion, None, None]:
        """Every row once. `number` counts from 0; equal numbers give equal orders.

        size: rows per step. All portions but the last hold the same number of rows, a multiple
        of it, so that only the epoch's last step is short.
        """
        ...


class InMemory:
    """All rows on the device, in one portion per epoch."""

    def __init__(self, steps: Steps, arrays: Any, rows: int, seed: int):
        self.rows = rows
        self._placed = steps.place(arrays)
        row_bytes = sum(one.nbytes for one in arrays["x"].values()) // max(1, rows)
        self._shuffle = Shuffle(rows=rows, row_bytes=row_bytes, seed=seed)

    def epoch(self, number: int, size: int) -> Generator[Portion, None, None]:
        yield Portion(placed=self._placed, order=self._shuffle.order(number, size))
