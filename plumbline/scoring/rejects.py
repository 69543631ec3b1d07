"""Rows that break a model's schema: kept beside the scored ones, with the reason."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from plumbline.release.opened import Bundle
from plumbline.scoring.answers import beside

_ROW = pa.schema(
    [
        ("row", pa.int64()),
        ("key", pa.string()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("values", pa.string()),
    ]
)

Values = Mapping[str, str | None] | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A row that is not scored."""

    row: int
    """Its number within the source, counted from 1."""
    column: str | None
    """The first column that is wrong; None for a line that is no row."""
    reason: str
    values: Values
    """All of its values as text, by column; a list where they have no columns."""
    key: Mapping[str, str | None] | None = None
    """Its key as text, where one is declared."""


def batch(rows: Sequence[Rejected], bundle: Bundle) -> pa.RecordBatch:
    """The rejects as they are stored: `key` and `values` as JSON, and the versions."""
    listed = [
        {
            "row": one.row,
            "key": None if one.key is None else _json(one.key),
            "column": one.column,
            "reason": one.reason,
            "values": _json(one.values),
        }
        for one in rows
    ]
    said = pa.RecordBatch.from_pylist(listed, _ROW)
    none = pa.RecordBatch.from_arrays([], schema=pa.schema([]))
    return beside(said, none, bundle)


def size(one: Rejected) -> int:
    """Characters of its values (count)."""
    values = one.values.values() if isinstance(one.values, Mapping) else one.values
    return sum(len(value or "") for value in values)


def texts(rows: pa.RecordBatch, place: int) -> dict[str, str | None]:
    """A row's values as text: bytes in base64, lists in JSON, moments in ISO 8601."""
    columns = zip(rows.schema.names, rows.columns, strict=True)
    return {name: _text(_plain(values.slice(place, 1))) for name, values in columns}


def _plain(value: pa.Array) -> Any:
    """The only value; text that is not UTF-8 with its odd bytes spelled out."""
    if pa.types.is_string(value.type) or pa.types.is_large_string(value.type):
        known = value.cast(pa.large_binary())[0].as_py()
        return None if known is None else known.decode("utf-8", "backslashreplace")
    if pa.types.is_floating(value.type):
        return value.cast(pa.string())[0].as_py()  # no digits but its own
    return value[0].as_py()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
