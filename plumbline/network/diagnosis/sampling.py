"""Rows that are looked at: the same ones every time."""

import numpy as np

from plumbline.network.examples import Examples


def places(rows: int, count: int) -> np.ndarray:
    """At most `count` of so many row numbers, rising: int64, shape (min(rows, count),).

    Drawn by a generator of their own: rows at even steps could all be of one class where the
    order of the rows has a period, and the training's generators have to stay as they are.
    """
    if rows <= count:
        return np.arange(rows)
    return np.sort(np.random.default_rng(rows).choice(rows, count, replace=False))


def sampled(rows: Examples, count: int) -> Examples:
    """At most `count` rows: those at `places`."""
    at = places(len(rows.matrix), count)
    return Examples(
        matrix=rows.matrix.take(at),
        labels=rows.labels[at],
        weights=None if rows.weights is None else rows.weights[at],
    )
