"""Rows that are looked at: the same ones every time."""

import numpy as np

from plumbline.network.examples import Examples

IMAGE_BYTES = 64 * 2**20
"""Pixels of all rows that are looked at together, at most (bytes)."""


def places(rows: int, count: int) -> np.ndarray:
    """At most `count` of so many row numbers, rising: int64, shape (min(rows, count),).

    Drawn by a generator of their own: rows at even steps could all be of one class where the
    order of the rows has a period, and the training's generators have to stay as they are.
    """
    if rows <= count:
        return np.arange(rows)
    return np.sort(np.random.default_rng(rows).choice(rows, count, replace=False))


def sampled(rows: Examples, count: int, image_bytes: int = IMAGE_BYTES) -> Examples:
    """At most `count` rows: those at `places`. Fewer where their images are large."""
    count = min(count, max(1, image_bytes // max(1, rows.matrix.image_bytes)))
    return rows.take(places(len(rows.matrix), count))
