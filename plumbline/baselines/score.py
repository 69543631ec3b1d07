"""How good a baseline is on the validation rows: every metric, and the main one's interval."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from plumbline.errors import SplitError
from plumbline.metrics.bootstrap import Draws, resampled
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
    bootstrap, in which whole rows are drawn with replacement and keep their weight: see
    `plumbline.metrics.bootstrap`.

    Raises:
        SplitError: the metric is not defined of these rows.
    """
    if (task, metric) == ("binary", "auc") and weights is None:
        return delong_interval(labels, scores, confidence)
    measure = Measure(task, labels, scores, names=[metric])
    if not measure.names:
        raise _undefined(metric, labels)
    draws = Draws(rows=len(labels), resamples=_resamples(len(labels)), seed=seed)
    found = resampled({metric: measure}, draws, weights)[metric].estimate(metric)
    if math.isnan(found.value):
        raise _undefined(metric, labels)
    return found.interval(confidence)


def _undefined(metric: str, labels: np.ndarray) -> SplitError:
    return SplitError(
        f"{metric} is not defined of the {len(labels):,} validation rows",
        expected="rows of two classes or more, and no more than the metric is measured of",
        remedy="choose another evaluation.metric, or a split that leaves more classes in val",
    )


def _resamples(rows: int) -> int:
    return RESAMPLES if rows <= MANY_ROWS else OF_MANY_ROWS
