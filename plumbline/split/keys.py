"""Key values as canonical bytes; their keyed hash, which decides where a row goes; and their
digest, which tells a row again when its values are gone."""

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import SplitError
from plumbline.split.siphash import KEY_BYTES, siphash
from plumbline.split.times import micros

DIGEST_BYTES = 16
"""Of n keys, two have one digest with a probability of n² / 2^129."""

_DIGEST = b"plumbline.rowkey"

_TEXT, _BYTES, _INTEGER, _FLOAT, _BOOLEAN, _DATE, _TIME = b"s", b"x", b"i", b"f", b"b", b"d", b"t"


def canonical(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Array:
    """The named columns of each row as bytes: a binary array, shape (n,), no NULLs.

    Each value is a tag of its kind and either eight bytes or a length with that many, so no
    two rows of different values run into each other. The width of an integer, and whether
    Arrow keeps text as a dictionary, make no difference.

    Raises:
        SplitError: a value is NULL, or a column's type cannot identify rows.
    """
    return _appended([_encoded(batch.column(name), name) for name in columns])


def hash64(encoded: pa.Array, key: bytes) -> np.ndarray:
    """SipHash-2-4 of each value of a binary array under a key of 16 bytes: uint64, shape (n,)."""
    bounds = _bounds(encoded).astype(np.int64)
    return siphash(np.frombuffer(joined(encoded), dtype=np.uint8), bounds - bounds[0], key)


def digests(encoded: pa.Array) -> np.ndarray:
    """BLAKE2b of each value of a binary array: bytes of `DIGEST_BYTES`, shape (n,)."""
    values: list[Any] = encoded.to_pylist()
    made = [blake2b(one, digest_size=DIGEST_BYTES, person=_DIGEST).digest() for one in values]
    return np.frombuffer(b"".join(made), dtype=f"S{DIGEST_BYTES}")


def joined(encoded: pa.Array) -> memoryview:
    """All values of a binary array one after the other, without a copy."""
    buffers: Any = encoded.buffers()
    bounds = _bounds(encoded)
    return memoryview(buffers[2] or b"")[bounds[0] : bounds[-1]]


def _bounds(encoded: pa.Array) -> np.ndarray:
    """Where each value of a binary array begins, and the last one ends: int32, shape (n + 1,)."""
    buffers: Any = encoded.buffers()
    return np.frombuffer(buffers[1], dtype=np.int32)[encoded.offset :][: len(encoded) + 1]


def _encoded(values: pa.Array, name: str) -> pa.Array:
    _require_values(values, name)
    values = plain(values)
    kind = values.type
    if pa.types.is_integer(kind):
        tag, eight = _INTEGER, values.cast(pa.int64())
    elif pa.types.is_boolean(kind):
        tag, eight = _BOOLEAN, values.cast(pa.int64())
    elif pa.types.is_floating(kind):
        tag, eight = _FLOAT, pc.add(values.cast(pa.float64()), 0.0)  # -0.0 equals 0.0
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        tag = _DATE if pa.types.is_date(kind) else _TIME
        eight = pa.array(micros(values, name))
    else:
        return _variable(values, name)
    return _fixed(tag, eight)


def _fixed(tag: bytes, values: pa.Array) -> pa.Array:
    rows = np.empty((len(values), 9), dtype=np.uint8)
    rows[:, 0] = tag[0]
    eight = values.to_numpy(zero_copy_only=False)
    rows[:, 1:] = np.ascontiguousarray(eight).view(np.uint8).reshape(-1, 8)
    fixed = pa.Array.from_buffers(pa.binary(9), len(rows), [None, pa.py_buffer(rows.data)])
    return fixed.cast(pa.binary())


def _variable(values: pa.Array, name: str) -> pa.Array:
    kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        tag = _BYTES
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        tag = _TEXT
    else:
        raise SplitError(
            f"column {name!r} has the type {kind}",
            expected="integers, text, UUIDs, dates, timestamps, booleans or floats",
            remedy=f"cast {name!r} to text in the SQL",
            column=name,
        )
    content: Any = values.cast(pa.binary())
    return _appended([_fixed(tag, pc.binary_length(content).cast(pa.int64())), content])


def _appended(parts: list[Any]) -> pa.Array:
    separator: Any = b""
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, separator)


def _require_values(values: pa.Array, name: str) -> None:
    if values.null_count:
        raise SplitError(
            f"column {name!r} decides the split, but has NULLs",
            expected="a value in every row",
            remedy=f"fill {name!r} in the SQL, with coalesce to the row's own key for instance",
            column=name,
        )


def plain(values: pa.Array) -> pa.Array:
    """`values` without dictionary encoding."""
    kind: Any = values.type
    return values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values


def derived_key(purpose: str, seed: int) -> bytes:
    """A hash key that belongs to one purpose and one seed."""
    return blake2b(
        struct.pack("<q", seed),
        digest_size=KEY_BYTES,
        person=purpose.encode()[: blake2b.PERSON_SIZE],
    ).digest()
