"""Count, mean, spread and range of many features at once, in one pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

CELL_ROWS = 16_384
"""Rows whose values are added up together (count). A cell of one feature fits a core's cache."""

TINY_REACH, TINY_UNIT = 2.0**-400, 2.0**-600
"""A spread below the first is measured in units of the second: its square would underflow."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of d features: every field has shape (d,). Missing and infinite values take no part."""

    count: np.ndarray
    """Finite values: int64."""
    infinite: np.ndarray
    """Infinite values: int64."""
    mean: np.ndarray
    """float64; 0 where nothing is present."""
    pivot: np.ndarray
    """A present value, which deviations are taken from; NaN where nothing is present.

    Without it the mean of values near 1e9 is known to 1e-7, and a small spread is lost."""
    unit: np.ndarray
    """Power of two in which `offset` and, squared, `squares` are measured."""
    offset: np.ndarray
    """Mean distance from the pivot."""
    squares: np.ndarray
    """Sum of squared deviations from the mean: float64."""
    low: np.ndarray
    """Smallest value; +inf where nothing is present."""
    high: np.ndarray
    """Largest value; -inf where nothing is present."""

    @property
    def std(self) -> np.ndarray:
        """Population standard deviation (divisor n), as scikit-learn's StandardScaler."""
        return np.sqrt(self.squares / np.maximum(self.count, 1)) * self.unit

    @property
    def tiny(self) -> np.ndarray:
        """Whether a feature varies, but by so little that its squares may have underflowed."""
        with np.errstate(over="ignore", invalid="ignore"):
            reach = self.high - self.low
        return (reach > 0) & (reach < TINY_REACH)

    def with_features(self, at: np.ndarray, others: Self) -> Self:
        """The features at `at` replaced by those of `others`, in order."""
        replaced = {field.name: getattr(self, field.name).copy() for field in fields(self)}
        for name, values in replaced.items():
            values[at] = getattr(others, name)
        return type(self)(**replaced)


def nothing(features: int, unit: float = 1.0) -> Moments:
    """Moments of no rows, to be `extended`; distances will be measured in `unit`."""
    return _of([_none(np.nan, 0)] * features, np.full(features, unit))


def cells(batches: Iterable[Sequence[np.ndarray]], rows: int) -> Iterator[list[np.ndarray]]:
    """Columns in cells of `rows` rows, the last one shorter, however they were batched.

    That is why batches change no bit. Only a cell across two batches is copied.
    """
    held: list[np.ndarray] = []
    for columns in batches:
        start, end = 0, len(columns[0])
        while start < end:
            stop = min(start + rows - (len(held[0]) if held else 0), end)
            part = [column[start:stop] for column in columns]
            held = list(map(np.concatenate, zip(held, part, strict=True))) if held else part
            start = stop
            if len(held[0]) == rows:
                yield held
                held = []
    if held:
        yield held


def extended(a: Moments, columns: Sequence[np.ndarray]) -> Moments:
    """Moments of what `a` has seen and of a further cell, d columns of float64, together.

    Sums that overflow give infinities, which the caller refuses.

    Chan, Golub, LeVeque (1979), Updating formulae and a pairwise algorithm for computing
    sample variances, equations 2.1.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        b = _cell(columns, a.pivot, a.unit)
        count = a.count + b.count
        share = b.count / np.maximum(count, 1)
        gap = b.offset - a.offset
        squares = a.squares + b.squares + gap * gap * (a.count * share)
        mean = a.mean + (b.mean - a.mean) * share
        offset = a.offset + gap * share
    return Moments(
        count=count,
        infinite=a.infinite + b.infinite,
        mean=np.where(a.count == 0, b.mean, mean),
        pivot=b.pivot,
        unit=a.unit,
        offset=np.where(a.count == 0, b.offset, offset),
        squares=squares,
        low=np.minimum(a.low, b.low),
        high=np.maximum(a.high, b.high),
    )


_Feature = tuple[int, int, float, float, float, float, float, float]
"""count, infinite, mean, pivot, offset, squares, low and high of one feature in one cell."""


def _cell(columns: Sequence[np.ndarray], pivot: np.ndarray, unit: np.ndarray) -> Moments:
    scratch = np.empty(len(columns[0]))
    each = zip(columns, pivot.tolist(), unit.tolist(), strict=True)
    return _of([_feature(*one, scratch) for one in each], unit)


def _feature(values: np.ndarray, pivot: float, unit: float, scratch: np.ndarray) -> _Feature:
    """One feature in one cell.

    The second pass over its distances corrects the rounding of their mean: Chan, Golub,
    LeVeque (1983), Algorithms for computing the sample variance, equation 1.7.
    """
    low, high = np.minimum.reduce(values), np.maximum.reduce(values)  # NaN where there is one
    infinite = 0
    if not (np.isfinite(low) and np.isfinite(high)):
        infinite = int(np.isinf(values).sum())
        values = values[np.isfinite(values)]
        if not values.size:
            return _none(pivot, infinite)
        low, high = np.minimum.reduce(values), np.maximum.reduce(values)
    count = len(values)
    pivot = float(values[0]) if np.isnan(pivot) else pivot
    distance = np.subtract(values, pivot, out=scratch[:count])
    if unit != 1.0:
        distance /= unit
    offset = np.add.reduce(distance) / count
    distance -= offset
    rest = np.add.reduce(distance)
    distance *= distance
    squares = max(np.add.reduce(distance) - rest * rest / count, 0.0)
    return count, infinite, np.add.reduce(values) / count, pivot, offset, squares, low, high


def _none(pivot: float, infinite: int) -> _Feature:
    return 0, infinite, 0.0, pivot, 0.0, 0.0, np.inf, -np.inf


def _of(features: Sequence[_Feature], unit: np.ndarray) -> Moments:
    columns = np.array(features).reshape(-1, 8).T
    counts = columns[:2].astype(np.int64)
    names = ("mean", "pivot", "offset", "squares", "low", "high")
    rest = dict(zip(names, columns[2:], strict=True))
    return Moments(count=counts[0], infinite=counts[1], unit=unit, **rest)
