"""From the source to a folder: rows checked, hashed and written as they stream past."""

import logging
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import ExtractError
from plumbline.extract import column_lineage
from plumbline.extract.column_lineage import ColumnLineage
from plumbline.extract.digest import Content, Digester, blocks, content_of_snapshot
from plumbline.extract.features import classify
from plumbline.extract.ordering import ordered
from plumbline.extract.parallel import ParallelRead
from plumbline.extract.proof import KeyProof, label_proofs
from plumbline.extract.query import Query
from plumbline.extract.read import KEY_COLLATION, Source, describe, reading
from plumbline.extract.repeatable import require_repeatable
from plumbline.extract.replica import server_to_read
from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Column, Snapshot
from plumbline.extract.transaction import SnapshotLimit, Transaction
from plumbline.extract.types import SourceColumn, require_exact_key
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 2


def extract(
    folder: Path, spec: PipelineSpec, dataset_version: str, query: Query, postgres: Postgres
) -> Snapshot:
    """Read the query's rows into `folder`, then read them back.

    Raises:
        QueryFailed, UnsupportedType: the query or a column's type is refused.
        SpecError: a declared column is not selected.
        KeyViolation, LabelViolation, ExtractError: the rows break the extract's contract.
        DatabaseUnreachable: no connection, or it was lost on the way.
    """
    postgres = server_to_read(spec.source, postgres)
    columns, statement, lineage = _prepared(spec, query, postgres)
    log.info("%s: reading %s from %s", spec.name, query.file, postgres.place)
    with _reading(statement, columns, spec, query, postgres, folder=folder) as source:
        content = _write(folder / DATA, source, columns, spec)
    snapshot = Snapshot(
        pipeline=spec.name,
        dataset_version=dataset_version,
        digest=content.digest,
        rows=content.rows,
        columns=_columns(content, columns),
        key=tuple(spec.source.key),
        label=spec.source.label,
        query=query.text,
        parameters=dict(query.parameters),
        server_version=source.server_version,
        key_collation=KEY_COLLATION,
        postgres_snapshot=source.postgres_snapshot,
        folder=folder,
    )
    snapshot.save_record()
    lineage.save(folder)
    _require_readable(snapshot, content)
    return snapshot


def _prepared(
    spec: PipelineSpec, query: Query, postgres: Postgres
) -> tuple[tuple[SourceColumn, ...], str, ColumnLineage]:
    require_repeatable(query, spec.source.connections)
    with postgres.connect(client_encoding="UTF8") as connection:
        connection.read_only = True
        columns = describe(query, spec.source, connection)
        # Before a row is read, for the version's name would be bound to a wrong query.
        classify([one for column in columns for one in _stored(column)], spec)
        require_exact_key(columns, spec.source.key, query.file)
        tables = column_lineage.known_tables(query, connection)
        lineage = column_lineage.trace(query, [column.name for column in columns], tables)
        return columns, ordered(query, columns, spec.source.key, connection), lineage


def _reading(
    statement: str,
    columns: tuple[SourceColumn, ...],
    spec: PipelineSpec,
    query: Query,
    postgres: Postgres,
    *,
    folder: Path,
) -> AbstractContextManager[Source]:
    limit = SnapshotLimit(file=query.file, minutes=spec.source.max_snapshot_minutes)
    if spec.source.connections == 1:
        transaction = Transaction(limit=limit)
        key = spec.source.key
        return reading(statement, columns, query, postgres, key, transaction=transaction)
    together = ParallelRead(
        query=query, columns=columns, source=spec.source, postgres=postgres, limit=limit
    )
    return together.rows(folder)


def _write(
    path: Path, source: Source, columns: tuple[SourceColumn, ...], spec: PipelineSpec
) -> Content:
    schema = pa.schema([field for column in columns for field in column.fields])
    digester, proofs = Digester(schema), (KeyProof(spec.source), *label_proofs(spec.source))
    progress = Progress(spec.name)
    with _parquet(path, schema) as file:
        for block in blocks(source.batches):
            file.write_batch(block, BLOCK_ROWS)
            digester.update(block)
            for proof in proofs:
                proof.see(block)
            progress.add(block.num_rows)
            del block  # the next one takes its place in memory
    _require_rows(progress.rows, spec)
    for proof in proofs:
        proof.conclude()
    progress.report()
    return digester.content()


def _parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Floats hardly ever repeat, nor do images, and looking for repeats is what writing them
    # would cost most.
    unique = (pa.types.is_floating, pa.types.is_binary)
    repeating: Any = [one.name for one in schema if not any(kind(one.type) for kind in unique)]
    return pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=repeating)


class Progress:
    """Counts rows and logs their rate, every other second at most."""

    def __init__(self, name: str):
        self.rows = 0
        self._name = name
        self._started = self._told = time.monotonic()

    def add(self, rows: int) -> None:
        self.rows += rows
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self.report()

    def report(self) -> None:
        self._told = time.monotonic()
        rate = self.rows / max(self._told - self._started, 1e-9)
        log.info("%s: %s rows read, %s rows/s", self._name, f"{self.rows:,}", f"{rate:,.0f}")


def _stored(column: SourceColumn) -> list[Column]:
    """The columns it is stored as, before a row is read."""
    element = column.storage.element
    return [
        Column(
            name=field.name,
            postgres_type=element or column.postgres_type,
            arrow_type=str(field.type),
            nulls=0,
            digest="",
            origin=f"{column.name}[{place}]" if element else "",
        )
        for place, field in enumerate(column.fields, start=1)
    ]


def _columns(content: Content, columns: tuple[SourceColumn, ...]) -> tuple[Column, ...]:
    stored = [one for column in columns for one in _stored(column)]
    counted = zip(stored, content.nulls, content.digests, strict=True)
    return tuple(replace(one, nulls=nulls, digest=digest) for one, nulls, digest in counted)


def _require_rows(rows: int, spec: PipelineSpec) -> None:
    if not rows:
        raise ExtractError(
            f"{spec.source.sql} returned no rows",
            expected="at least one row",
            remedy="check its conditions, its parameters and whether the tables are filled",
        )


def _require_readable(snapshot: Snapshot, content: Content) -> None:
    found = content_of_snapshot(snapshot)
    if found.digest != content.digest:
        raise ExtractError(
            f"{snapshot.folder / DATA} reads back with digest {found.digest[:12]}",
            expected=f"the digest of what was written, {content.digest[:12]}",
            remedy="check the disk and the memory of this machine; nothing was kept",
        )
