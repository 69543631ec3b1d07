"""How good a baseline is on the validation rows: every metric, and the main one's interval."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from plumbline.errors import SplitError
from plumbline.metrics.delong import delong_interval
from plumbline.metrics.interval import Interval
from plumbline.metrics.measure import Measure
from plumbline.metrics.measured import measured
from plumbline.spec import Task
from plumbline.spec.metrics import METRICS, OF_TASK, MetricName

RESAMPLES, OF_MANY_ROWS = 500, 200
"""Bootstrap resamples behind an interval, and those of more than `MANY_ROWS` rows (count)."""

MANY_ROWS = 100_000
"""Rows (count)."""

_BLOCK_COUNTS = 1 << 20
"""Counts held at a time (eight megabytes), or one resample if it is more."""


def main_metric(task: Task) -> MetricName:
    """What models of a task are compared by."""
    return OF_TASK[task][0]


def better(metric: str, a: float, b: float) -> bool:
    """Whether value `a` of a metric is better than `b`."""
    known: Any = metric
    return METRICS[known].sign * (a - b) > 0


def validated(  # noqa: PLR0917
    task: Task,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray | None,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """metrics (null where one is not defined), metric (the main one) and its interval; JSON types.

    labels, scores, weights: of the validation rows, as `measured` takes them.

    Raises:
        SplitError: the rows hold one label only.
    """
    found = measured(task, labels, scores, weights)
    name = main_metric(task)
    interval = interval_of(name, task, labels, scores, weights, confidence=confidence, seed=seed)
    return {
        "metrics": {k: None if math.isnan(v) else v for k, v in found.items()},
        "metric": name,
        "interval": asdict(interval),
    }


def interval_of(
    metric: MetricName,
    task: Task,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    confidence: float,
    seed: int = 0,
) -> Interval:
    """A metric with its interval.

    DeLong's for an AUC of two labels and rows that weigh alike; else percentiles of a
    bootstrap, in which whole rows are drawn with replacement and keep their weight (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Ends are widened to the
    value itself where a small sample leaves it outside.

    Raises:
        SplitError: the metric is not defined of these rows.
    """
    if (task, metric) == ("binary", "auc") and weights is None:
        return delong_interval(labels, scores, confidence)
    measure = Measure(task, labels, scores, names=[metric])
    once = np.ones((1, len(labels))) if weights is None else weights.astype(np.float64)[None]
    value = float(measure.of(once)[0, 0]) if measure.names else math.nan
    if math.isnan(value):
        raise _undefined(metric, labels)
    drawn = [measure.of(counts * once)[:, 0] for counts in _resamples(len(labels), seed)]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.concatenate(drawn), [tail, 1 - tail])
    return Interval(value=value, low=float(min(low, value)), high=float(max(high, value)))


def _undefined(metric: str, labels: np.ndarray) -> SplitError:
    return SplitError(
        f"{metric} is not defined of the {len(labels):,} validation rows",
        expected="rows of two classes or more, and no more than the metric is measured of",
        remedy="choose another evaluation.metric, or a split that leaves more classes in val",
    )


def _resamples(rows: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn in each resample: blocks of float64, shape (b, rows)."""
    # RandomState rather than Generator: NumPy promises that its stream never changes.
    random = np.random.RandomState(seed)
    resamples = RESAMPLES if rows <= MANY_ROWS else OF_MANY_ROWS
    step = max(1, _BLOCK_COUNTS // rows)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = (np.bincount(random.randint(0, rows, rows), minlength=rows) for _ in range(size))
        yield np.stack(list(drawn)).astype(np.float64)
