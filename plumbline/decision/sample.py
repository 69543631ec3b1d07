"""Rows that a decision is chosen by, or checked on."""

from dataclasses import dataclass, replace

import numpy as np

from plumbline.metrics.bootstrap import Draws
from plumbline.spec import Task


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Labels of some rows and one candidate's scores of them. All rows count alike."""

    task: Task
    labels: np.ndarray
    """As `Rows.labels` gives them: shape (n,), or (n, labels)."""
    scores: np.ndarray
    """Finite: shape (n,), or (n, classes or labels)."""
    draws: Draws
    """How rows are resampled: by whole groups where rows hang together."""
    confidence: float
    """Coverage of intervals."""

    def scored(self, scores: np.ndarray) -> "Sample":
        """The same rows with other scores."""
        return replace(self, scores=scores)

    @property
    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels 0 and 1, and the scores that are to be their probabilities: both (n, k).

        Of the binary label one column, of several classes or labels one for each.
        """
        if self.task == "multiclass":
            return np.eye(self.scores.shape[1], dtype=np.int8)[self.labels], self.scores
        shape = (len(self.labels), -1)
        return self.labels.reshape(shape), self.scores.reshape(shape)
