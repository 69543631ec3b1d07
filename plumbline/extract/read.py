"""The source, read once: its columns, then its rows in total order from one transaction."""

import contextlib
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.errors import DatabaseUnreachable, QueryFailed
from plumbline.extract.arrays import conform, named
from plumbline.extract.query import Query
from plumbline.extract.types import SourceColumn, require_names, source_column
from plumbline.postgres import Postgres, connection_lost
from plumbline.spec import FeatureKind, SourceSpec

BATCH_BYTES = 4 * 1024 * 1024
"""How much of the stream becomes one record batch (bytes)."""

KEY_COLLATION = "C"

SETTINGS = {
    "client_encoding": "UTF8",
    # What a text made from a value looks like must not depend on who asks.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    # Sums of floats depend on the order of rows: one process, from the first block on.
    "max_parallel_workers_per_gather": "0",
    "synchronize_seqscans": "off",
}
_DESCRIBED = "SELECT * FROM (\n"


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
    statement = f"{_DESCRIBED}{query.bound(connection)}\n) AS q LIMIT 0"
    try:
        described = connection.execute(statement.encode()).description or []
        types = _types(connection, [column.type_code for column in described])
    except psycopg.Error as error:
        raise _refused(error, query, connection) from None
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
) -> Iterator[Source]:
    """Run `statement` in one REPEATABLE READ, READ ONLY transaction; its rows come as a stream.

    A thread fetches the next batch while the last one is worked on; no more is held.
    Messages name a row by the columns in `key`.

    Raises:
        QueryFailed: PostgreSQL stopped the query.
        DatabaseUnreachable: no connection, or it was lost on the way.
    """
    with postgres.arrow() as connection, connection.cursor() as cursor:
        with _driver_errors(query):
            version, snapshot = _begin(cursor)
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            )
            cursor.execute(statement)
            fetched = cursor.fetch_record_batch()
        batches = _translated(fetched, columns, query, key)
        with contextlib.closing(_ahead(batches, cursor)) as ahead:
            yield Source(server_version=version, postgres_snapshot=snapshot, batches=ahead)


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
        raise _refused(error, query, connection) from None
    return found[0] if found else None


def _types(connection: psycopg.Connection[Any], oids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Name and category by the type's number."""
    rows = connection.execute(
        "SELECT oid, format_type(oid, NULL), typcategory::text FROM pg_type WHERE oid = ANY(%s)",
        [list(oids)],
    )
    return {oid: (name, category) for oid, name, category in rows}


def _begin(cursor: Any) -> tuple[str, str]:
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for name, value in SETTINGS.items():
        setting = sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
        cursor.execute(setting.as_string())
    cursor.execute("SELECT current_setting('server_version'), pg_current_snapshot()::text")
    return cursor.fetchone()


def _translated(
    fetched: Iterator[pa.RecordBatch],
    columns: Sequence[SourceColumn],
    query: Query,
    key: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    while True:
        with _driver_errors(query):
            batch = next(fetched, None)
        if batch is None:
            return
        yield conform(batch, columns, query.file, key)


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


@contextmanager
def _driver_errors(query: Query) -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        if connection_lost(error.sqlstate):
            raise _lost(query) from None
        details: dict[Any, Any] = dict(error.details)
        told = details.get(b"PG_DIAG_MESSAGE_PRIMARY", str(error).encode())
        raise _stopped(told.decode(), query) from None
    except (OSError, pa.ArrowException) as error:
        # Once rows flow, Arrow's stream tells of failures only in words.
        told = re.search(r"PGRES_FATAL_ERROR\]: (?!FATAL|PANIC)\w+: +(.+)", str(error))
        raise (_stopped(told[1], query) if told else _lost(query)) from None


def _stopped(told: str, query: Query) -> QueryFailed:
    return QueryFailed(
        f"{query.file}: {told}",
        expected="a query that runs to its end",
        remedy="correct the SQL; what it stumbled over may be in a single row",
    )


def _lost(query: Query) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"the connection to PostgreSQL was lost while {query.file} was read",
        expected="one connection from the first row to the last",
        remedy="look into the server's log, then run again; nothing was kept",
    )


def _refused(
    error: psycopg.Error, query: Query, connection: psycopg.Connection[Any]
) -> QueryFailed | DatabaseUnreachable:
    told = error.diag
    if connection_lost(error.sqlstate):
        return _lost(query)
    position = int(told.statement_position or 0) - 1 - len(_DESCRIBED)
    line = query.line_at(position, connection)
    place = query.file if line is None else f"{query.file}:{line}"
    detail = f" ({told.message_detail})" if told.message_detail else ""
    return QueryFailed(
        f"{place}: {told.message_primary}{detail}",
        expected="a query that PostgreSQL accepts",
        remedy=told.message_hint or "correct the SQL",
        sqlstate=error.sqlstate,
        line=line,
    )
