"""The source, read once: its columns, then its rows in total order from one transaction."""

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.extract.arrays import conform, named
from plumbline.extract.failures import DESCRIBED, driver_errors, refused
from plumbline.extract.query import Query
from plumbline.extract.transaction import SnapshotLimit, Transaction
from plumbline.extract.types import SourceColumn, require_names, source_column
from plumbline.postgres import Postgres
from plumbline.spec import FeatureKind, SourceSpec

BATCH_BYTES = 4 * 1024 * 1024
"""How much of the stream becomes one record batch (bytes)."""

KEY_COLLATION = "C"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A transaction's rows, and which state of the database they are from."""

    server_version: str
    postgres_snapshot: str
    batches: Iterator[pa.RecordBatch]


def describe(
    query: Query, source: SourceSpec, connection: psycopg.Connection[Any]
) -> tuple[SourceColumn, ...]:
    """The query's columns, without reading a row, but for the first array where
    `source.vectors` does not say how many elements it has.

    Raises:
        QueryFailed: PostgreSQL refuses the query, or columns lack names of their own.
        UnsupportedType: a column's type has no place in a feature table.
        SpecError, ExtractError: nothing says how an array's elements are to be named.
    """
    found = selected(query, source.kinds, connection)
    columns = named(found, source, lambda column: _width(column, query, connection))
    require_names([field.name for column in columns for field in column.fields], query.file)
    return columns


def selected(
    query: Query, kinds: Mapping[str, FeatureKind], connection: psycopg.Connection[Any]
) -> list[SourceColumn]:
    """The query's columns, without reading a row; the elements of arrays are yet to be named.

    Raises:
        QueryFailed, UnsupportedType: as `describe`.
    """
    statement = f"{DESCRIBED}{query.bound(connection)}\n) AS q LIMIT 0"
    try:
        described = connection.execute(statement.encode()).description or []
        types = _types(connection, [column.type_code for column in described])
    except psycopg.Error as error:
        raise refused(error, query, connection) from None
    require_names([column.name for column in described], query.file)
    return [
        source_column(column.name, *types[column.type_code], query.file, kinds)
        for column in described
    ]


@contextmanager
def reading(
    statement: str,
    columns: Sequence[SourceColumn],
    query: Query,
    postgres: Postgres,
    key: Sequence[str] = (),
    *,
    transaction: Transaction = Transaction(),  # noqa: B008 - a frozen value
) -> Iterator[Source]:
    """Run `statement` in one REPEATABLE READ, READ ONLY transaction; its rows come as a stream.

    A thread fetches the next batch while the last one is worked on; no more is held. The
    transaction ends with its last row. Messages name a row by the columns in `key`.

    Raises:
        QueryFailed: PostgreSQL stopped the query.
        ExtractError: it took longer than the transaction may live.
        DatabaseUnreachable: no connection, or it was lost on the way.
    """
    with postgres.arrow() as connection, connection.cursor() as cursor:
        with driver_errors(query, transaction.limit):
            begun = transaction.begin(lambda told: _executed(cursor, told))
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            )
            cursor.execute(statement)
            stream = cursor.fetch_record_batch()
        fetched = _fetched(stream, connection, query, transaction.limit)
        batches = (conform(batch, columns, query.file, key) for batch in fetched)
        with contextlib.closing(_ahead(batches, cursor)) as ahead:
            yield Source(
                server_version=begun.server_version,
                postgres_snapshot=begun.postgres_snapshot,
                batches=ahead,
            )


def _width(column: SourceColumn, query: Query, connection: psycopg.Connection[Any]) -> int | None:
    """Elements of the first array that PostgreSQL comes upon; None if all are NULL."""
    statement = sql.SQL(
        "SELECT cardinality(w.{name})\nFROM (SELECT {selected} FROM (\n{query}\n) AS q) AS w\n"
        "WHERE w.{name} IS NOT NULL LIMIT 1"
    ).format(
        name=sql.Identifier(column.name),
        selected=column.selected,
        query=sql.SQL(cast(LiteralString, query.bound(connection))),
    )
    try:
        found = connection.execute(statement.as_string(connection).encode()).fetchone()
    except psycopg.Error as error:
        raise refused(error, query, connection) from None
    return found[0] if found else None


def _types(connection: psycopg.Connection[Any], oids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Name and category by the type's number."""
    rows = connection.execute(
        "SELECT oid, format_type(oid, NULL), typcategory::text FROM pg_type WHERE oid = ANY(%s)",
        [list(oids)],
    )
    return {oid: (name, category) for oid, name, category in rows}


def _executed(cursor: Any, statement: str) -> Any:
    cursor.execute(statement)
    return cursor


def _fetched(
    stream: Iterator[pa.RecordBatch], connection: Any, query: Query, limit: SnapshotLimit | None
) -> Iterator[pa.RecordBatch]:
    """The driver's batches; after the last one the transaction is over."""
    while True:
        with driver_errors(query, limit):
            batch = next(stream, None)
            if batch is None:
                with connection.cursor() as ending:
                    ending.execute("COMMIT")
                return
        if limit is not None:
            limit.require()
        yield batch


def _ahead(batches: Iterator[pa.RecordBatch], cursor: Any) -> Generator[pa.RecordBatch, None, None]:
    """The same batches, each fetched by a thread while the one before is worked on."""
    with ThreadPoolExecutor(1, "fetch") as fetching:
        following = fetching.submit(next, batches, None)
        try:
            while (batch := following.result()) is not None:
                following = fetching.submit(next, batches, None)
                yield batch
        except BaseException:
            # Or closing the cursor would first read the query's remaining rows.
            with contextlib.suppress(Exception):
                cursor.adbc_cancel()
            raise
