"""Snapshots, specifications and splits for tests, without PostgreSQL."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Column, Snapshot
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.split import split as splits
from plumbline.split.split import Split
from plumbline.versions import SplitVersion

POSTGRES_TYPES = {
    "bool": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "date32[day]": "date",
    "timestamp[us]": "timestamp without time zone",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}


def snapshot_of(
    table: pa.Table,
    folder: Path,
    *,
    key: str | Sequence[str] = "id",
    label: str = "label",
    pipeline: str = "tested",
    dataset_version: str = "v1",
    postgres_types: Mapping[str, str] | None = None,
) -> Snapshot:
    """A snapshot of `table`, its rows in the order given (a real one is ordered by key).

    `postgres_types` names types that Arrow does not show: `numeric` columns arrive as text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / DATA, row_group_size=BLOCK_ROWS)
    snapshot = Snapshot(
        pipeline=pipeline,
        dataset_version=dataset_version,
        digest=_digest(table),
        rows=table.num_rows,
        columns=tuple(_column(table, name, postgres_types or {}) for name in table.column_names),
        key=(key,) if isinstance(key, str) else tuple(key),
        label=label,
        query=f"SELECT {', '.join(table.column_names)} FROM tested",
        parameters={},
        server_version="18.0",
        key_collation="C",
        postgres_snapshot="1:1:",
        folder=folder,
    )
    snapshot.save_record()
    return snapshot


def spec_of(
    *,
    key: str | Sequence[str] = "id",
    label: str = "label",
    split: Mapping[str, Any] | None = None,
    normalization: Mapping[str, Any] | None = None,
    name: str = "tested",
    **source: Any,
) -> PipelineSpec:
    """A specification; what is not given has its default. `source` takes further options."""
    declared = {
        "name": name,
        "source": {
            "sql": "sql/extracts/tested.sql",
            "key": [key] if isinstance(key, str) else list(key),
            "label": label,
            **source,
        },
        "split": dict(split or {"policy": "hash"}),
        "normalization": dict(normalization or {}),
    }
    return PipelineSpec.model_validate(declared)


def split_of(snapshot: Snapshot, spec: PipelineSpec, version: str = "split-1") -> Split:
    """The split of a snapshot, built beside it."""
    folder = snapshot.folder / "split"
    folder.mkdir(exist_ok=True)
    splits.build(snapshot, spec, folder)
    return splits.load(folder, snapshot, spec, SplitVersion(version))


def register(registry: Registry, split: Split, spec: PipelineSpec) -> None:
    """Record the rows that later rows refer to: the dataset's and the split's."""
    snapshot = split.snapshot
    registry.record(
        "dataset_versions",
        pipeline=snapshot.pipeline,
        dataset_version=snapshot.dataset_version,
        digest=snapshot.digest,
        query=snapshot.query,
        parameters=snapshot.parameters,
        key_columns=list(snapshot.key),
        label_column=snapshot.label,
        row_count=snapshot.rows,
        columns=[{"name": column.name} for column in snapshot.columns],
        server_version=snapshot.server_version,
        key_collation=snapshot.key_collation,
        postgres_snapshot=snapshot.postgres_snapshot,
    )
    registry.record("split_versions", **splits.row(split, spec))


def _column(table: pa.Table, name: str, postgres_types: Mapping[str, str]) -> Column:
    values = table.column(name)
    return Column(
        name=name,
        postgres_type=postgres_types.get(name) or POSTGRES_TYPES[str(values.type)],
        arrow_type=str(values.type),
        nulls=values.null_count,
        digest=_digest(table.select([name])),
    )


def _digest(table: pa.Table) -> str:
    # Values alone, as the real digest: neither chunks nor encodings. Slow, which tests can bear.
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    text = json.dumps([str(table.schema), columns], default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
