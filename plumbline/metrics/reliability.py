"""Whether probabilities mean what they say: shares of what happened, over what was foretold."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

BINS = 10
"""Bins of equally many probabilities; equal ones stay together, so there may be fewer."""

_Z = 1.959964
"""Of a normal 95 % interval."""


class Reliability:
    """Bins of equal counts, and the expected calibration error (ECE): the mean distance of the
    bins' shares from their mean probabilities, by the rows in them.

    Finite rows have one above 0 however right the probabilities are: `by_chance` says how large.

    Sources: Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian
    binning, AAAI (2015); Nguyen and O'Connor, Posterior calibration and exploratory analysis,
    EMNLP (2015), for bins of equal counts; Bröcker and Smith, Increasing the reliability of
    reliability diagrams, Weather and Forecasting 22 (2007), for what chance alone gives.
    """

    names: Sequence[str] = ("ece",)

    def __init__(self, probabilities: np.ndarray, happened: np.ndarray):
        """Probabilities and 0 or 1: shape (n,), or (n, k) to take all k as one."""
        self._foretold = probabilities.reshape(len(probabilities), -1)
        self._happened = happened.reshape(self._foretold.shape).astype(np.float64)

    def of(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The ECE of each weighing of rows, shape (b, n): shape (b, 1). The bins stay."""
        rows = np.ones((1, len(self._foretold))) if weights is None else weights
        total = rows.sum(axis=1) * self._foretold.shape[1]
        # One weighing at a time: a matrix of rows by bins would take ten times the memory.
        apart = [np.abs(self._sums(one[:, None] * self._apart)).sum() for one in rows]
        return (apart / total)[:, None]

    @cached_property
    def by_chance(self) -> float:
        """The ECE to expect of independent rows whose probabilities are exactly right.

        Of each bin the mean distance of a normal with the variance of its rows.
        """
        spread = self._sums(self._foretold * (1 - self._foretold))
        return float(np.sqrt(2 / np.pi * spread).sum() / self._foretold.size)

    def bins(self) -> list[dict[str, float]]:
        """rows, predicted (mean probability), observed (share) with its 95 % Wilson interval."""
        rows = np.bincount(self._places.ravel())
        predicted, observed = (self._sums(one) / rows for one in (self._foretold, self._happened))
        low, high = wilson(observed, rows)
        columns = {"predicted": predicted, "observed": observed, "low": low, "high": high}
        listed = {"rows": rows.tolist(), **{name: one.tolist() for name, one in columns.items()}}
        return [
            dict(zip(listed, values, strict=True)) for values in zip(*listed.values(), strict=True)
        ]

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._places.ravel(), weights=values.ravel())

    @cached_property
    def _places(self) -> np.ndarray:
        """The bin of each probability; none is empty."""
        edges = np.quantile(self._foretold, np.linspace(0, 1, BINS + 1)[1:-1])
        places = np.searchsorted(np.unique(edges), self._foretold, side="left")
        return np.unique(places, return_inverse=True)[1].reshape(places.shape)

    @cached_property
    def _apart(self) -> np.ndarray:
        """How far each probability is from what happened: as they are."""
        return self._foretold - self._happened


def wilson(share: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % Wilson interval of a share of so many rows.

    Source: Wilson, Probable inference, Journal of the American Statistical Association 22 (1927).
    """
    widened = 1 + _Z * _Z / rows
    middle = (share + _Z * _Z / (2 * rows)) / widened
    reach = _Z * np.sqrt(share * (1 - share) / rows + _Z * _Z / (4 * rows**2)) / widened
    return np.minimum(middle - reach, share), np.maximum(middle + reach, share)
