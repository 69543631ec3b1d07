"""Sums of what rows add over sums of what they count, for many weighings of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Several ratios at once; a share of rows counts 1 for each of them."""

    names: Sequence[str]
    upper: np.ndarray
    """What each row adds above the line: shape (n, ratios)."""
    lower: np.ndarray
    """And below it: shape (n, ratios)."""

    def of(self, weights: np.ndarray | None = None) -> np.ndarray:
        """weights: of the rows, shape (b, n); None: one weighing, all rows alike.

        Shape (b, ratios); NaN where nothing counts.
        """
        rows = np.ones((1, len(self.upper))) if weights is None else weights
        with np.errstate(invalid="ignore"):
            return (rows @ self.upper) / (rows @ self.lower)
