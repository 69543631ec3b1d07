"""The same split with every row that is not for training spoilt: what leakage proofs read.

An honest fit cannot tell the difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.split.rows import NAMES, TRAIN
from plumbline.split.split import Split

_FARTHEST = 1e30
"""Size of the largest spoilt number; its square still fits float64."""


def spoilt(split: Split, kinds: Mapping[str, str]) -> Split:
    """The split of a snapshot whose validation, test and excluded rows are adversarial.

    `kinds` gives the kind, numeric or category, of each feature. Spoilt numbers are permuted,
    scaled by a million or at the ends of their type, spoilt categories are values never seen,
    every third value is NULL, and every label that has another beside it in its block is
    another one. The snapshot's own counts and digests are spoilt too. The rows exist in memory
    only, a block at a time, and their folder does not: a fit that goes around them fails.
    """
    snapshot = split.snapshot
    columns = (
        replace(one, nulls=snapshot.rows - one.nulls, digest="0" * 64) for one in snapshot.columns
    )
    given = {field.name: getattr(snapshot, field.name) for field in fields(Snapshot)}
    given |= {"columns": tuple(columns), "digest": "0" * 64}
    given["folder"] = Path(snapshot.folder, "spoilt rows are in memory only")
    training = split.assignment == TRAIN
    return replace(
        split,
        snapshot=Spoilt(
            **given,
            original=snapshot,
            training=training,
            kinds=dict(kinds),
            labels=frozenset(split.coding.columns(snapshot.label)),
        ),
    )


def rows_beside(split: Split) -> dict[str, int]:
    """Rows that are not for training, by what is written of them."""
    counts = np.bincount(split.assignment, minlength=len(NAMES)).tolist()
    found = dict(zip(NAMES, counts, strict=True))
    return {name: count for name, count in found.items() if count and name != "train"}


@dataclass(frozen=True, kw_only=True)
class Spoilt(Snapshot):
    """A snapshot whose rows outside the training rows are adversarial."""

    original: Snapshot
    training: np.ndarray
    """Whether a row is for training: bool, shape (rows,)."""
    kinds: dict[str, str]
    """Kind by feature."""
    labels: frozenset[str]
    """Columns that hold the label."""

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self.original.batches(columns, rows):
            others = ~self.training[start : start + batch.num_rows]
            yield self._spoilt(batch, others, start) if others.any() else batch
            start += batch.num_rows

    def _spoilt(self, batch: pa.RecordBatch, others: np.ndarray, start: int) -> pa.RecordBatch:
        mask, places = pa.array(others), np.flatnonzero(others)
        spoiling = _Spoiling(places=pa.array(places), positions=places + start)
        arrays = [
            pc.replace_with_mask(values, mask, spoiling.labels(values))
            if name in self.labels
            else pc.replace_with_mask(values, mask, spoiling.values(values, self.kinds[name]))
            if name in self.kinds
            else values
            for name, values in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


@dataclass(frozen=True, kw_only=True)
class _Spoiling:
    """What stands at some places of a block instead: every result has shape (len(places),)."""

    places: pa.Array
    positions: np.ndarray
    """Of the same rows in the snapshot."""

    @cached_property
    def _empty(self) -> pa.Array:
        return pa.array(self.positions % 3 == 0)

    def labels(self, values: pa.Array) -> pa.Array:
        """Each the next one of the labels that the block holds."""
        labels: Any = values.unique().drop_null()
        codes: Any = pc.index_in(values.take(self.places), value_set=labels)
        return labels.take(pa.array((codes.to_numpy(zero_copy_only=False) + 1) % len(labels)))

    def values(self, values: pa.Array, kind: str) -> pa.Array:
        worst = _worst(values.take(self.places), kind, self.positions)
        return pc.if_else(self._empty, pa.scalar(None, values.type), worst)


def _worst(honest: pa.Array, kind: str, positions: np.ndarray) -> pa.Array:
    sort: Any = honest.type
    if pa.types.is_boolean(sort):
        return pc.invert(honest)
    if pa.types.is_integer(sort):
        width: Any = sort.to_pandas_dtype()
        ends = np.iinfo(width)
        return pa.array(np.where(positions % 2, ends.max, ends.min)).cast(sort)
    if pa.types.is_floating(sort):
        return pa.array(_far(honest)).cast(sort)
    if pa.types.is_string(sort) or pa.types.is_large_string(sort):
        far = positions * 1_000_003 if kind == "numeric" else [f"never seen {i}" for i in positions]
        return pa.array(far).cast(sort)
    return pa.nulls(len(honest), sort)


def _far(honest: pa.Array) -> np.ndarray:
    """Permuted and scaled by a million; the farthest where nothing is there to scale."""
    found = honest.cast(pa.float64()).to_numpy(zero_copy_only=False)[::-1]
    with np.errstate(over="ignore"):
        return np.fmax(np.fmin(found * 1e6 + 1e9, _FARTHEST), -_FARTHEST)
