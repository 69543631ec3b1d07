"""Rows that lie on a later side than a row they belong with."""

from collections.abc import Iterator

import numpy as np

from plumbline.split.rows import EXCLUDED

PARTS = 8
"""Parts that are looked through one after the other, so that sorting copies one of them only."""


def straddlers(hashes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Positions of the rows whose hash also stands on an earlier side: int64, ascending.

    hashes: uint64, shape (n,). sides: int8, shape (n,); excluded rows are on no side.
    """
    found = [_later(hashes[rows], sides[rows], rows) for rows in parts(hashes, sides)]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))


def parts(hashes: np.ndarray, sides: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of the rows on a side, those of equal hashes always together."""
    # The highest bits, read where they lie: shifting would copy every hash.
    part = hashes.astype("<u8", copy=False).view(np.uint8)[7::8] // (256 // PARTS)
    part[sides == EXCLUDED] = PARTS
    for number in range(PARTS):
        yield np.flatnonzero(part == number)


def _later(hashes: np.ndarray, sides: np.ndarray, rows: np.ndarray) -> np.ndarray:
    repeated = _repeated(hashes)
    if not len(repeated):
        return np.empty(0, dtype=np.int64)
    here = np.flatnonzero(np.isin(hashes, repeated, kind="sort"))
    order = here[np.argsort(hashes[here], kind="stable")]
    starts = np.searchsorted(hashes[order], repeated)
    earliest = np.minimum.reduceat(sides[order], starts)
    sizes = np.diff(starts, append=len(order))
    return rows[order[sides[order] > np.repeat(earliest, sizes)]]


def _repeated(hashes: np.ndarray) -> np.ndarray:
    """Each hash that more than one row has, once, ascending."""
    ordered = np.sort(hashes)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    return again[np.concatenate([[True], again[1:] != again[:-1]])[: len(again)]]
