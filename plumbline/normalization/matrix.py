"""What models read: numbers on one scale, and categories as codes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

UNKNOWN, MISSING, FIRST_VALUE = 0, 1, 2
"""Category codes: a value not in the training vocabulary, NULL, and the first known value."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Transformed rows.

    numeric: float32, shape (n, len(numeric_names)); scaled features, then 0/1 indicators of
        NULL for the features that had NULLs in training. Never NaN.
    codes: int32, shape (n, len(category_names)); see `UNKNOWN`, `MISSING`, `FIRST_VALUE`.
    images: uint8, shape (n, height, width, channels), by column. Only networks read them.
    """

    numeric: np.ndarray
    codes: np.ndarray
    numeric_names: tuple[str, ...]
    category_names: tuple[str, ...]
    images: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numeric)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of `dense()`."""
        return self.numeric_names + self.category_names

    @property
    def image_shapes(self) -> dict[str, tuple[int, ...]]:
        """Height, width and channels of each image column."""
        return {name: one.shape[1:] for name, one in self.images.items()}

    @property
    def image_bytes(self) -> int:
        """Pixels of all images of one row."""
        return sum(map(math.prod, self.image_shapes.values()))

    def without_images(self) -> Self:
        """The same numbers and codes."""
        return replace(self, images={}) if self.images else self

    def dense(self) -> np.ndarray:
        """Numbers and codes side by side: float32, shape (n, len(names)). For trees."""
        return np.concatenate([self.numeric, self.codes.astype(np.float32)], axis=1)

    def take(self, rows: np.ndarray | slice) -> "Matrix":
        """The given rows."""
        return Matrix(
            numeric=self.numeric[rows],
            codes=self.codes[rows],
            numeric_names=self.numeric_names,
            category_names=self.category_names,
            images={name: one[rows] for name, one in self.images.items()},
        )
