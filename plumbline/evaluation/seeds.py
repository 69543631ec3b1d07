"""What a gain is worth where another seed would have given another network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from plumbline.evaluation.significance import Difference
from plumbline.metrics.interval import Interval

SHOWN = 0.95
"""Confidence up to which resamples are taken at their word: of wider intervals the ends hang on
a handful of them, so that the normal distribution has a say there, too."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How networks differ that differ by their seed only."""

    networks: int
    variance: float
    """Of what decides, between them: with one degree of freedom less than there are networks."""
    apart: float
    """What they are better by, in the mean, than the one that may be released."""

    @classmethod
    def of(cls, values: Sequence[float], sign: int) -> "Spread | None":
        """Of a metric of each network, the one that may be released first; None for a single one.

        sign: what the metric is multiplied by so that more is better.
        """
        if len(values) < 2:
            return None
        return cls(
            networks=len(values),
            variance=float(np.var(values, ddof=1)),
            apart=sign * (float(np.mean(values)) - values[0]),
        )


@dataclass(frozen=True, kw_only=True)
class Gain(Difference):
    """The released network's gain, as sure as rows and seeds let it be.

    Two intervals, and the farther one of their ends on each side. The first is of the released
    network, as it is: rows alone. The second is of the mean over all seeds: it lies about the
    mean of the networks that were trained, its variance is that of the rows plus the networks'
    divided by their number, and it is Student's at the degrees of freedom of Welch and
    Satterthwaite. So a network wins where it gains enough itself, and where networks of other
    seeds do so in the mean; each is wrongly taken for granted no more often than the confidence
    says. The rows' variance is the released network's, which is no smaller than that of a mean.

    A variance over rows is recovered from each end of its interval, which is exact for DeLong's
    and keeps the ends of a bootstrap as far apart as they are.

    Sources: Berger, Multiparameter hypothesis testing and acceptance sampling, Technometrics 24
    (1982), for two conditions at once; Satterthwaite, Biometrics Bulletin 2 (1946), and Welch,
    Biometrika 34 (1947); Zou and Donner, Statistics in Medicine 27 (2008), for a variance from
    each end; Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys
    (2021), for seeds as a source of variance beside the rows.
    """

    rows: Difference
    """What the rows alone say of the released network."""
    units: int
    """Rows that are drawn, or groups (count)."""
    seeds: Spread | None = None
    """None: seeds have no say."""

    def interval(self, confidence: float) -> Interval:
        """The gain with its interval: at least as wide as that of the rows alone."""
        found = self._of_rows(confidence)
        if self.seeds is None:
            return found
        mean = found.value + self.seeds.apart
        down, up = (
            self._reach(abs(found.value - end) / _z(confidence), confidence)
            for end in (found.low, found.high)
        )
        low, high = min(found.low, mean - down), max(found.high, mean + up)
        return Interval(value=found.value, low=low, high=high)

    def p_value(self, gain: float) -> float:
        """One-sided, of the hypothesis that the gain is at most `gain`: the greater one of two."""
        alone = self.rows.p_value(gain)
        if self.seeds is None:
            return alone
        found = self.rows.interval(SHOWN)
        mean = found.value + self.seeds.apart
        error = found.value - found.low if mean > gain else found.high - found.value
        return max(alone, self._tail(gain - mean, error / _z(SHOWN)))

    def p_worse(self) -> float:
        """One-sided, of the hypothesis that the released network gains 0 or more.

        By the upper end, not by counting resamples: that has a smallest p-value, which is too
        great where many slices are looked at.
        """
        found = self.rows.interval(SHOWN)
        return self._tail(found.value, (found.high - found.value) / _z(SHOWN))

    def _of_rows(self, confidence: float) -> Interval:
        found = self.rows.interval(confidence)
        if confidence <= SHOWN:
            return found
        inner, wider = self.rows.interval(SHOWN), _z(confidence) / _z(SHOWN)
        return Interval(
            value=found.value,
            low=min(found.low, found.value - wider * (found.value - inner.low)),
            high=max(found.high, found.value + wider * (inner.high - found.value)),
        )

    def _reach(self, error: float, confidence: float) -> float:
        from scipy.special import stdtrit

        total, degrees = self._total(error)
        return float(stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(total) if total else 0.0

    def _tail(self, apart: float, error: float) -> float:
        """Student's probability of at most `apart`; 0 or 1 of what does not vary."""
        from scipy.special import stdtr

        total, degrees = self._total(error)
        return float(stdtr(degrees, apart / math.sqrt(total))) if total else float(apart >= 0)

    def _total(self, error: float) -> tuple[float, float]:
        """The variance of rows and seeds together, and its degrees of freedom."""
        parts = [(error**2, max(1, self.units - 1))]
        if self.seeds is not None:
            parts.append((self.seeds.variance / self.seeds.networks, self.seeds.networks - 1))
        total = sum(variance for variance, _ in parts)
        shares = sum((variance / total) ** 2 / degrees for variance, degrees in parts if total)
        return total, 1 / shares if shares else math.inf


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
