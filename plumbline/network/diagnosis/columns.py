"""Ranges of the numbers that a network reads."""

import numpy as np

from plumbline.network.diagnosis.evidence import Column
from plumbline.normalization.matrix import Matrix

ROWS = 100_000
"""Rows that are looked at, at most: evenly spaced ones (count)."""


def columns(matrix: Matrix) -> tuple[Column, ...]:
    """Range and root mean square of each number."""
    step = max(1, -(-len(matrix) // ROWS))
    values = matrix.without_images().take(slice(None, None, step)).numeric
    if not len(values):
        return ()
    squares = [np.square(one, dtype=np.float64).mean() for one in values.T]
    return tuple(
        Column(name=name, low=float(low), high=float(high), rms=float(square**0.5))
        for name, low, high, square in zip(
            matrix.numeric_names, values.min(axis=0), values.max(axis=0), squares, strict=True
        )
    )
