"""What is measured of scores, for one sample or for many resamples of it at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np

METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy")
"""In the order they are shown. Greater is better but for log_loss and brier."""


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """-log of the probability given to each row's label: float64, shape (n,).

    Probabilities are clipped by the float64 epsilon, as scikit-learn's `log_loss` does: a
    certain mistake costs 36, not infinity.
    """
    epsilon = np.finfo(np.float64).eps
    given = np.where(labels == 1, scores, 1 - np.asarray(scores, dtype=np.float64))
    return -np.log(np.clip(given, epsilon, 1 - epsilon))


def squared_errors(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Squared distance of each score from its label, whose mean is the Brier score: (n,)."""
    return (np.asarray(scores, dtype=np.float64) - labels) ** 2


def hits(labels: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """1 where `score >= threshold` agrees with the label, whose mean is the accuracy: (n,)."""
    return ((scores >= threshold) == (labels == 1)).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Rows sorted once by falling score, so that each resample costs two running sums."""

    order: np.ndarray
    positive: np.ndarray
    """Labels in that order: float64, shape (n,)."""
    ends: np.ndarray
    """Last place of each run of equal scores."""

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> Self:
        order = np.argsort(-np.asarray(scores), kind="stable")
        falling = np.asarray(scores)[order]
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        return cls(order=order, positive=(labels[order] == 1).astype(np.float64), ends=ends)

    def average_precision(self, counts: np.ndarray) -> np.ndarray:
        """Sum of precision times the step in recall over the distinct thresholds.

        counts: how often each row is drawn, shape (resamples, n); all ones for the sample
        itself. Result: float64, shape (resamples,); NaN where no positive was drawn.
        """
        # `take` keeps each resample's row contiguous, so that its sums round alike in any block.
        drawn = counts.take(self.order, axis=1)
        taken = np.cumsum(drawn, axis=1).take(self.ends, axis=1)
        found = np.cumsum(drawn * self.positive, axis=1).take(self.ends, axis=1)
        steps = np.diff(found, axis=1, prepend=0)
        with np.errstate(invalid="ignore"):
            precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
            return (steps * precision).sum(axis=1) / found[:, -1]
