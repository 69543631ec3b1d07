"""The order of the training rows: one for rows in memory and for rows on disk.

Rows are cut into blocks of consecutive ones. Each epoch the blocks are permuted, taken a pool at
a time, and the rows of a pool are permuted. A table that is one pool is permuted as a whole. How
rows are fed changes nothing about the order, and so nothing about the weights.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

POOL_BYTES = 64 * 2**20
"""Transformed features of a pool (bytes)."""

BLOCK_BYTES = 32 * 2**10
"""Transformed features of a block, at most (bytes): enough to be worth one reading."""

FEWEST, MOST = 16, 512
"""Rows of a block (count)."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Rows that are shuffled together."""

    spans: np.ndarray
    """First row, and the one after the last, of each run of rows: int64, shape (runs, 2),
    rising."""
    order: np.ndarray
    """Permutation of the pool's rows, counted along the spans: int32, shape (rows,)."""

    @property
    def rows(self) -> np.ndarray:
        """The pool's rows along the spans: int64, shape (rows,)."""
        return np.concatenate([np.arange(start, stop) for start, stop in self.spans])


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """Orders of `rows` rows, one for each epoch; equal seeds give equal ones."""

    rows: int
    row_bytes: int
    """Transformed features of a row (bytes)."""
    seed: int
    pool_bytes: int = POOL_BYTES
    block_bytes: int = BLOCK_BYTES

    @property
    def block_rows(self) -> int:
        """Rows of a block: a power of two."""
        fitting = max(1, self.block_bytes // max(1, self.row_bytes))
        return min(MOST, max(FEWEST, 2 ** int(math.log2(fitting))))

    def pool_rows(self, size: int) -> int:
        """Rows of every pool but the last, which may have fewer: whole steps of `size` rows."""
        most = max(1, self.pool_bytes // max(1, self.row_bytes) // size)
        steps = math.ceil(self.rows / size)
        return math.ceil(steps / math.ceil(steps / most)) * size

    def pools(self, epoch: int, size: int) -> Iterator[Pool]:
        """Every row once. `epoch` counts from 0; `size` is the epoch's rows per step."""
        generator = np.random.default_rng([self.seed, epoch])
        each = self.pool_rows(size)
        if each >= self.rows:
            yield _pool(np.array([[0, self.rows]]), generator)
            return
        blocks = self._blocks(generator)
        ends = np.cumsum(blocks[:, 1] - blocks[:, 0])
        for start in range(0, self.rows, each):
            yield _pool(_cut(blocks, ends, start, min(start + each, self.rows)), generator)

    def order(self, epoch: int, size: int) -> np.ndarray:
        """Row numbers of an epoch, pool after pool: int32, shape (rows,)."""
        parts = [pool.rows[pool.order] for pool in self.pools(epoch, size)]
        return np.concatenate(parts).astype(np.int32)

    def _blocks(self, generator: np.random.Generator) -> np.ndarray:
        starts = generator.permutation(math.ceil(self.rows / self.block_rows)) * self.block_rows
        return np.stack([starts, np.minimum(starts + self.block_rows, self.rows)], axis=1)


def _cut(blocks: np.ndarray, ends: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows `start` to `stop` of the blocks laid end to end; `ends` says where each ends."""
    first, last = np.searchsorted(ends, [start, stop - 1], side="right")
    cut = blocks[first : last + 1].copy()
    cut[-1, 1] -= ends[last] - stop
    cut[0, 0] = blocks[first, 1] - (ends[first] - start)
    # In the order of the file, so that a disk reads forward.
    return cut[np.argsort(cut[:, 0])]


def _pool(spans: np.ndarray, generator: np.random.Generator) -> Pool:
    count = int((spans[:, 1] - spans[:, 0]).sum())
    return Pool(spans=spans, order=generator.permutation(count).astype(np.int32))
