"""Seeded bootstrap intervals, many resamples at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from plumbline.baselines.auc import Interval
from plumbline.evaluation.metrics import Ranking, hits, log_losses, squared_errors

_BLOCK_COUNTS = 65_536
"""Counts held at a time (half a megabyte, which a cache holds), or one resample if it is more."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One candidate's scores of some rows, and its threshold."""

    values: np.ndarray
    """float64, shape (n,)."""
    threshold: float


def bootstrap(
    labels: np.ndarray,
    candidates: Mapping[str, Scores],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Interval]]:
    """Percentile intervals of the metrics other than AUC, by candidate and metric.

    Whole rows are drawn with replacement, without regard to their label, and all candidates
    are measured on the same draws. Ends are widened to the value itself where a small sample
    leaves it outside. Resamples without a positive do not count for average precision.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    measures = {kind: _Measure(labels, scores) for kind, scores in candidates.items()}
    drawn: dict[str, list[np.ndarray]] = {kind: [] for kind in candidates}
    for counts in resample_counts(len(labels), resamples, seed):
        for kind, measure in measures.items():
            drawn[kind].append(measure.of(counts))
    once = np.ones((1, len(labels)))
    return {
        kind: _intervals(measure.of(once)[0], np.concatenate(drawn[kind]), confidence)
        for kind, measure in measures.items()
    }


def resample_counts(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn in each resample: blocks of float64, shape (b, rows).

    They add up to `resamples` rows of counts, whatever the size of a block.
    """
    # RandomState rather than Generator: NumPy promises that its stream never changes.
    random = np.random.RandomState(seed)
    step = max(1, _BLOCK_COUNTS // rows)
    for start in range(0, resamples, step):
        block = np.empty((min(step, resamples - start), rows))
        for counts in block:
            counts[:] = np.bincount(random.randint(0, rows, rows), minlength=rows)
        yield block


class _Measure:
    """The metrics of one candidate as functions of how often each row is drawn."""

    names = ("average_precision", "log_loss", "brier", "accuracy")

    def __init__(self, labels: np.ndarray, scores: Scores):
        self._ranking = Ranking.of(labels, scores.values)
        self._of_rows = (
            log_losses(labels, scores.values),
            squared_errors(labels, scores.values),
            hits(labels, scores.values, scores.threshold),
        )

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Metrics in the order of `names`: float64, shape (len(counts), 4)."""
        means = [(counts * values).sum(axis=1) / counts.shape[1] for values in self._of_rows]
        return np.stack([self._ranking.average_precision(counts), *means], axis=1)


def _intervals(values: np.ndarray, resampled: np.ndarray, confidence: float) -> dict[str, Interval]:
    tail = (1 - confidence) / 2
    ends = np.nanquantile(resampled, [tail, 1 - tail], axis=0)
    return {
        name: Interval(value=float(value), low=float(min(low, value)), high=float(max(high, value)))
        for name, value, low, high in zip(_Measure.names, values, *ends, strict=True)
    }
