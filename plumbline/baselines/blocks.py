"""Rows shared out over threads, so that the number of threads changes no bit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_ROWS = 4096
"""Rows one thread scores at a time."""


def by_blocks(
    score: Callable[[np.ndarray], np.ndarray], X: np.ndarray, outputs: tuple[int, ...] = ()
) -> np.ndarray:
    """`score` of all rows of X, shape (n, d), block by block: shape (n, *outputs).

    `score` treats each row by itself and leaves Python's lock while it computes.
    """
    if not len(X):
        return np.empty((0, *outputs))
    blocks = [X[at : at + _ROWS] for at in range(0, len(X), _ROWS)]
    if len(blocks) == 1:
        return score(X)
    with ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(score, blocks)))


def cores() -> int:
    """Cores this process may use, a container's limit included (count)."""
    import joblib

    return joblib.cpu_count()
