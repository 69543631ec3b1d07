"""Seeded resamples of rows, many at a time, and what candidates are worth on each of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from plumbline.metrics.interval import Interval

_BLOCK_COUNTS = 65_536
"""Counts held at a time (half a megabyte, which a cache holds), or one resample if it is more."""

Draw = Callable[[np.random.RandomState], np.ndarray]
"""How often each row is in the next resample: shape (rows,)."""


class Measured(Protocol):
    """What `resampled` can weigh: metrics of one candidate, such as a `Measure`."""

    @property
    def names(self) -> Sequence[str]: ...

    def of(self, weights: np.ndarray | None = None) -> np.ndarray:
        """weights: of the rows, shape (b, n); None: one weighing. Shape (b, len(names))."""
        ...


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How rows are drawn with replacement: one by one, within strata, or by whole clusters.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6; Davison
    and Hinkley, Bootstrap Methods and their Application (1997), chapter 3, for strata; Field
    and Welsh, Bootstrapping clustered data, Journal of the Royal Statistical Society B 69
    (2007), for clusters, which are drawn whole.
    """

    rows: int
    resamples: int
    seed: int
    strata: np.ndarray | None = None
    """Which stratum each row is of: codes from 0, shape (rows,). Each keeps its count of rows."""
    clusters: np.ndarray | None = None
    """Which cluster each row is of: codes from 0, shape (rows,). As many are drawn as there are;
    a resample then has more or fewer rows than the sample. Strata are not looked at."""

    def counts(self) -> Iterator[np.ndarray]:
        """How often each row is drawn in each resample: blocks of float64, shape (b, rows).

        They add up to `resamples` rows of counts, whatever the size of a block.
        """
        # RandomState rather than Generator: NumPy promises that its stream never changes.
        random, draw = np.random.RandomState(self.seed), self._draw()
        step = max(1, _BLOCK_COUNTS // self.rows)
        for start in range(0, self.resamples, step):
            block = np.empty((min(step, self.resamples - start), self.rows))
            for counts in block:
                counts[:] = draw(random)
            yield block

    def _draw(self) -> Draw:
        if self.clusters is not None:
            return _by_clusters(self.clusters)
        if self.strata is not None:
            return _within(self.strata)
        return lambda random: _drawn(random, self.rows)


def _drawn(random: np.random.RandomState, count: int) -> np.ndarray:
    return np.bincount(random.randint(0, count, count), minlength=count)


def _by_clusters(clusters: np.ndarray) -> Draw:
    count = int(clusters.max()) + 1
    return lambda random: _drawn(random, count)[clusters]


def _within(strata: np.ndarray) -> Draw:
    members = [np.flatnonzero(strata == one) for one in np.unique(strata)]

    def draw(random: np.random.RandomState) -> np.ndarray:
        counts = np.empty(len(strata))
        for rows in members:
            counts[rows] = _drawn(random, len(rows))
        return counts

    return draw


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number, and what it was in each resample."""

    value: float
    drawn: np.ndarray
    """float64, shape (resamples,); NaN where it is not defined."""

    def interval(self, confidence: float) -> Interval:
        """The percentile interval: quantiles of what was drawn, where that is defined.

        Ends are widened to the value itself where a small sample leaves it outside.

        Source: Efron and Tibshirani (1993), chapter 13.
        """
        tail = (1 - confidence) / 2
        defined = self.drawn[np.isfinite(self.drawn)]
        low, high = np.quantile(defined if len(defined) else [self.value], [tail, 1 - tail])
        value = self.value
        return Interval(value=value, low=float(min(low, value)), high=float(max(high, value)))

    def p_value(self, gain: float) -> float:
        """Of the hypothesis that the number is at most `gain`, against a greater one.

        The percentile interval turned round: the share of resamples at or below `gain`, one
        added to both counts, so that it is never 0.

        Sources: Efron and Tibshirani (1993), chapter 15; Davison and Hinkley (1997), chapter 4,
        for the one that is added.
        """
        defined = self.drawn[np.isfinite(self.drawn)]
        return (1 + int(np.count_nonzero(defined <= gain))) / (1 + len(defined))


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """One candidate's metrics, in the sample and in each resample."""

    names: tuple[str, ...]
    values: np.ndarray
    """float64, shape (metrics,)."""
    drawn: np.ndarray
    """float64, shape (resamples, metrics)."""

    def estimate(self, name: str) -> Estimate:
        at = self.names.index(name)
        return Estimate(value=float(self.values[at]), drawn=self.drawn[:, at])

    def intervals(self, confidence: float) -> dict[str, Interval]:
        """Of every metric that is defined in the sample."""
        defined = zip(self.names, np.isfinite(self.values), strict=True)
        return {name: self.estimate(name).interval(confidence) for name, is_so in defined if is_so}


def resampled(
    measures: Mapping[str, Measured], draws: Draws, weights: np.ndarray | None = None
) -> dict[str, Resampled]:
    """All candidates on the same resamples, by kind.

    weights: of the rows, which each keeps as often as it is drawn: shape (n,). None: all alike.
    """
    once = None if weights is None else np.asarray(weights, dtype=np.float64)[None]
    drawn: dict[str, list[np.ndarray]] = {kind: [] for kind in measures}
    for counts in draws.counts():
        weighed = counts if once is None else counts * once
        for kind, measure in measures.items():
            drawn[kind].append(measure.of(weighed))
    return {
        kind: Resampled(
            names=tuple(measure.names),
            values=measure.of(once)[0],
            drawn=np.concatenate(drawn[kind]),
        )
        for kind, measure in measures.items()
    }


def difference(a: Estimate, b: Estimate, sign: int = 1) -> Estimate:
    """sign * (a - b) of two candidates on the same resamples: a paired difference."""
    return Estimate(value=sign * (a.value - b.value), drawn=sign * (a.drawn - b.drawn))
