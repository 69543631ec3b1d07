"""Bodies that nobody in their right mind sends, made from rows that somebody would."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa
from serving_bundles import ARROW, stream

JSON = "application/json"
Made = tuple[str, bytes]
"""A content type and a body."""

_ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    2**31,
    2**63,
    -(2**63) - 1,
    10**30,
    10**400,
    "",
    "0",
    "NaN",
    "\0",
    "\ud800",
    "é\u202e\U0001f4a9",
    "x" * 5_000,
    "2024-13-01",
    [],
    [[]],
    {},
    {"a": {"b": [1]}},
    [None] * 50,
]
_WORDS = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"1.", b"nul", b'"\\ud800"', b"'x'"]
_TYPES = [
    pa.int8(),
    pa.uint64(),
    pa.float16(),
    pa.decimal128(38, 10),
    pa.decimal256(60, 3),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.binary(3),
    pa.bool_(),
    pa.null(),
    pa.date64(),
    pa.time32("s"),
    pa.timestamp("ns"),
    pa.timestamp("s", tz="Asia/Tokyo"),
    pa.duration("ms"),
    pa.list_(pa.float32()),
    pa.list_(pa.int8(), 3),
    pa.struct([("a", pa.int32())]),
    pa.map_(pa.string(), pa.int32()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.float64()),
]
_CONTENT_TYPES = [JSON, ARROW, "text/csv", "", "application/json; charset=utf-16", "a/b/c", "*/*"]


def fuzzed(rows: pa.RecordBatch, count: int, seed: int = 0) -> Iterator[Made]:
    """`count` bodies, the same for the same seed."""
    draw = random.Random(seed)
    makers: list[Callable[[pa.RecordBatch, random.Random], Made]] = [
        _noise,
        _cut,
        _flipped,
        _odd_values,
        _odd_words,
        _nested,
        _arrow_flipped,
        _arrow_cut,
        _arrow_typed,
        _mislabelled,
    ]
    for _ in range(count):
        start = draw.randrange(rows.num_rows)
        yield draw.choice(makers)(rows.slice(start, draw.choice([0, 1, 1, 3, 20])), draw)


def _body(rows: list[Any]) -> bytes:
    return json.dumps({"rows": rows}, default=str).encode("utf-8", "surrogatepass")


def _noise(_: pa.RecordBatch, draw: random.Random) -> Made:
    return draw.choice([JSON, ARROW]), draw.randbytes(draw.randrange(2_000))


def _cut(rows: pa.RecordBatch, draw: random.Random) -> Made:
    body = _body(rows.to_pylist())
    return JSON, body[: draw.randrange(len(body))]


def _changed(body: bytes, draw: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(draw.randrange(1, 8)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _flipped(rows: pa.RecordBatch, draw: random.Random) -> Made:
    return JSON, _changed(_body(rows.to_pylist()), draw)


def _odd_values(rows: pa.RecordBatch, draw: random.Random) -> Made:
    made: list[Any] = rows.to_pylist()
    for row in made:
        for name in draw.sample(list(row), draw.randrange(len(row))):
            row[name] = draw.choice(_ODD)
        if draw.random() < 0.2:
            row[draw.choice(["more", "", "\0", "rows", "__class__"])] = draw.choice(_ODD)
        if draw.random() < 0.2:
            row.pop(draw.choice(list(row)))
    if draw.random() < 0.2:
        made.insert(0, draw.choice(_ODD))
    return JSON, _body(made)


def _odd_words(rows: pa.RecordBatch, draw: random.Random) -> Made:
    made = [{**row, draw.choice(rows.schema.names): "HERE"} for row in rows.to_pylist()]
    return JSON, _body(made).replace(b'"HERE"', draw.choice(_WORDS))


def _nested(_: pa.RecordBatch, draw: random.Random) -> Made:
    depth = draw.choice([3, 100, 5_000])
    opening, closing = draw.choice([(b"[", b"]"), (b'{"rows":', b"}"), (b'{"rows":[', b"]}")])
    return JSON, opening * depth + draw.choice([b"", b"1", b"{}"]) + closing * depth


def _arrow_flipped(rows: pa.RecordBatch, draw: random.Random) -> Made:
    return ARROW, _changed(_streamed(rows, draw), draw)


def _arrow_cut(rows: pa.RecordBatch, draw: random.Random) -> Made:
    body = _streamed(rows, draw)
    return ARROW, body[: draw.randrange(len(body))] + draw.randbytes(draw.choice([0, 0, 8]))


def _arrow_typed(rows: pa.RecordBatch, draw: random.Random) -> Made:
    name = draw.choice(rows.schema.names)
    values: Any = pa.nulls(rows.num_rows, draw.choice(_TYPES))
    if draw.random() < 0.5:
        with suppress(pa.ArrowException):
            values = rows.column(name).cast(draw.choice(_TYPES))
    return ARROW, stream(rows.set_column(rows.schema.get_field_index(name), name, values))


def _mislabelled(rows: pa.RecordBatch, draw: random.Random) -> Made:
    body = draw.choice([_body(rows.to_pylist()), _streamed(rows, draw), b""])
    return draw.choice(_CONTENT_TYPES), body


def _streamed(rows: pa.RecordBatch, draw: random.Random) -> bytes:
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    if texts and draw.random() < 0.5:
        name = draw.choice(texts)
        coded = rows.column(name).dictionary_encode()
        rows = rows.set_column(rows.schema.get_field_index(name), name, coded)
    return stream(*[rows] * draw.choice([1, 1, 3]), compression=draw.choice([None, None, "zstd"]))
