"""Groups and duplicates across the sides, counted by other means than those that parted them.

The split goes by DuckDB's hash of a row or by the keyed hash of its canonical bytes. Here the
values come through Arrow, are mixed word by word, and are sorted together with their side.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Snapshot
from plumbline.extract.snapshot_sql import comparable, sql_over
from plumbline.split.duplicates import Compared
from plumbline.split.keys import derived_key, hash64, plain
from plumbline.split.rows import EXCLUDED, SIDES
from plumbline.split.straddling import parts

_FIRST, _FIRST_NEAR = 2, 8
"""Columns that are looked at first; in most tables no row needs more to be told apart."""

_MULTIPLIER, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_NULL, _NAN = np.uint64(0x6E756C6C6E756C6C), np.uint64(0x7FF8000000000000)
_TWO, _SIDE = np.uint64(2), np.uint64(3)


def groups(snapshot: Snapshot, column: str, assignment: np.ndarray) -> dict[str, Any]:
    """How many groups there are on the sides, and how many of them on more than one."""
    mixed = np.zeros(snapshot.rows, dtype=np.uint64)
    _mix_in(mixed, snapshot, Compared(columns=(column,), near=frozenset()), assignment != EXCLUDED)
    count = straddling = 0
    for _, ordered, starts, ends in _runs(mixed, assignment):
        count += len(starts)
        straddling += int(np.count_nonzero((ordered[starts] ^ ordered[ends - 1]) & _SIDE))
    return {"column": column, "count": count, "straddling": straddling}


def repeated(snapshot: Snapshot, by: Compared, assignment: np.ndarray) -> dict[str, int]:
    """Rows of val and of test that equal a row on an earlier side in every compared column."""
    mixed = np.zeros(snapshot.rows, dtype=np.uint64)
    suspects = assignment
    for columns in _stages(snapshot, by):
        _mix_in(mixed, snapshot, columns, suspects != EXCLUDED)
        suspects = _suspects(mixed, suspects)
    counts = np.zeros(EXCLUDED, dtype=np.int64)
    for _, ordered, starts, ends in _runs(mixed, suspects):
        side = (ordered & _SIDE).astype(np.int8)
        later = side > np.repeat(side[starts], ends - starts)
        counts += np.bincount(side[later], minlength=EXCLUDED)
    return {name: int(counts[code]) for name, code in SIDES.items() if code}


def _stages(snapshot: Snapshot, by: Compared) -> Iterator[Compared]:
    """First a few columns, real numbers before others; the rest only where those are equal."""
    real = [name for name in by.columns if snapshot.column(name).arrow_type in ("float", "double")]
    ordered = [*real, *(name for name in by.columns if name not in real)]
    first = tuple(ordered[: _FIRST_NEAR if by.near else _FIRST])
    rest = tuple(name for name in by.columns if name not in first)
    for columns in filter(None, (first, rest)):
        yield Compared(columns=columns, near=by.near & set(columns))


def _suspects(mixed: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The sides of the rows whose value is on more than one side; the others excluded."""
    found = np.full(len(sides), EXCLUDED, dtype=np.int8)
    for rows, ordered, starts, ends in _runs(mixed, sides):
        straddles = (ordered[starts] ^ ordered[ends - 1]) & _SIDE > 0
        values = ordered[starts[straddles]] >> _TWO
        here = rows[np.isin(mixed[rows] >> _TWO, values, kind="sort")] if len(values) else []
        found[here] = sides[here]
    return found


def _runs(
    mixed: np.ndarray, sides: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Part by part: rows; their values in order, the side in the two lowest bits; where each
    value begins and ends."""
    for rows in parts(mixed, sides):
        ordered = np.sort((mixed[rows] & ~_SIDE) | sides[rows].astype(np.uint64))
        value = ordered >> _TWO
        starts = np.flatnonzero(np.concatenate([[True], value[1:] != value[:-1]])[: len(rows)])
        yield rows, ordered, starts, np.append(starts[1:], len(rows))[: len(starts)]


def _mix_in(mixed: np.ndarray, snapshot: Snapshot, by: Compared, here: np.ndarray) -> None:
    """Work the columns of the rows that are `here` into `mixed`, in place."""
    if not here.any():
        return
    start = 0
    for batch in _blocks(snapshot, by):
        rows = start + np.flatnonzero(here[start : start + batch.num_rows])
        start += batch.num_rows
        if len(rows) < batch.num_rows:
            batch = batch.take(rows - start + batch.num_rows)  # noqa: PLW2901
        words = mixed[rows]
        for values in batch.columns:
            words ^= _words(values)
            words *= _MULTIPLIER
            words ^= words >> _SHIFT
        mixed[rows] = words


def _blocks(snapshot: Snapshot, by: Compared) -> Iterator[pa.RecordBatch]:
    if not by.near:
        for batch in snapshot.batches(by.columns):
            yield batch.select(by.columns)
        return
    with sql_over(snapshot=snapshot.folder / DATA) as connection:
        values = (comparable(snapshot.column(c), near=c in by.near).alias(c) for c in by.columns)
        yield from connection.table("snapshot").select(*values).to_arrow_reader(BLOCK_ROWS)


def _words(values: pa.Array) -> np.ndarray:
    """A word per value, the same for equal values: uint64, shape (n,)."""
    values = plain(values)
    known = values.is_valid().to_numpy(zero_copy_only=False)
    return np.where(known, _known_words(values), _NULL)


def _known_words(values: pa.Array) -> np.ndarray:
    kind = values.type
    if pa.types.is_floating(kind):
        # Adding zero makes -0.0 the 0.0 that it equals.
        numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
        return np.where(np.isnan(numbers), _NAN, numbers.view(np.uint64))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        whole = values.cast(pa.int64()).fill_null(0)
        return whole.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    content: Any = values if pa.types.is_binary(kind) else values.cast(pa.string())
    encoded = content.cast(pa.binary()).fill_null(b"").dictionary_encode()
    return hash64(encoded.dictionary, derived_key("recount", 0))[encoded.indices.to_numpy()]
