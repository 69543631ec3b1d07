"""A fixed sample of rows, chosen by their position alone."""

from dataclasses import dataclass

import numpy as np

SAMPLE_ROWS = 200_000
"""Rows up to which quantiles are exact, and size of the sample beyond (rows)."""

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which of n rows quantiles are taken from: those hashed lowest by position.

    The choice depends on the number of rows alone: neither on their values, nor
    on how they are batched.
    """

    rows: int
    """Rows in the sample (count)."""
    of: int
    """Rows to choose from (count)."""
    threshold: int
    """Largest hash in the sample; splitmix64 is a bijection, so no two rows tie."""

    @property
    def exact(self) -> bool:
        return self.rows == self.of

    def chosen(self, start: int, count: int) -> np.ndarray:
        """Whether the rows from `start` on are sampled: bool, shape (count,)."""
        return splitmix64(start, count) <= np.uint64(self.threshold)


def sampling(of: int, size: int = SAMPLE_ROWS) -> Sampling:
    """All of `of` rows, or `size` of them."""
    if of <= size:
        return Sampling(rows=of, of=of, threshold=2**64 - 1)
    lowest = np.empty(0, dtype=np.uint64)
    for start in range(0, of, _BLOCK):
        lowest = np.concatenate([lowest, splitmix64(start, min(_BLOCK, of - start))])
        if len(lowest) > size:
            lowest = np.partition(lowest, size - 1)[:size]
    return Sampling(rows=size, of=of, threshold=int(lowest.max()))


def splitmix64(start: int, count: int) -> np.ndarray:
    """Hashes of the integers from `start` on: uint64, shape (count,).

    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, figure 14.
    """
    z = np.arange(start, start + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
