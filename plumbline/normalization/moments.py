"""Count, mean, spread and range of many features at once, in one pass."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of d features: every field has shape (d,). Missing values take no part."""

    count: np.ndarray
    """Present values: int64."""
    mean: np.ndarray
    """float64; 0 where nothing is present."""
    pivot: np.ndarray
    """A present value, which deviations are taken from; NaN where nothing is present.

    Without it the mean of values near 1e9 is known to 1e-7, and a small spread is lost."""
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
        return np.sqrt(self.squares / np.maximum(self.count, 1))


def moments(values: np.ndarray, pivot: np.ndarray | None = None) -> Moments:
    """Moments of float64 values, shape (d, n), NaN where missing.

    Two passes over values in memory; the second corrects the rounding of the mean: Chan,
    Golub, LeVeque (1983), Algorithms for computing the sample variance, equation 1.7.
    Sums that overflow give infinities, which the caller refuses.
    """
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    divisor = np.maximum(count, 1)
    pivot = _pivot(values, present, pivot)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(present, values, 0.0).sum(axis=1) / divisor
        distance = np.where(present, values - pivot[:, None], 0.0)
        offset = distance.sum(axis=1) / divisor
        off = np.where(present, distance - offset[:, None], 0.0)
        squares = (off * off).sum(axis=1) - off.sum(axis=1) ** 2 / divisor
    return Moments(
        count=count,
        mean=mean,
        pivot=pivot,
        offset=offset,
        squares=np.where(squares < 0, 0.0, squares),
        low=np.where(present, values, np.inf).min(axis=1, initial=np.inf),
        high=np.where(present, values, -np.inf).max(axis=1, initial=-np.inf),
    )


def extended(a: Moments, values: np.ndarray) -> Moments:
    """Moments of what `a` has seen and of further `values` together.

    Chan, Golub, LeVeque (1979), Updating formulae and a pairwise algorithm for computing
    sample variances, equations 2.1.
    """
    b = moments(values, a.pivot)
    count = a.count + b.count
    share = b.count / np.maximum(count, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = b.offset - a.offset
        squares = a.squares + b.squares + gap * gap * (a.count * share)
        mean = a.mean + (b.mean - a.mean) * share
    return Moments(
        count=count,
        mean=np.where(a.count == 0, b.mean, mean),
        pivot=b.pivot,
        offset=np.where(a.count == 0, b.offset, a.offset + gap * share),
        squares=squares,
        low=np.minimum(a.low, b.low),
        high=np.maximum(a.high, b.high),
    )


def _pivot(values: np.ndarray, present: np.ndarray, pivot: np.ndarray | None) -> np.ndarray:
    """The given pivots, and the first present value where there is none yet."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan) if pivot is None else pivot
    first = values[np.arange(len(values)), present.argmax(axis=1)]
    return first if pivot is None else np.where(np.isnan(pivot), first, pivot)
