"""Where the inference log is kept: Parquet files in a folder, or a table in PostgreSQL."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.errors import ServingError
from plumbline.postgres import Postgres
from plumbline.scoring.postgres_types import postgres_type
from plumbline.scoring.table_files import writing

_FOUND = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class ParquetParts:
    """A file per write, `<UTC time>-<random>.parquet`: whole, or not there."""

    def __init__(self, folder: Path, layout: pa.Schema) -> None:
        """Raises ServingError where files cannot be written into the folder."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (probe := folder / f".{uuid.uuid4().hex}").touch()
            probe.unlink()
        except OSError as error:
            raise ServingError(
                f"the inference log cannot be written into {folder}: {error.strerror}",
                expected="a folder with room and rights",
                remedy="name another one",
            ) from error
        self._folder = folder
        self._layout = layout

    def write(self, rows: pa.Table) -> None:
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}.parquet"
        with writing(self._folder / name, self._layout) as writer:
            writer.write(rows)

    def close(self) -> None: ...


class PostgresTable:
    """Rows appended to `schema.table` by COPY, a transaction per write."""

    def __init__(self, postgres: Postgres, table: str, layout: pa.Schema) -> None:
        """Make the table if there is none.

        Raises:
            ServingError: it has other columns, or the login may not make or fill it.
            DatabaseUnreachable: no server answers.
        """
        self._postgres = postgres
        self._connection: psycopg.Connection[Any] | None = None
        self._target = sql.Identifier(*_parts(table))
        self._layout, self._types = layout, types(layout)
        try:
            self._prepare(table)
        except psycopg.Error as error:
            raise ServingError(
                f"the inference log cannot be written to {table}: {_first_line(error)}",
                expected="a schema that is there, and the right to make or fill a table in it",
                remedy="make the schema, or grant its use to the login in DATABASE_URL",
            ) from error
        finally:
            self.close()

    def write(self, rows: pa.Table) -> None:
        connection = self._connected()
        try:
            with connection.transaction(), connection.cursor() as cursor:
                self._copy(cursor, rows)
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        self._connection = self._connection or self._postgres.connect(autocommit=True)
        return self._connection

    def _copy(self, cursor: psycopg.Cursor[Any], rows: pa.Table) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, self._types))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self._target, names)
        with cursor.copy(statement) as copy:
            for row in zip(*(rows.column(name).to_pylist() for name in self._types), strict=True):
                copy.write_row(row)

    def _prepare(self, table: str) -> None:
        columns = sql.SQL(", ").join(
            sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in self._types.items()
        )
        connection = self._connected()
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(7077305)")
            create = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})")
            connection.execute(create.format(self._target, columns))
            quoted = self._target.as_string(connection)
            found = dict(connection.execute(_FOUND, [quoted]).fetchall())
            if found != self._types:
                raise _other_columns(table, found, self._types)
            # COPY of no rows asks for the rights that every write will need.
            self._copy(connection.cursor(), self._layout.empty_table())


def types(layout: pa.Schema) -> dict[str, LiteralString]:
    """Columns of the table for rows of a layout, none of them ever NULL."""
    return {field.name: postgres_type(field) for field in layout}


def _other_columns(table: str, found: dict[str, str], wanted: Mapping[str, str]) -> ServingError:
    return ServingError(
        f"{table} has the columns {', '.join(f'{name} {kind}' for name, kind in found.items())}",
        expected=", ".join(f"{name} {kind}" for name, kind in wanted.items()),
        remedy="name another table; it is made if there is none",
    )


def _parts(table: str) -> list[str]:
    parts = table.split(".")
    if len(parts) != 2 or not all(parts):
        raise ServingError(
            f"the inference log's table is {table!r}",
            expected="schema.table",
            remedy="name both",
        )
    return parts


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
