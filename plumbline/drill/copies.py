"""Copies of a snapshot with something changed in them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Column, Snapshot

_POSTGRES_TYPES = {"double": "double precision", "int64": "bigint"}
"""Of the columns that are put in."""

Change = Callable[[pa.RecordBatch, int], pa.RecordBatch]
"""A block and the position of its first row, to the block as it shall be."""


def altered(snapshot: Snapshot, folder: Path, change: Change) -> Snapshot:
    """A copy in `folder`, block by block through `change`; its digest stays the original's.

    That is the point: nobody is told, and the guard has to see it in the rows.
    """
    folder.mkdir(parents=True)
    nulls: dict[str, int] = {}
    writer, start = None, 0
    for block in snapshot.batches():
        changed = change(block, start)
        start += block.num_rows
        for name, values in zip(changed.schema.names, changed.columns, strict=True):
            nulls[name] = nulls.get(name, 0) + values.null_count
        writer = writer or pq.ParquetWriter(folder / DATA, changed.schema, compression="lz4")
        writer.write_batch(changed, BLOCK_ROWS)
    if writer:
        writer.close()
    copy = replace(snapshot, folder=folder, columns=_columns(snapshot, folder, nulls))
    copy.save_record()
    return copy


def with_column(block: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The block with `name` replaced, or added at its end."""
    if name in block.schema.names:
        at = block.schema.names.index(name)
        return block.set_column(at, pa.field(name, values.type), values)
    return block.append_column(name, values)


def drawn(snapshot: Snapshot, name: str, order: np.ndarray) -> pa.Array:
    """A column of the whole snapshot with its rows in another order."""
    column: Any = pa.chunked_array([batch.column(0) for batch in snapshot.batches([name])])
    return column.combine_chunks().take(pa.array(order))


def _columns(snapshot: Snapshot, folder: Path, nulls: dict[str, int]) -> tuple[Column, ...]:
    known = {column.name: column for column in snapshot.columns}
    # Several labels have no column under the name of them all.
    label = known.get(snapshot.label, snapshot.columns[0])
    return tuple(
        _column(known.get(field.name, label), field, nulls[field.name])
        for field in pq.read_schema(folder / DATA)
    )


def _column(like: Column, field: pa.Field, nulls: int) -> Column:
    """`like` under the field's name and type: what is added is a copy of the label, or groups."""
    kind = str(field.type)
    same = kind == like.arrow_type
    return replace(
        like,
        name=field.name,
        arrow_type=kind,
        postgres_type=like.postgres_type if same else _POSTGRES_TYPES[kind],
        nulls=nulls,
    )
