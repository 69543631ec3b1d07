"""Quantiles of training rows: exact up to a bound, then of a fixed sample."""

import numpy as np

from plumbline.extract.sampling import SAMPLE_ROWS, Sampling, sampling, splitmix64
from plumbline.normalization.normal import normal_quantile

__all__ = [
    "SAMPLE_ROWS",
    "Sampling",
    "normal_scores",
    "quantiles",
    "sampling",
    "splitmix64",
    "table_size",
]

TAIL = 1e-7 - np.spacing(1.0)
"""Probability at which the normal scores end, as in scikit-learn."""


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
    return normal_quantile(np.clip(place, TAIL, 1 - TAIL))
