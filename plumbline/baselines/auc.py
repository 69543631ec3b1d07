"""ROC AUC with DeLong's variance: intervals, and paired differences on the same rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from plumbline.errors import SplitError, TrainingError


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate between the ends of its confidence interval."""

    value: float
    low: float
    high: float


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a random positive scores above a random negative, ties counting half.

    labels: 0 and 1, shape (n,). scores: finite, shape (n,). Exactly the Mann-Whitney U
    statistic over the number of pairs; O(n log n).

    Raises:
        SplitError: the rows hold one label only.
        TrainingError: a score is NaN or infinite.
    """
    return _mean(*_wins(labels, scores))


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
    positives, negatives = _wins(labels, scores)
    value = _mean(positives, negatives)
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
    wins_a, wins_b = _wins(labels, a), _wins(labels, b)
    positives, negatives = wins_a[0] - wins_b[0], wins_a[1] - wins_b[1]
    value = _mean(positives, negatives)
    if not positives.any() and not negatives.any():
        return Interval(value=0.0, low=0.0, high=0.0)
    variance = _variance(positives, negatives)
    if not variance > 0:
        return independent_difference(
            delong_interval(labels, a, confidence), delong_interval(labels, b, confidence)
        )
    reach = _z(confidence) * math.sqrt(variance)
    return Interval(value=value, low=max(-1.0, value - reach), high=min(1.0, value + reach))


def independent_difference(a: Interval, b: Interval) -> Interval:
    """a - b of two independent AUCs, with an interval made from theirs.

    Source: Zou and Donner, Statistics in Medicine 27 (2008), the method of variance estimates
    recovery (MOVER).
    """
    value = a.value - b.value
    down = math.hypot(a.value - a.low, b.high - b.value)
    up = math.hypot(a.high - a.value, b.value - b.low)
    return Interval(value=value, low=max(-1.0, value - down), high=min(1.0, value + up))


def _wins(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Negatives below each positive, and positives above each negative; ties count half.

    Counts rather than shares: multiples of one half add up without rounding.
    """
    scores = _finite(scores)
    ones = np.asarray(labels) == 1
    above, below = scores[ones], scores[~ones]
    if not len(above) or not len(below):
        raise SplitError(
            f"{len(ones)} rows hold {len(above)} positives and {len(below)} negatives",
            expected="rows of both labels: AUC compares one with the other",
            remedy="choose a split that leaves both labels on every side",
        )
    ranks = _midranks(scores)
    positives = ranks[ones] - _midranks(above)
    negatives = len(above) - (ranks[~ones] - _midranks(below))
    return positives, negatives


def _mean(positives: np.ndarray, negatives: np.ndarray) -> float:
    return float(positives.sum() / (len(positives) * len(negatives)))


def _finite(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    lost = int(np.count_nonzero(~np.isfinite(scores)))
    if lost:
        raise TrainingError(
            f"{lost} of {len(scores)} scores are NaN or infinite",
            expected="a finite probability for every row",
            remedy="look at the model's training; it has diverged",
        )
    return scores


def _midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing the mean of theirs: float64, shape (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.concatenate([starts[1:], [len(values)]])
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


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
