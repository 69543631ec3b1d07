"""Conformal prediction as it is released: what a row may be, at a stated coverage."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from plumbline.decision.curves import CLOSED, require


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """Sets or intervals that hold the truth of at least `coverage` of rows like those of val."""

    __pydantic_config__: ClassVar = CLOSED

    coverage: float
    """Share of rows, above 0 and below 1."""
    margins: tuple[float, ...]
    """Binary and multiclass: one, the calibrated score from which on a class is in the set.
    Multilabel: the same for each label. Regression: one, half the width of the interval, in the
    label's unit."""

    def __post_init__(self) -> None:
        require(0 < self.coverage < 1, "a coverage above 0 and below 1")
        found = np.array(self.margins)
        require(len(found) > 0 and bool((np.isfinite(found) & (found >= 0)).all()), "margins")

    def members(self, scores: np.ndarray) -> np.ndarray:
        """Which classes are in the set of a row of several: booleans, shape (n, classes).

        The most probable one always is, which can only add to the coverage.
        """
        inside = scores >= self.margins[0]
        inside[np.arange(len(scores)), scores.argmax(axis=1)] = True
        return inside

    def labels(self, scores: np.ndarray) -> np.ndarray:
        """Which labels cannot be left out of a row's set: booleans, shape (n, labels)."""
        return scores >= np.array(self.margins)

    def ends(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The interval about each predicted number: low and high, shape (n,)."""
        return numbers - self.margins[0], numbers + self.margins[0]


def of_both(scores: np.ndarray) -> np.ndarray:
    """Scores of a binary label as those of its two classes: shape (n, 2)."""
    return np.stack([1 - scores, scores], axis=1)
