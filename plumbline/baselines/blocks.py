"""Rows shared out over threads, so that the number of threads changes no bit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from plumbline.normalization.matrix import Matrix

_ROWS = 4096
"""Rows one thread scores at a time."""


def by_blocks(
    score: Callable[[Matrix], np.ndarray], matrix: Matrix, outputs: tuple[int, ...] = ()
) -> np.ndarray:
    """`score` of all rows, shape (n, *outputs), block by block: no more is read at a time.

    `score` treats each row by itself and leaves Python's lock while it computes.
    """
    if not len(matrix):
        return np.empty((0, *outputs))
    blocks = [slice(at, at + _ROWS) for at in range(0, len(matrix), _ROWS)]
    if len(blocks) == 1:
        return score(matrix)
    with ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(lambda rows: score(matrix.take(rows)), blocks)))


def cores() -> int:
    """Cores this process may use, a container's limit included (count)."""
    import joblib

    return joblib.cpu_count()
