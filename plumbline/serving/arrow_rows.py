"""The rows of an Arrow request: one IPC stream, from somebody who need not be trusted."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.release.arrays import from_arrays
from plumbline.release.manifest import Input
from plumbline.release.raw import require_columns
from plumbline.serving import arrow_messages
from plumbline.serving.problems import Refused, too_many_rows

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

TEXT_FACTOR = 8
"""A dictionary or a view can name one long text in every row. Written out, a column's text may
have this many times the bytes that a body may have."""

_END = b"\xff\xff\xff\xff\0\0\0\0"
"""Without it, a stream that was cut off between two batches looks whole."""


class ArrowRows:
    """Reads bodies into record batches, every value checked."""

    def __init__(
        self, inputs: Sequence[Input], schema: pa.Schema, *, max_rows: int, max_bytes: int
    ) -> None:
        self._inputs = inputs
        self._schema = schema
        self._max_rows = max_rows
        self._max_text = TEXT_FACTOR * max_bytes

    def read(self, body: bytes | bytearray) -> pa.RecordBatch:
        """The stream's rows as one batch.

        Raises:
            Refused: 400 where it is no whole and valid stream, or compressed; 413 where it has
                too many rows or too much text; 422 naming columns that are unknown.
            BundleError: a column is missing or of another type.
        """
        try:
            return self._read(pa.py_buffer(body))
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            raise _unreadable(str(error).partition("\n")[0] or type(error).__name__) from None

    def _read(self, buffer: pa.Buffer) -> pa.RecordBatch:
        if arrow_messages.compressed(buffer):
            raise _unreadable("it is compressed")
        source = pa.BufferReader(buffer)
        with pa.ipc.open_stream(source) as reader:
            # Types first: nothing is unpacked that the model cannot read.
            self._require_known(reader.schema)
            require_columns(reader.schema, self._inputs, self._schema, where="the rows")
            table = pa.Table.from_batches(list(self._checked(reader)), reader.schema)
            if source.tell() != buffer.size or bytes(buffer[-len(_END) :]) != _END:
                raise _unreadable("it does not end where its end is marked")
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], reader.schema)

    def _checked(self, reader: Any) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in reader:
            rows += batch.num_rows
            if rows > self._max_rows:
                raise too_many_rows(self._max_rows)
            batch.validate(full=True)
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                self._require_bounded(name, values)
            yield batch

    def _require_known(self, found: pa.Schema) -> None:
        known = {one.name for one in self._inputs}
        known |= {element.array for element in from_arrays(found, self._inputs).values()}
        strange = [name for name in found.names if name not in known]
        if strange:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"unknown columns {', '.join(map(repr, strange[:10]))}",
                expected=f"only {', '.join(sorted(known))}",
                remedy="leave them out",
                errors=[{"field": name, "problem": "unknown"} for name in strange],
            )

    def _require_bounded(self, name: str, values: pa.Array) -> None:
        if (size := _text_bytes(values)) > self._max_text:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the text of column {name!r} has {size:,} bytes once it is written out",
                expected=f"{self._max_text:,} bytes at most",
                remedy="send the rows in several requests",
                errors=[{"field": name, "problem": "too long"}],
            )


def _text_bytes(values: pa.Array) -> int:
    """Bytes of all values, where they may be more than those that came; else 0."""
    if pa.types.is_dictionary(values.type):
        coded: Any = values
        places = coded.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(_lengths(coded.dictionary)[places].sum())
    return int(_lengths(values).sum()) if _is_view(values.type) else 0


def _lengths(values: pa.Array) -> np.ndarray:
    """Bytes of each value: int64, shape (n,)."""
    if _is_view(values.type):
        views: Any = values.buffers()[1]
        first = np.frombuffer(views, dtype="<i4")[::4].astype(np.int64)
        return np.where(values.is_valid(), first[values.offset : values.offset + len(values)], 0)
    if values.type in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        texts: Any = values
        lengths = pc.binary_length(texts).fill_null(0)
        return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    fixed: Any = values.type
    width = fixed.byte_width if pa.types.is_fixed_size_binary(fixed) else 0
    return np.full(len(values), width, dtype=np.int64)


def _is_view(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)


def _unreadable(found: str) -> Refused:
    return Refused(
        HTTPStatus.BAD_REQUEST,
        f"the body is no Arrow IPC stream that can be read: {found}",
        expected="one whole stream: a schema, record batches, the mark of its end",
        remedy="write it with pyarrow.ipc.new_stream or its like, without compression",
    )
