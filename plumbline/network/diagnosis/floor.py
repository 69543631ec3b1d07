"""The floor that a network should not be under: least squares on the same columns."""

import numpy as np

from plumbline.network.diagnosis.sampling import places
from plumbline.network.examples import Examples
from plumbline.network.tasks import Objective
from plumbline.normalization.matrix import Matrix

ROWS = 20_000
"""Training rows that it is fitted on, at most (count)."""

CODES = 32
"""Codes of a category up to which each gets a column (count)."""

COLUMNS = 512
"""Columns at most, so that the normal equations cost little beside any training (count)."""

RIDGE = 1e-3
"""Penalty per row on standardized columns: enough to solve where columns repeat each other."""


def linear_scores(goal: Objective, train: Examples, asked: list[Matrix]) -> list[np.ndarray]:
    """Ridge regression on the label, or on an indicator of each class; scores as a network's.

    Shape (n,) or (n, outputs) for each matrix in `asked`. It ranks and decides; its scores
    are no probabilities.
    """
    rows = places(len(train.matrix), ROWS)
    columns = _columns(train.matrix.without_images().take(rows))
    mean, scale = columns.mean(axis=0), columns.std(axis=0)
    kept = np.flatnonzero(scale > 1e-9 * (np.abs(mean) + 1e-30))[:COLUMNS]
    mean, scale = mean[kept], scale[kept]
    known = (columns[:, kept] - mean) / scale
    labels = _targets(goal, train.labels[rows])
    offset = labels.mean(axis=0)
    penalty = RIDGE * len(known) * np.eye(len(kept))
    slopes = np.linalg.solve(known.T @ known + penalty, known.T @ (labels - offset))
    return [((_columns(one)[:, kept] - mean) / scale) @ slopes + offset for one in asked]


def _columns(matrix: Matrix) -> np.ndarray:
    """Numbers, and an indicator of each code of small categories: float64."""
    parts = [matrix.numeric.astype(np.float64)]
    for codes in matrix.codes.T:
        parts.append((codes[:, None] == np.arange(CODES)).astype(np.float64))
    return np.concatenate(parts, axis=1)


def _targets(goal: Objective, labels: np.ndarray) -> np.ndarray:
    if goal.task == "multiclass":
        return np.eye(goal.outputs)[labels]
    return labels.astype(np.float64)
