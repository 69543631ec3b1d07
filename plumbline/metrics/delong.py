"""ROC AUC with DeLong's variance: intervals, and paired differences on the same rows."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from plumbline.metrics.areas import mean_wins, wins
from plumbline.metrics.interval import Interval


def delong_interval(labels: np.ndarray, scores: np.ndarray, confidence: float) -> Interval:
    """AUC with its interval: DeLong's variance on the logit scale.

    The logit keeps the ends inside (0, 1) and the coverage near its nominal value when the
    AUC is near 1, where the plain normal interval loses it. Where the variance cannot be
    estimated (perfect separation, constant scores, one row of a label), Newcombe's score
    interval stands in.

    Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988); Sun and Xu, IEEE Signal
    Processing Letters 21 (2014), for the midranks; Qin and Hotilovac, Statistical Methods in
    Medical Research 17 (2008), for the logit; Newcombe, Statistics in Medicine 25 (2006),
    method 5.

    Raises:
        SplitError, TrainingError: as `auc`.
    """
    positives, negatives = wins(labels, scores)
    value = mean_wins(positives, negatives)
    variance = _variance(positives, negatives)
    if not variance > 0:
        low, high = _newcombe(value, len(positives), len(negatives), confidence)
        return Interval(value=value, low=low, high=high)
    centre = math.log(value / (1 - value))
    reach = _z(confidence) * math.sqrt(variance) / (value * (1 - value))
    return Interval(value=value, low=_expit(centre - reach), high=_expit(centre + reach))


def delong_paired(labels: np.ndarray, a: np.ndarray, b: np.ndarray, confidence: float) -> Interval:
    """auc(a) - auc(b) on the same rows, with DeLong's interval for correlated curves.

    labels, a, b: shape (n,). Where the variance of the difference cannot be estimated and the
    two are not ranked alike, the intervals of both AUCs are combined as if independent, which
    is wider.

    Raises:
        SplitError, TrainingError: as `auc`.
    """
    return PairedAreas(labels, a, b).interval(confidence)


class PairedAreas:
    """auc(a) - auc(b) on the same rows, ranked once: see `delong_paired`."""

    def __init__(self, labels: np.ndarray, a: np.ndarray, b: np.ndarray):
        wins_a, wins_b = wins(labels, a), wins(labels, b)
        positives, negatives = wins_a[0] - wins_b[0], wins_a[1] - wins_b[1]
        self.value = mean_wins(positives, negatives)
        self._alike = not positives.any() and not negatives.any()
        self._variance = _variance(positives, negatives)
        self._rows = (labels, a, b)

    def interval(self, confidence: float) -> Interval:
        """The difference with its interval."""
        if self._alike:
            return Interval(value=0.0, low=0.0, high=0.0)
        if not self._variance > 0:
            labels, a, b = self._rows
            return independent_difference(
                delong_interval(labels, a, confidence), delong_interval(labels, b, confidence)
            )
        reach = _z(confidence) * math.sqrt(self._variance)
        low, high = max(-1.0, self.value - reach), min(1.0, self.value + reach)
        return Interval(value=self.value, low=low, high=high)

    def p_value(self, gain: float) -> float:
        """One-sided, of the hypothesis that the difference is at most `gain`.

        Where the variance cannot be estimated, the lower half of the interval stands in for it.
        """
        found = self.interval(0.95)
        error = (found.value - found.low) / _z(0.95)
        if self._variance > 0:
            error = math.sqrt(self._variance)
        if not error:
            return float(found.value <= gain)
        return NormalDist().cdf((gain - found.value) / error)


def independent_difference(a: Interval, b: Interval, bound: float = 1.0) -> Interval:
    """a - b of two independent estimates, with an interval made from theirs.

    bound: how far they can be apart: 1 for shares and areas, infinite for errors.

    Source: Zou and Donner, Statistics in Medicine 27 (2008), the method of variance estimates
    recovery (MOVER).
    """
    value = a.value - b.value
    down = math.hypot(a.value - a.low, b.high - b.value)
    up = math.hypot(a.high - a.value, b.value - b.low)
    return Interval(value=value, low=max(-bound, value - down), high=min(bound, value + up))


def _variance(positives: np.ndarray, negatives: np.ndarray) -> float:
    """DeLong's variance of the mean share of wins; NaN where a label has one row."""
    m, n = len(positives), len(negatives)
    if min(m, n) < 2:
        return math.nan
    return float(positives.var(ddof=1) / (n * n * m) + negatives.var(ddof=1) / (m * m * n))


def _newcombe(value: float, m: int, n: int, confidence: float) -> tuple[float, float]:
    z = _z(confidence)

    def covers(theta: float) -> bool:
        pairs = ((m + n) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 <= z * z * theta * (1 - theta) * (1 + pairs) / (m * n)

    return _edge(covers, value, 0.0), _edge(covers, value, 1.0)


def _edge(covers: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where `covers` turns false between the two, by bisection to the last bits."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if covers(middle) else (inside, middle)
    return inside


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
