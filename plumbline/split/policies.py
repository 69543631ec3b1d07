"""Where each row goes: by hash, by label, by time, or as a column says."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import floor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import SplitError
from plumbline.extract import labels
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import ColumnSplit, HashSplit, PipelineSpec, StratifiedSplit, TemporalSplit
from plumbline.split.keys import canonical, derived_key, hash64, plain
from plumbline.split.rows import TEST, TRAIN, VAL
from plumbline.split.times import micros, moment_micros

SIDES = {"train": TRAIN, "val": VAL, "test": TEST}
"""Codes of the assignment by the names that people read and write."""


def assign(snapshot: Snapshot, spec: PipelineSpec) -> np.ndarray:
    """The side of every row by the declared policy: int8, shape (snapshot.rows,).

    Raises:
        SplitError: a column is missing, or holds values the policy cannot place.
        LabelViolation: a stratified split meets a label that is not binary.
    """
    match spec.split:
        case HashSplit():
            return _by_hash(snapshot, spec, spec.split)
        case StratifiedSplit():
            return _by_label(snapshot, spec, spec.split)
        case TemporalSplit():
            return _by_time(snapshot, spec, spec.split)
        case ColumnSplit():
            return _by_column(snapshot, spec, spec.split)


def require_columns(snapshot: Snapshot, spec: PipelineSpec, names: Sequence[str]) -> None:
    """Raises SplitError where the snapshot lacks a column that the split reads."""
    present = {column.name for column in snapshot.columns}
    missing = [name for name in names if name not in present]
    if missing:
        raise SplitError(
            f"{spec.source.sql} does not select {', '.join(missing)}, which the split reads",
            expected=f"columns among {', '.join(sorted(present))}",
            remedy="select the column in the SQL or correct its name in defs.yaml",
            missing=missing,
        )


def _by_hash(snapshot: Snapshot, spec: PipelineSpec, split: HashSplit) -> np.ndarray:
    columns = [spec.source.group] if spec.source.group else spec.source.key
    return _concatenated(
        _sides(hashes, split) for hashes in _hashes(snapshot, spec, columns, split.seed)
    )


def _hashes(
    snapshot: Snapshot, spec: PipelineSpec, columns: Sequence[str], seed: int
) -> Iterator[np.ndarray]:
    require_columns(snapshot, spec, columns)
    key = derived_key("plumbline split", seed)
    for batch in snapshot.batches(columns):
        yield hash64(canonical(batch, columns), key)


def _sides(hashes: np.ndarray, split: HashSplit) -> np.ndarray:
    # Test rows take the low end and validation rows the high end, so that another share of
    # one does not move the other.
    sides = np.full(len(hashes), TRAIN, dtype=np.int8)
    sides[hashes < np.uint64(round(split.test * 2**64))] = TEST
    sides[hashes > np.uint64(2**64 - 1 - round(split.val * 2**64))] = VAL
    return sides


def _by_label(snapshot: Snapshot, spec: PipelineSpec, split: StratifiedSplit) -> np.ndarray:
    require_columns(snapshot, spec, [*spec.source.key, spec.source.label])
    hashes = np.concatenate(list(_hashes(snapshot, spec, spec.source.key, split.seed)))
    label = _concatenated(
        labels.encode(batch.column(0), spec.source.positive_label)
        for batch in snapshot.batches([spec.source.label])
    )
    sides = np.full(len(hashes), TRAIN, dtype=np.int8)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        ranked = rows[np.argsort(hashes[rows], kind="stable")]
        # Rounding the cumulated shares keeps every side within one row of its share.
        test_end = floor(len(rows) * split.test + 0.5)
        val_end = floor(len(rows) * (split.test + split.val) + 0.5)
        sides[ranked[:test_end]] = TEST
        sides[ranked[test_end:val_end]] = VAL
    return sides


def _by_time(snapshot: Snapshot, spec: PipelineSpec, split: TemporalSplit) -> np.ndarray:
    column = spec.source.timestamp or ""
    require_columns(snapshot, spec, [column])
    _require_moments(snapshot, column, spec)
    borders = [moment_micros(split.val_from), moment_micros(split.test_from)]
    codes = np.array([TRAIN, VAL, TEST], dtype=np.int8)
    # side="right": a row at the border itself happened from there on, so ties stay together.
    return _concatenated(
        codes[np.searchsorted(borders, micros(batch.column(0), column), side="right")]
        for batch in snapshot.batches([column])
    )


def _require_moments(snapshot: Snapshot, column: str, spec: PipelineSpec) -> None:
    nulls = sum(batch.column(0).null_count for batch in snapshot.batches([column]))
    if nulls:
        raise SplitError(
            f"source.timestamp {column!r} is NULL in {nulls:,} rows of {snapshot.rows:,}",
            expected="a moment in every row, for policy 'temporal'",
            remedy=f"filter or fill them in {spec.source.sql}",
            nulls=nulls,
        )


def _by_column(snapshot: Snapshot, spec: PipelineSpec, split: ColumnSplit) -> np.ndarray:
    require_columns(snapshot, spec, [split.column])
    parts, others = [], Counter[str]()
    for batch in snapshot.batches([split.column]):
        values = _text(batch.column(0), split.column)
        codes = pc.index_in(values, value_set=pa.array(list(SIDES)))
        others.update(map(repr, values.filter(pc.is_null(codes)).to_pylist()))
        parts.append(codes.fill_null(TRAIN).to_numpy().astype(np.int8))
    _require_known(others, spec, split.column)
    return _concatenated(parts)


def _text(values: pa.Array, column: str) -> pa.Array:
    values = plain(values)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise SplitError(
            f"split.column {column!r} has the type {values.type}",
            expected="text that says train, val or test",
            remedy="turn it into these words with CASE in the SQL",
        )
    return values.cast(pa.string())


def _require_known(others: Counter[str], spec: PipelineSpec, column: str) -> None:
    if others:
        shown = [f"{value} ({count:,} rows)" for value, count in others.most_common(5)]
        raise SplitError(
            f"split.column {column!r} holds {', '.join(shown)}".replace("None (", "NULL ("),
            expected="exactly 'train', 'val' or 'test' in every row",
            remedy=f"map the values with CASE in {spec.source.sql}",
            others=dict(others),
        )


def _concatenated(parts: Iterator[np.ndarray] | Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype=np.int8), *parts])
