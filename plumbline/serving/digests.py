"""A digest per row of what the model was given, whatever carried it."""

import hashlib
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def row_digests(rows: pa.RecordBatch) -> list[str]:
    """SHA-256 of each conformed row, in hexadecimal.

    Hashed is the UTF-8 text `<bytes>:<value>,` of each column in the model's order, and `-,`
    for NULL. A value is written as Arrow casts the column's type to text: the shortest digits
    that read back to the same number, ISO dates, `true` and `false`. A binary value is itself
    replaced by its SHA-256.
    """
    joined = _joined(*(_framed(values) for values in rows.columns))
    return [hashlib.sha256(row.as_py()).hexdigest() for row in joined]


def _framed(values: pa.Array) -> pa.Array:
    text: Any = _texts(values)
    length = pc.binary_length(text).cast(pa.string())
    colon, comma = (pa.scalar(mark, pa.binary()) for mark in (b":", b","))
    framed = _joined(length.cast(pa.binary()), colon, text.cast(pa.binary()), comma)
    return framed.fill_null(pa.scalar(b"-,", pa.binary()))


def _joined(*parts: Any) -> Any:
    """The parts of each row, end to end; NULL where one is."""
    join: Any = pc.binary_join_element_wise
    return join(*parts, pa.scalar(b"", pa.binary()))


def _texts(values: pa.Array) -> pa.Array:
    if pa.types.is_binary(values.type):
        return pa.array([_hashed(one) for one in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _hashed(value: bytes | None) -> str | None:
    return None if value is None else hashlib.sha256(value).hexdigest()
