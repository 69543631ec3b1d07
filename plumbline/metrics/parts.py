"""What each task's metrics are made of: prepared once, then weighed as often as wanted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from plumbline.metrics import tallies
from plumbline.metrics.areas import Ranking
from plumbline.spec.metrics import TOP
from plumbline.spec.source import Task

EVEN = 0.5
"""The probability from which on a model says yes, unless a threshold was chosen."""

CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are kept so far from 0 and 1 in a log-loss, as scikit-learn keeps those of
float64: a certain mistake costs 36, not infinity."""

Weights = np.ndarray | None
"""Of the rows, for each of b weighings: shape (b, n). None: one weighing, all rows alike."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows, and what a candidate says of them."""

    labels: np.ndarray
    """As `Rows.labels` gives them: shape (n,), or (n, labels)."""
    scores: np.ndarray
    """Shape (n,), or (n, classes or labels)."""
    threshold: float | np.ndarray = EVEN
    """From which score on a row of the binary task counts as positive; of several labels one for
    all, or one each: shape (labels,)."""

    @cached_property
    def guesses(self) -> np.ndarray:
        """The most probable class of each row, of equal ones the smallest code: shape (n,)."""
        return self.scores.argmax(axis=1)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each label that is 0 or 1 by itself is answered right: as `labels`."""
        return np.equal(self.scores >= self.threshold, self.labels == 1)


Part = Callable[[Weights], tuple[np.ndarray, ...]]
"""Metrics that are computed together, each of shape (b,)."""

Prepare = Callable[[Scored], Part]
"""Sorts and computes what no weighing changes."""


def mean(values: np.ndarray, weights: Weights) -> np.ndarray:
    """Of values of shape (n,), or one row of them per weighing: shape (b,)."""
    if weights is None:
        return np.atleast_2d(values).mean(axis=1)
    return (weights * values).sum(axis=1) / weights.sum(axis=1)


def log_losses(given: np.ndarray) -> np.ndarray:
    """-log of the probability that was given to what is so, kept `CLIP` from 0 and 1."""
    return -np.log(np.clip(np.asarray(given, dtype=np.float64), CLIP, 1 - CLIP))


def _mean_of(values: Callable[[Scored], np.ndarray]) -> Prepare:
    """The mean of what each row adds, as `values` says it: shape (n,)."""

    def prepare(rows: Scored) -> Part:
        each = values(rows)
        return lambda weights: (mean(each, weights),)

    return prepare


def _areas(rows: Scored) -> Part:
    ranking = Ranking(rows.labels, rows.scores)

    def part(weights: Weights) -> tuple[np.ndarray, ...]:
        steps = ranking.of(weights)
        return steps.area(), steps.average_precision()

    return part


def _micro_precision(rows: Scored) -> Part:
    ranking = Ranking(rows.labels, rows.scores)
    return lambda weights: (ranking.of(weights).average_precision(),)


def _macro_area(rows: Scored) -> Part:
    """Mean AUC of the columns that hold both values; NaN where none does."""
    codes, several = rows.labels, rows.labels.ndim == 2
    rankings = [
        Ranking(codes[:, one] if several else codes == one, rows.scores[:, one])
        for one in range(rows.scores.shape[1])
    ]

    def part(weights: Weights) -> tuple[np.ndarray]:
        areas = np.stack([one.of(weights).area() for one in rankings])
        there = np.isfinite(areas)
        count = there.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return (np.where(there, areas, 0).sum(axis=0) / count,)

    return part


def _of_positive(rows: Scored) -> Part:
    """Precision and recall of the positive class."""
    said = rows.scores >= rows.threshold
    tally = tallies.Columns((rows.labels == 1)[:, None], said[:, None])

    def part(weights: Weights) -> tuple[np.ndarray, ...]:
        precision, recall, _ = tallies.shares(tally.of(weights))
        return precision[:, 0], recall[:, 0]

    return part


def _of_classes(rows: Scored) -> Part:
    tally = tallies.Codes(rows.labels, rows.guesses, rows.scores.shape[1])
    return lambda weights: tallies.macro(tally.of(weights))


def _regression(rows: Scored) -> Part:
    labels = np.asarray(rows.labels, dtype=np.float64)
    apart = rows.scores - labels
    squared, absolute = apart**2, np.abs(apart)

    def part(weights: Weights) -> tuple[np.ndarray, ...]:
        errors = mean(squared, weights)
        spread = mean((labels - mean(labels, weights)[:, None]) ** 2, weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            fit = np.where(spread > 0, 1 - errors / spread, np.nan)
        return np.sqrt(errors), mean(absolute, weights), fit

    return part


def _given(rows: Scored) -> np.ndarray:
    """The probability given to what is so: shape (n,), or (n, labels)."""
    if rows.labels.ndim < rows.scores.ndim:
        return rows.scores[np.arange(len(rows.labels)), rows.labels]
    return np.where(rows.labels == 1, rows.scores, 1 - rows.scores)


def _losses(rows: Scored) -> np.ndarray:
    found = log_losses(_given(rows))
    return found.mean(axis=1) if found.ndim == 2 else found


def _named(rows: Scored) -> np.ndarray:
    return (rows.guesses == rows.labels).astype(np.float64)


def _among_the_first(rows: Scored) -> np.ndarray:
    """Whether fewer than `TOP` classes come before the right one.

    Of equal scores the smaller code comes first, as in argmax.
    """
    given = _given(rows)[:, None]
    before = (rows.scores > given).sum(axis=1)
    tied = np.flatnonzero((rows.scores == given).sum(axis=1) > 1)
    smaller = np.arange(rows.scores.shape[1]) < rows.labels[tied, None]
    before[tied] += ((rows.scores[tied] == given[tied]) & smaller).sum(axis=1)
    return (before < TOP).astype(np.float64)


PARTS: Mapping[Task, Mapping[tuple[str, ...], Prepare]] = MappingProxyType(
    {
        "binary": {
            ("auc", "average_precision"): _areas,
            ("log_loss",): _mean_of(_losses),
            ("brier",): _mean_of(lambda rows: (rows.scores - rows.labels) ** 2),
            ("accuracy",): _mean_of(lambda rows: rows.right.astype(np.float64)),
            ("precision", "recall"): _of_positive,
        },
        "multiclass": {
            ("accuracy",): _mean_of(_named),
            ("log_loss",): _mean_of(_losses),
            ("precision", "recall", "f1"): _of_classes,
            ("auc",): _macro_area,
            (f"top_{TOP}_accuracy",): _mean_of(_among_the_first),
        },
        "multilabel": {
            ("auc",): _macro_area,
            ("average_precision",): _micro_precision,
            ("log_loss",): _mean_of(_losses),
            ("accuracy",): _mean_of(lambda rows: rows.right.mean(axis=1)),
            ("subset_accuracy",): _mean_of(lambda rows: rows.right.min(axis=1)),
        },
        "regression": {("rmse", "mae", "r2"): _regression},
    }
)
