"""Keys of single rows, as JSON says them."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from plumbline.extract.snapshot import Snapshot


def keys_at(snapshot: Snapshot, rows: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    """The key of each row by its position in the snapshot; read no further than the last."""
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    found: dict[int, Mapping[str, Any]] = {}
    start = 0
    for block in snapshot.batches(snapshot.key):
        first, last = np.searchsorted(wanted, [start, start + block.num_rows])
        here = wanted[first:last]
        taken = block.take(here - start).to_pylist() if len(here) else []
        found |= {int(row): json_row(key) for row, key in zip(here, taken, strict=True)}
        start += block.num_rows
        if last == len(wanted):
            break
    return found


def json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_value(value) for name, value in row.items()}


def json_value(value: Any) -> Any:
    """A value as JSON says it: moments in ISO format, exact numbers and what JSON lacks as text."""
    if isinstance(value, dt.date | dt.datetime | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Decimal | bytes | dt.timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return json_row(value)
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)
