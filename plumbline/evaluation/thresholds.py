"""The score from which a row counts as positive."""

import numpy as np


def most_accurate(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold t with the greatest accuracy of `score >= t`; ties go to that nearest 0.5.

    All thresholds between two neighbouring distinct scores classify alike. Such a gap is
    represented by 0.5 if it lies inside, else by its middle, so that noise in the last bits
    of a score moves no row across.

    labels: 0 and 1, shape (n,). scores: finite, shape (n,).
    """
    candidates = _representatives(np.unique(scores))
    ones, zeros = np.sort(scores[labels == 1]), np.sort(scores[labels != 1])
    right = len(ones) - np.searchsorted(ones, candidates) + np.searchsorted(zeros, candidates)
    best = candidates[right == right.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def _representatives(distinct: np.ndarray) -> np.ndarray:
    """One threshold per gap (low, high]: below all scores, between neighbours, above all."""
    beyond = np.nextafter(max(1.0, distinct[-1]), np.inf)
    edges = np.concatenate([[0.0], distinct, [beyond]])
    low, high = edges[:-1], edges[1:]
    middle = low / 2 + high / 2
    # Between neighbouring floats the middle may round down to the lower one.
    middle = np.where(middle > low, middle, high)
    return np.where((low < 0.5) & (high >= 0.5), 0.5, middle)
