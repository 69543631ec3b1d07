"""Quantiles of training rows: exact up to a bound, then of a fixed sample."""

from dataclasses import dataclass

import numpy as np

from plumbline.normalization.normal import normal_quantile

SAMPLE_ROWS = 200_000
"""Training rows up to which quantiles are exact, and size of the sample beyond (rows)."""

_TAIL = 1e-7 - np.spacing(1.0)
"""Probability at which the normal scores end, as in scikit-learn."""

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which of n training rows quantiles are taken from: those hashed lowest by position.

    The choice depends on the number of training rows alone: neither on their values, nor
    on how they are batched.
    """

    rows: int
    """Rows in the sample (count)."""
    of: int
    """Training rows (count)."""
    threshold: int
    """Largest hash in the sample; splitmix64 is a bijection, so no two rows tie."""

    @property
    def exact(self) -> bool:
        return self.rows == self.of

    def chosen(self, start: int, count: int) -> np.ndarray:
        """Whether the training rows from `start` on are sampled: bool, shape (count,)."""
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


def table_size(rows: int) -> int:
    """Quantiles in a table, for this many training rows (count)."""
    return min(max(rows // 30, 10), 1000)


def quantiles(values: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles by linear interpolation, of values without NaN: float64."""
    return np.maximum.accumulate(np.quantile(values, probabilities))


def normal_scores(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Normal quantile of each value's place in a table of quantiles: float64, shape (n,).

    The rule of scikit-learn's QuantileTransformer(output_distribution="normal"): ties lie in
    the middle of their quantiles; from the table's ends on, the scores are ±5.1993.
    """
    places = np.linspace(0.0, 1.0, len(table))
    up = np.interp(values, table, places)
    down = -np.interp(-values, -table[::-1], -places[::-1])
    place = (up + down) / 2
    place[values <= table[0]] = 0.0
    place[values >= table[-1]] = 1.0
    return normal_quantile(np.clip(place, _TAIL, 1 - _TAIL))
