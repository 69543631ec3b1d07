"""Where the inference log is kept: Parquet files in a folder, or a table in PostgreSQL."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.errors import ServingError
from plumbline.postgres import Postgres
from plumbline.scoring.table_files import writing
from plumbline.scoring.tables import Table, require_columns


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
            ScoringError: it is not named schema.table, or has other columns.
            ServingError: the login may not make or fill it.
            DatabaseUnreachable: no server answers.
        """
        self._postgres = postgres
        self._connection: psycopg.Connection[Any] | None = None
        self._table = Table.named(table, layout)
        try:
            self._prepare()
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
        columns = self._table.schema.names
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self._table.name, names)
        with cursor.copy(statement) as copy:
            for row in zip(*(rows.column(name).to_pylist() for name in columns), strict=True):
                copy.write_row(row)

    def _prepare(self) -> None:
        table = self._table
        columns = sql.SQL(", ").join(
            sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in table.types.items()
        )
        connection = self._connected()
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(7077305)")
            create = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})")
            connection.execute(create.format(table.name, columns))
            require_columns(connection, table)
            # COPY of no rows asks for the rights that every write will need.
            self._copy(connection.cursor(), table.schema.empty_table())


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
