"""Which values of a category the training rows hold, counted in bounded memory."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.normalization.columns import category_type, texts
from plumbline.split.rows import TrainRows

DISTINCT_IN_MEMORY = 500_000
"""Distinct values counted at a time (count); more take further passes over the column."""


@dataclass(frozen=True, kw_only=True)
class Frequencies:
    """The commonest values of one category column."""

    arrow_type: str
    """The type whose text the values are."""
    values: tuple[str, ...]
    """By count, commonest first; equal counts by value."""
    distinct: int
    """Distinct values, those cut off included (count)."""
    nulls: int
    """Rows without a value (count)."""


def frequencies(
    train: TrainRows, name: str, size: int, *, rows: int, limit: int = DISTINCT_IN_MEMORY
) -> Frequencies:
    """The `size` commonest values of a column among the training rows, exactly.

    At most `limit` distinct values are held. When a pass meets more, it goes on with the
    half of them that a checksum picks, and leaves the other half to a further pass.
    """
    kind = next(category_type(batch.schema.field(0).type) for batch in train.batches([name], rows))
    best: list[tuple[str, int]] = []
    distinct, nulls, pending = 0, 0, [_Part(index=0, of=1)]
    while pending:
        columns = (texts(batch, name, kind) for batch in train.batches([name], rows))
        counts, nulls, left = _counted(columns, pending.pop(), limit)
        pending += left
        distinct += len(counts)
        best = heapq.nsmallest(size, [*best, *counts.items()], key=lambda item: (-item[1], item[0]))
    values = tuple(value for value, _ in best)
    return Frequencies(arrow_type=str(kind), values=values, distinct=distinct, nulls=nulls)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The values whose checksum leaves `index` when divided by `of`."""

    index: int
    of: int

    def holds(self, value: str) -> bool:
        return self.of == 1 or crc32(value.encode()) % self.of == self.index

    def halves(self) -> tuple["_Part", "_Part"]:
        double = 2 * self.of
        return _Part(index=self.index, of=double), _Part(index=self.index + self.of, of=double)


def _counted(
    columns: Iterable[pa.Array], part: _Part, limit: int
) -> tuple[Counter[str], int, list[_Part]]:
    """Counts of the values in what `part` shrank to, NULLs, and the parts left to count."""
    counts, nulls = Counter[str](), 0
    left: list[_Part] = []
    for values in columns:
        nulls += values.null_count
        for value, count in _tally(values):
            if part.holds(value):
                counts[value] += count
        while len(counts) > limit:
            part, other = part.halves()
            left.append(other)
            for value in [value for value in counts if not part.holds(value)]:
                del counts[value]
    return counts, nulls, left


def _tally(values: pa.Array) -> Iterator[tuple[str, int]]:
    tallied = pc.value_counts(values.drop_null())
    return zip(*(tallied.field(i).to_pylist() for i in (0, 1)), strict=True)
