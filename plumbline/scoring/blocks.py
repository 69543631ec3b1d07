"""Rows on their way to their scores: in blocks that bound the memory they take."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from plumbline.release.raw import Fault
from plumbline.scoring.rejects import Rejected


class Position(NamedTuple):
    """How far a source was read."""

    row: int = 0
    """Number of the last row, counted from 1."""
    key: tuple[str | None, ...] | None = None
    """Its key as text, where the source is read by it."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that are scored together."""

    rows: pa.RecordBatch
    numbers: np.ndarray
    """Each row's number within the source, counted from 1: int64, shape (n,), ascending."""
    end: Position
    """Of the last row that was read for this block, be it one of `broken`."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    """Values that could not be read, by place; NULL stands in `rows` instead."""
    texts: pa.RecordBatch | None = None
    """The rows as they were written, where that is text."""
    broken: tuple[Rejected, ...] = ()
    """What stood between the rows and is none."""


class Source(Protocol):
    """Rows to score, in an order that is the same whenever they are read."""

    @property
    def where(self) -> str:
        """What messages call it."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the blocks' rows."""
        ...

    @property
    def identity(self) -> Mapping[str, object]:
        """What is equal only where the rows are: as JSON can say it."""
        ...

    def blocks(self, rows: int, after: Position) -> Iterator[Block]:
        """The rows after a position, `rows` at a time; fewer only at the end."""
        ...

    def place(self, row: int) -> str:
        """Where a row of this number stands, for people."""
        ...

    def expected(self) -> int | None:
        """About how many rows there are in all, as far as that is known."""
        ...


def regrouped(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, `rows` at a time; fewer only at the end, and never none."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= rows:
            table = pa.Table.from_batches(held)
            whole = len(table) // rows * rows
            yield from table[:whole].combine_chunks().to_batches(max_chunksize=rows)
            held = table[whole:].to_batches()
    if sum(map(len, held)):
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def numbered(batches: Iterable[pa.RecordBatch], after: int) -> Iterator[Block]:
    """Blocks of sound rows, counted on from `after`."""
    for batch in batches:
        end = after + batch.num_rows
        numbers = np.arange(after + 1, end + 1)
        yield Block(rows=batch, numbers=numbers, end=Position(end))
        after = end
