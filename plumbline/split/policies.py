"""Where each row goes: by hash, by label, by time, or as a column says."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import SplitError
from plumbline.extract.labels import coding
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import ColumnSplit, HashSplit, PipelineSpec, StratifiedSplit, TemporalSplit
from plumbline.split import shares
from plumbline.split.keys import canonical, derived_key, hash64, plain
from plumbline.split.rows import SIDES, TEST, TRAIN, VAL
from plumbline.split.times import micros, moment_micros

_PURPOSE = "plumbline split"
"""Of the hash that decides where a row or a group goes."""


def assign(snapshot: Snapshot, spec: PipelineSpec) -> np.ndarray:
    """The side of every row by the declared policy alone: int8, shape (snapshot.rows,).

    Raises:
        SplitError: a column is missing, or holds values the policy cannot place.
        LabelViolation: a stratified split meets a label that is not of the task.
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


def hashes_of(
    snapshot: Snapshot, spec: PipelineSpec, columns: Sequence[str], key: bytes
) -> Iterator[np.ndarray]:
    """Hashes of the named columns of each row, block by block: uint64, shape (block,)."""
    require_columns(snapshot, spec, columns)
    for batch in snapshot.batches(columns):
        yield hash64(canonical(batch, columns), key)


def in_gap(snapshot: Snapshot, spec: PipelineSpec, sides: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Positions of the rows within the gap before a border: int64, ascending."""
    split: Any = spec.split
    gap = split.gap // timedelta(microseconds=1)
    near = [np.empty(0, dtype=bool)]
    for moments in _moments(snapshot, spec):
        ahead = [border - moments for border in _borders(split)]
        near.append(np.any([(left > 0) & (left <= gap) for left in ahead], axis=0))
    return np.flatnonzero(np.concatenate(near))


def _by_hash(snapshot: Snapshot, spec: PipelineSpec, split: HashSplit) -> np.ndarray:
    found = hashes_of(snapshot, spec, _deciding(spec), derived_key(_PURPOSE, split.seed))
    return _concatenated(shares.of_all(hashes, split) for hashes in found)


def _by_label(snapshot: Snapshot, spec: PipelineSpec, split: StratifiedSplit) -> np.ndarray:
    require_columns(snapshot, spec, [*_deciding(spec), spec.source.label])
    found = hashes_of(snapshot, spec, _deciding(spec), derived_key(_PURPOSE, split.seed))
    hashes = np.concatenate(list(found))
    codes = coding(snapshot, spec)
    label = np.concatenate(
        [codes.encode(batch.column(0)) for batch in snapshot.batches([spec.source.label])]
    )
    place = shares.of_labels_by_group if spec.source.group else shares.of_labels
    return place(hashes, label, split)


def _deciding(spec: PipelineSpec) -> Sequence[str]:
    return [spec.source.group] if spec.source.group else spec.source.key


def _by_time(snapshot: Snapshot, spec: PipelineSpec, split: TemporalSplit) -> np.ndarray:
    _require_moments(snapshot, spec)
    codes = np.array([TRAIN, VAL, TEST], dtype=np.int8)
    # side="right": a row at the border itself happened from there on, so ties stay together.
    return _concatenated(
        codes[np.searchsorted(_borders(split), moments, side="right")]
        for moments in _moments(snapshot, spec)
    )


def _moments(snapshot: Snapshot, spec: PipelineSpec) -> Iterator[np.ndarray]:
    column = spec.source.timestamp or ""
    for batch in snapshot.batches([column]):
        yield micros(batch.column(0), column)


def _borders(split: TemporalSplit) -> list[int]:
    return [moment_micros(split.val_from), moment_micros(split.test_from)]


def _require_moments(snapshot: Snapshot, spec: PipelineSpec) -> None:
    column = spec.source.timestamp or ""
    require_columns(snapshot, spec, [column])
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
