"""Precision, recall and F1: of one class, of each, and in the mean."""

from typing import Protocol

import numpy as np

Tallied = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Weight of the rows that are and are said to be, are said to be, and are: each (b, k)."""


class Tally(Protocol):
    """Counts of each class or label, for many weighings of the rows at once."""

    def of(self, weights: np.ndarray | None = None) -> Tallied:
        """weights: of the rows, shape (b, n); None: one weighing, all rows alike."""
        ...


class Columns:
    """Of labels that are each 0 or 1 by themselves."""

    def __init__(self, truth: np.ndarray, said: np.ndarray):
        """Booleans, shape (n, k)."""
        self._indicators = (truth & said, said, truth)

    def of(self, weights: np.ndarray | None = None) -> Tallied:
        if weights is None:
            hits, said, there = (one.sum(axis=0)[None] for one in self._indicators)
        else:
            hits, said, there = (_weighed(weights, one) for one in self._indicators)
        return hits, said, there


class Codes:
    """Of a label that is one of several classes: no matrix of rows by classes is made."""

    def __init__(self, truth: np.ndarray, said: np.ndarray, classes: int):
        """Codes, shape (n,)."""
        self._codes = (np.where(truth == said, truth, classes), said, truth)
        self._classes = classes

    def of(self, weights: np.ndarray | None = None) -> Tallied:
        each = [None] if weights is None else weights
        hits, said, there = (
            np.stack([np.bincount(one, w, self._classes + 1)[: self._classes] for w in each])
            for one in self._codes
        )
        return hits, said, there


def shares(tallied: Tallied) -> Tallied:
    """Precision, recall and F1, each (b, k); 0 where nothing is to be divided by."""
    hits, said, there = tallied
    return _share(hits, said), _share(hits, there), _share(2 * hits, said + there)


def macro(tallied: Tallied) -> Tallied:
    """Their means, each (b,), over the classes that rows with weight have or are said to have."""
    concerned = tallied[1] + tallied[2] > 0
    count = np.maximum(concerned.sum(axis=1), 1)
    # What does not concern has 0 in all three.
    precision, recall, f1 = (one.sum(axis=1) / count for one in shares(tallied))
    return precision, recall, f1


def _weighed(weights: np.ndarray, indicators: np.ndarray) -> np.ndarray:
    columns = [(weights * one).sum(axis=1) for one in indicators.T]
    return np.stack(columns, axis=1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.where(whole > 0, whole, 1)
