"""What an architecture may know of the training rows before it has seen one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from plumbline.normalization.matrix import FIRST_VALUE, Matrix
from plumbline.normalization.parameters import Normalization

SAMPLE_ROWS = 100_000
"""Training rows that quantiles are taken from at most: evenly spaced ones (count)."""

GRID = 1024
"""Steps of the quantile grid (count)."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Sizes, names and quantiles of the normalized training rows."""

    rows: int
    """Training rows (count)."""
    numeric_names: tuple[str, ...]
    category_names: tuple[str, ...]
    cardinalities: tuple[int, ...]
    """Codes per category column, unknown and missing included."""
    quantiles: np.ndarray
    """Quantiles of each number at equal steps from 0 to 1: float32, shape (numbers, GRID + 1)."""
    auxiliary: Mapping[str, int] = field(default_factory=dict)
    """Raw outputs (count) of each column that is learned beside the label, by its name."""
    images: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Height, width and channels of each image column, by its name."""

    @classmethod
    def of(cls, train: Matrix, normalization: Normalization) -> "Table":
        """The table of the training rows' matrix; never give it other rows."""
        return cls.described(train, cardinalities(normalization))

    @classmethod
    def described(
        cls, train: Matrix, cardinalities: tuple[int, ...], rows: int | None = None
    ) -> "Table":
        """The table of `rows` training rows, of which `train` holds all or a sample."""
        step = max(1, len(train) // SAMPLE_ROWS)
        numbers = train.without_images().take(slice(None, None, step)).numeric
        sample = np.sort(numbers, axis=0)
        places = np.linspace(0, max(0, len(sample) - 1), GRID + 1).round().astype(int)
        return cls(
            rows=rows or len(train),
            numeric_names=train.numeric_names,
            category_names=train.category_names,
            cardinalities=cardinalities,
            quantiles=np.ascontiguousarray(sample[places].T),
            images=train.image_shapes,
        )

    @property
    def two_valued(self) -> tuple[bool, ...]:
        """Whether a number has two values at most: an indicator, or a flag. No need of bins."""
        return tuple(len(np.unique(one)) <= 2 for one in self.quantiles)

    def edges(self, column: int, bins: int) -> np.ndarray:
        """Edges of at most `bins` intervals, at distinct quantiles an equal number apart.

        Where no value is frequent the intervals hold about equally many training rows each. A
        value that many rows share is one edge of many: the rare values beside it, such as the
        gains of the few who had any, have as many edges as they would without it.

        float32, strictly rising, at least two where the column is not constant.
        """
        distinct = np.unique(self.quantiles[column])
        places = np.linspace(0, len(distinct) - 1, min(len(distinct), bins + 1))
        return distinct[places.round().astype(int)]


def cardinalities(normalization: Normalization) -> tuple[int, ...]:
    """Codes per category column, unknown and missing included."""
    return tuple(FIRST_VALUE + len(one.values) for one in normalization.categories)


def image_input(column: str) -> str:
    """What the network calls its input of an image column."""
    return f"image_{column}"
