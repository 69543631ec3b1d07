"""A matrix as XGBoost reads it: what was NULL is missing, and categories are codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.normalization.matrix import MISSING, Matrix


@dataclass(frozen=True, kw_only=True)
class Native:
    """Which columns of a matrix XGBoost reads, and where they are missing."""

    numeric_names: tuple[str, ...]
    category_names: tuple[str, ...]
    nulls: tuple[tuple[int, int], ...]
    """Of each number that had NULLs in training: its column of the matrix, its indicator's."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the matrices it reads: `Matrix.names`."""
        return self.numeric_names + self.category_names

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `read`: no indicator stands beside its number."""
        return tuple(self.numeric_names[at] for at in self._kept) + self.category_names

    @property
    def types(self) -> list[str]:
        """XGBoost's kinds of the columns of `read`: q for numbers, c for categories."""
        return ["q"] * len(self._kept) + ["c"] * len(self.category_names)

    def read(self, matrix: Matrix) -> np.ndarray:
        """float32, shape (n, len(columns)): NaN where a number or a category was NULL.

        A value that the vocabulary does not know is no missing one; it keeps its code, 0.
        Where training had no NULL, a NULL is what the normalization filled in.
        """
        numbers = matrix.numeric[:, self._kept]
        for column, indicator in self.nulls:
            numbers[matrix.numeric[:, indicator] == 1, self._kept.index(column)] = np.nan
        codes = np.where(matrix.codes == MISSING, np.float32(np.nan), matrix.codes)
        return np.concatenate([numbers, codes.astype(np.float32)], axis=1)

    @property
    def _kept(self) -> list[int]:
        told = {indicator for _, indicator in self.nulls}
        return [at for at in range(len(self.numeric_names)) if at not in told]

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "numeric": list(self.numeric_names),
            "categories": list(self.category_names),
            "nulls": [list(pair) for pair in self.nulls],
        }

    @classmethod
    def of(cls, record: dict[str, Sequence[Any]]) -> "Native":
        """What `record` gave."""
        return cls(
            numeric_names=tuple(map(str, record["numeric"])),
            category_names=tuple(map(str, record["categories"])),
            nulls=tuple((int(a), int(b)) for a, b in record["nulls"]),
        )
