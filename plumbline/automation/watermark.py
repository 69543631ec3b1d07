"""How far a source table is: a value that moves whenever its rows have changed.

Without a declared watermark it is made from PostgreSQL's own counters of inserted, updated and
deleted rows, with the files that hold them (TRUNCATE and a rewrite make new ones). That costs no
scan and may move where no row did (a rolled-back insert, VACUUM FULL, a server that lost its
counters in a crash). It is refused where it could stand still: on a standby, without
track_counts, and for foreign tables.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from plumbline.errors import ExtractError, QueryFailed
from plumbline.extract.query import query_file
from plumbline.postgres import Postgres
from plumbline.versions import fingerprint

TIMEOUT_SECONDS = 30
"""Longer than this no watermark may take: a sensor's evaluation is ended after 60."""
_TIMEOUT = f"{TIMEOUT_SECONDS}s"

_COLUMNS = """
SELECT attname::text, format_type(atttypid, atttypmod)
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_BENEATH: LiteralString = """
WITH RECURSIVE beneath (oid) AS (
    SELECT %s::oid
  UNION
    SELECT found.oid FROM beneath CROSS JOIN LATERAL (
        SELECT inhrelid FROM pg_inherits WHERE inhparent = beneath.oid
      UNION ALL
        SELECT uses.refobjid
        FROM pg_class AS view
        JOIN pg_rewrite AS rule ON rule.ev_class = view.oid
        JOIN pg_depend AS uses ON uses.classid = 'pg_rewrite'::regclass AND uses.objid = rule.oid
        WHERE view.oid = beneath.oid AND view.relkind = 'v'
          AND uses.refclassid = 'pg_class'::regclass AND uses.refobjid <> view.oid
    ) AS found (oid)
)
SELECT c.oid::regclass::text AS relation, c.relkind::text, c.relfilenode::bigint,
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
       pg_stat_get_tuples_deleted(c.oid),
       CASE WHEN c.relkind = 'v' THEN md5(pg_get_viewdef(c.oid)) END,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint
            WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_live_tuples(c.oid) ELSE 0 END
FROM beneath JOIN pg_class AS c USING (oid) WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.oid
"""
_BLIND = """
SELECT CASE WHEN pg_is_in_recovery() THEN 'the server is a standby, which counts no changes'
            WHEN NOT current_setting('track_counts')::bool THEN 'track_counts is off' END
"""


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """What one look at a source table found."""

    table: str
    value: str
    """The declared watermark's value, or the number of changes that PostgreSQL has counted."""
    declared: str | None
    """The column or the SQL file that says how far the table is; None: PostgreSQL's counters."""
    rows: int
    """PostgreSQL's estimate (count)."""
    columns: tuple[tuple[str, str], ...]
    """Name and type."""
    state: str
    """Digest of columns and, without a declared watermark, of counters and files."""
    read_at: dt.datetime

    @property
    def version(self) -> str:
        """Moves when rows or columns have changed; Dagster's data version of the table."""
        return f"{self.value}@{self.state[:8]}"


def digest(watermarks: Iterable[Watermark]) -> str:
    """One version of all tables that an extract reads."""
    return fingerprint(tables={one.table: one.version for one in watermarks})


def read_watermarks(
    tables: Iterable[str], declared: Mapping[str, str], root: Path, postgres: Postgres
) -> list[Watermark]:
    """The watermark of each table, from one read-only transaction.

    declared: by table a column, whose maximum is taken, or a SQL file below `root` that returns
    one row of one column.

    Raises:
        ExtractError: a table is not there, or needs a declared watermark and has none.
        QueryFailed: PostgreSQL refuses the declared watermark, or takes longer than
            TIMEOUT_SECONDS.
        DatabaseUnreachable: no connection.
    """
    with postgres.connect() as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT set_config('statement_timeout', %s, true)", [_TIMEOUT])
        return [_read(name, declared.get(name), root, connection) for name in tables]


def _read(
    table: str, declared: str | None, root: Path, connection: psycopg.Connection[Any]
) -> Watermark:
    found = connection.execute(
        "SELECT to_regclass(%s)::oid::bigint, clock_timestamp()", [_quoted(table)]
    ).fetchone()
    if found is None or found[0] is None:
        raise ExtractError(
            f"there is no table {table} for this user",
            expected="every table that the extract reads",
            remedy="create it, correct the extract's SQL, or grant USAGE on its schema",
        )
    oid, now = found
    columns = tuple(connection.execute(_COLUMNS, [oid]).fetchall())
    beneath = connection.execute(_BENEATH, [oid]).fetchall()
    if declared is None:
        _require_counted(table, beneath, connection)
        value, seen = str(sum(sum(row[3:6]) for row in beneath)), [row[:7] for row in beneath]
    else:
        value, seen = _declared(table, declared, root, connection), []
    return Watermark(
        table=table,
        value=value,
        declared=declared,
        rows=sum(row[7] for row in beneath),
        columns=columns,
        state=fingerprint(columns=columns, seen=seen),
        read_at=now,
    )


def _quoted(table: str) -> str:
    return sql.Identifier(*table.split(".")).as_string()


def _require_counted(
    table: str, beneath: list[tuple[Any, ...]], connection: psycopg.Connection[Any]
) -> None:
    foreign = [row[0] for row in beneath if row[1] == "f"]
    blind = (connection.execute(_BLIND).fetchone() or (None,))[0]
    if foreign or blind:
        told = f"{', '.join(foreign)} lies on another server" if foreign else blind
        raise ExtractError(
            f"how far {table} is cannot be told without reading it: {told}",
            expected="counters that move with every change",
            remedy=f"declare a column that only grows, or a SQL file, under source.watermarks: "
            f"{{{table}: updated_at}}",
        )


def _declared(table: str, declared: str, root: Path, connection: psycopg.Connection[Any]) -> str:
    try:
        rows = connection.execute(_statement(table, declared, root, connection)).fetchmany(2)
    except psycopg.Error as error:
        raise QueryFailed(
            f"the watermark {declared} of {table}: {error.diag.message_primary or 'lost'}",
            expected=f"a value within {TIMEOUT_SECONDS} s",
            remedy="correct source.watermarks, or create an index on the column",
            sqlstate=error.sqlstate,
        ) from None
    if len(rows) != 1 or len(rows[0]) != 1:
        raise QueryFailed(
            f"the watermark {declared} of {table} is {len(rows)} row(s) or more than one column",
            expected="one row of one column",
            remedy="select one aggregate, such as max(updated_at)",
        )
    return str(rows[0][0])


def _statement(table: str, declared: str, root: Path, connection: psycopg.Connection[Any]) -> bytes:
    if declared.endswith(".sql"):
        return query_file(root / declared, {}).bound(connection).encode()
    query = sql.SQL("SELECT max({}) FROM {}").format(
        sql.Identifier(declared), sql.Identifier(*table.split("."))
    )
    return query.as_bytes(connection)
