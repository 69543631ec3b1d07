"""How far a curve would move if other rows had been drawn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

RESAMPLES = 200
"""Drawn for each band (count)."""

_CUTS = 256
"""Scores at which rows are told apart, at most (count): the cost of a band is that of its cuts,
however many rows there are."""

GRID = np.linspace(0, 1, 101)
"""Places along x at which a band has ends."""


@dataclass(frozen=True)
class Ladder:
    """Rows between cuts of the score, from the highest: of positives and of all others."""

    positives: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> "Ladder":
        """labels, scores: shape (n,)."""
        distinct = np.unique(scores)
        kept = np.linspace(0, len(distinct) - 1, min(len(distinct), _CUTS)).astype(int)
        step = len(kept) - np.searchsorted(distinct[kept], scores, side="right")
        sizes = [np.bincount(step[labels == one], minlength=len(kept)) for one in (1, 0)]
        return cls(*sizes)


def band(
    ladder: Ladder, curve: Literal["roc", "precision"], confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of a curve at each place of `GRID`, shapes (101,).

    The rows of either label are drawn again with replacement: Efron, Bootstrap methods (1979),
    in strata. Point by point: a whole curve leaves its band more often.
    """
    random = np.random.RandomState(0)
    drawn = np.stack([_curve(*_again(ladder, random), curve) for _ in range(RESAMPLES)])
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def _again(ladder: Ladder, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Positives and others at or above each cut, of rows drawn again."""
    found, wrong = (
        np.cumsum(random.multinomial(rows.sum(), rows / max(rows.sum(), 1)))
        for rows in (ladder.positives, ladder.others)
    )
    return found, wrong


def _curve(found: np.ndarray, wrong: np.ndarray, curve: str) -> np.ndarray:
    recall = found / max(found[-1], 1)
    if curve == "roc":
        return np.interp(GRID, np.append(0, wrong / max(wrong[-1], 1)), np.append(0, recall))
    return np.interp(GRID, recall, found / np.maximum(found + wrong, 1))
