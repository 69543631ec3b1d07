"""What is measured of one side's scores, for every task."""

from collections.abc import Sequence

import numpy as np

from plumbline.metrics import tallies
from plumbline.metrics.areas import require_both
from plumbline.metrics.measure import Measure
from plumbline.metrics.parts import EVEN
from plumbline.spec.source import Task

Weights = np.ndarray | None
"""Of the rows: shape (n,). None: all alike."""


def measured(
    task: Task,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: Weights = None,
    names: Sequence[str] | None = None,
) -> dict[str, float]:
    """The task's metrics by name: see docs/tasks.md for each.

    All are NaN where a score is NaN or infinite.

    labels: as `Rows.labels` gives them. scores: what the model says, shape (n,) or
    (n, outputs). weights: of the rows. names: of the metrics wanted; None: all.

    Raises:
        SplitError: rows of the binary task hold one label only, or but one of any weight.
    """
    measure = Measure(task, labels, scores, names=names)
    if not np.isfinite(scores).all():
        return dict.fromkeys(measure.names, np.nan)
    if task == "binary":
        require_both(labels if weights is None else labels[weights > 0])
    found = measure.of(None if weights is None else np.asarray(weights, np.float64)[None])
    return dict(zip(measure.names, found[0].tolist(), strict=True))


def per_class(
    labels: np.ndarray, scores: np.ndarray, weights: Weights = None
) -> list[dict[str, float]]:
    """rows, precision, recall and f1 of each class by its code, or of each of several labels.

    Of a binary label there is one: its positive class.

    labels: shape (n,), codes; or (n, m), 0 and 1. scores: probabilities, shape (n,) or
    (n, classes); `weights` count in all but rows.
    """
    tally = _tally(labels, scores)
    rows = tally.of()[2][0]
    shares = tallies.shares(tally.of(None if weights is None else weights[None]))
    return [
        {"rows": int(n), "precision": float(p), "recall": float(r), "f1": float(f)}
        for n, p, r, f in zip(rows, *(one[0] for one in shares), strict=True)
    ]


def _tally(labels: np.ndarray, scores: np.ndarray) -> tallies.Tally:
    if labels.ndim < scores.ndim:
        return tallies.Codes(labels, scores.argmax(axis=1), scores.shape[1])
    columns = (len(labels), -1)
    return tallies.Columns((labels == 1).reshape(columns), (scores >= EVEN).reshape(columns))
