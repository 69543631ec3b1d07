"""The content digest: what a snapshot says, whatever the batches or files that carry it.

Each column is hashed on its own, in blocks of `BLOCK_ROWS` rows counted from its first row:

    number of rows (int64) · whether any is NULL (1 byte) · if so, validity (1 bit per row)
    numbers, dates, timestamps: the values, little endian, 0 where NULL
    booleans:                   the values (1 bit per row), 0 where NULL
    text, bytes:                lengths in bytes (int32), 0 where NULL · the bytes, end to end

The whole digest covers the row count and the name, type and digest of each column in order.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import UnsupportedType
from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Snapshot
from plumbline.versions import fingerprint

_INTEGERS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}


@dataclass(frozen=True, kw_only=True)
class Content:
    """What was hashed."""

    rows: int
    names: tuple[str, ...]
    types: tuple[str, ...]
    nulls: tuple[int, ...]
    digests: tuple[str, ...]
    """SHA-256 per column."""

    @property
    def digest(self) -> str:
        """SHA-256 over all rows and columns."""
        columns = zip(self.names, self.types, self.digests, strict=True)
        return fingerprint(rows=self.rows, columns=[list(column) for column in columns])


class Digester:
    """Hashes blocks as they come: `update` in row order, then `content`."""

    def __init__(self, schema: pa.Schema):
        self._schema = schema
        self._hashes = [hashlib.sha256() for _ in schema]
        self._nulls = [0] * len(schema)
        self._rows = 0

    def update(self, block: pa.RecordBatch) -> None:
        """Add the next block; every block but the last has `BLOCK_ROWS` rows."""
        if self._rows % BLOCK_ROWS:
            raise ValueError(f"a block after one that ended at row {self._rows}")
        self._rows += block.num_rows
        for index, values in enumerate(block.columns):
            self._nulls[index] += values.null_count
            for part in _canonical(values):
                self._hashes[index].update(part)

    def content(self) -> Content:
        """What was added so far."""
        return Content(
            rows=self._rows,
            names=tuple(self._schema.names),
            types=tuple(str(kind) for kind in self._schema.types),
            nulls=tuple(self._nulls),
            digests=tuple(column.hexdigest() for column in self._hashes),
        )


def blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in blocks of `BLOCK_ROWS`, the last one maybe shorter; none is empty."""
    waiting: deque[pa.RecordBatch] = deque()
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= BLOCK_ROWS:
            count -= BLOCK_ROWS
            yield _take(waiting, BLOCK_ROWS)
    if count:
        yield _take(waiting, count)


def content_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Content:
    """Hash batches of any sizes."""
    digester = Digester(schema)
    for block in blocks(batches):
        digester.update(block)
    return digester.content()


def content_of_snapshot(snapshot: Snapshot) -> Content:
    """Hash a snapshot's rows again from its files; `.digest` should be `snapshot.digest`."""
    return content_of(snapshot.batches(), pq.read_schema(snapshot.folder / DATA))


def _take(waiting: deque[pa.RecordBatch], rows: int) -> pa.RecordBatch:
    """The first `rows` rows of `waiting`, which lets go of them."""
    taken: list[pa.RecordBatch] = []
    while rows:
        batch = waiting.popleft()
        taken.append(batch.slice(0, rows))
        if batch.num_rows > rows:
            waiting.appendleft(batch.slice(rows))
        rows -= taken[-1].num_rows
    joined = pa.Table.from_batches(taken).combine_chunks().to_batches()
    if len(joined) > 1:
        raise UnsupportedType(
            f"a text or bytea column has over 2 GiB in {BLOCK_ROWS:,} rows",
            expected="text that is short enough to be a category, images of 32 kB at most",
            remedy="shorten it with left(...) in the SQL, or leave the column out",
        )
    return joined[0]


def _canonical(values: pa.Array) -> Iterator[bytes | memoryview]:
    yield len(values).to_bytes(8, "little")
    yield b"\x01" if values.null_count else b"\x00"
    if values.null_count:
        yield _bits(values.is_valid())
        # A NULL's slot may hold anything; filled with zero, it says nothing.
        values = values.fill_null(_zero(values.type))
    yield from _filled(values)


def _filled(values: pa.Array) -> Iterator[bytes | memoryview]:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        yield from _text(values)
    elif pa.types.is_boolean(kind):
        yield _bits(values)
    elif pa.types.is_primitive(kind):
        numbers = values.to_numpy() if pa.types.is_floating(kind) else _integers(values)
        yield numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).data
    else:
        raise UnsupportedType(
            f"a column of Arrow type {kind} was to be hashed",
            expected="a type that plumbline/extract/types.py lists",
            remedy="cast the column in the SQL",
        )


def _text(values: pa.Array) -> Iterator[bytes | memoryview]:
    buffers: list[Any] = values.buffers()
    offsets = np.frombuffer(buffers[1], dtype="<i4")
    starts = offsets[values.offset : values.offset + len(values) + 1]
    yield np.diff(starts).data
    yield memoryview(buffers[2])[starts[0] : starts[-1]] if buffers[2] else b""


def _integers(values: pa.Array) -> np.ndarray:
    """Integers, dates and timestamps as the integers that stand for them."""
    return values.view(_INTEGERS[values.type.bit_width]).to_numpy()


def _bits(values: pa.Array) -> bytes:
    return np.packbits(values.to_numpy(zero_copy_only=False), bitorder="little").tobytes()


def _zero(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return pa.scalar(b"", kind)
    return pa.scalar(False if pa.types.is_boolean(kind) else 0, kind)
