"""A hash of each row's features, added up column by column as they are read."""

from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.extract.sampling import splitmix64
from plumbline.extract.snapshot import Snapshot
from plumbline.extract.snapshot_sql import hash_blocks

_SHIFT = np.uint64(32)
_ROWS, _PARTS = 1 << 20, 64
"""Rows that are looked at together, and parts that all are cut into, at most (count)."""


class RowHashes:
    """Equal rows have equal hashes, whatever the order of columns; NULL equals NULL.

    Eight bytes per row. Two different rows of n share a hash with a probability of n² / 2^65.
    """

    def __init__(self, rows: int) -> None:
        self.values = np.zeros(rows, dtype=np.uint64)
        self._lock = Lock()

    def add(self, column: int, start: int, values: pa.Array) -> None:
        """A block of a column of fixed width, whose first row is row `start`."""
        hashed = _mixed(_bits(values), column)
        if values.null_count:
            hashed[np.asarray(values.is_null())] = splitmix64(~column & 0xFFFF, 1)[0]
        with self._lock:
            self.values[start : start + len(hashed)] += hashed

    def add_texts(self, snapshot: Snapshot, names: list[str]) -> None:
        """Columns of strings, all rows."""
        start = 0
        for block in hash_blocks(snapshot, names) if names else ():
            self.values[start : start + len(block)] += _mixed(block, 1 << 20)
            start += len(block)

    def repeated(self) -> np.ndarray:
        """Hashes that more than one row has: uint64, ascending."""
        # By ranges of the hash, so that no second copy of all of them is sorted.
        parts = min(max(len(self.values) // _ROWS, 1), _PARTS)
        edges = [part * (2**64 - 1) // parts for part in range(parts + 1)]
        found = []
        for low, high in pairwise(edges):
            here = self.values[(self.values >= low) & (self.values <= high)]
            here.sort()
            found.append(here[1:][here[1:] == here[:-1]])
        return np.unique(np.concatenate(found))

    def among(self, hashes: np.ndarray) -> np.ndarray:
        """Positions of the rows that have one of some hashes, which ascend: int64."""
        found = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(self.values) if len(hashes) else 0, _ROWS):
            here = self.values[start : start + _ROWS]
            places = np.minimum(np.searchsorted(hashes, here), len(hashes) - 1)
            found.append(np.flatnonzero(hashes[places] == here) + start)
        return np.concatenate(found)


def fixed_width(kind: pa.DataType) -> bool:
    """Whether `add` takes values of this type."""
    return (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_temporal(kind)
    )


def _bits(values: pa.Array) -> np.ndarray:
    """Each value as 64 bits of its own: int64 or uint64, shape (n,). Equal numbers, equal bits."""
    filled: Any = values
    if pa.types.is_boolean(values.type):
        return np.asarray(filled.cast(pa.int8()).fill_null(0)).astype(np.uint64)
    if pa.types.is_floating(values.type):
        numbers = np.asarray(filled.fill_null(0.0)).astype(np.float64)
        numbers += 0.0  # the two zeros are one number
        return numbers.view(np.uint64)
    if pa.types.is_date32(values.type):
        filled = filled.view(pa.int32())
    elif pa.types.is_temporal(values.type):
        filled = filled.view(pa.int64())
    return np.asarray(filled.fill_null(0)).astype(np.int64).view(np.uint64)


def _mixed(bits: np.ndarray, column: int) -> np.ndarray:
    """Two rounds of multiplying and folding, keyed by the column."""
    key = splitmix64(column + 1, 2)
    mixed = bits ^ key[0]
    mixed *= key[1] | np.uint64(1)
    mixed ^= mixed >> _SHIFT
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> _SHIFT
    return mixed
