"""Tables of PostgreSQL that rows are kept in: made, compared, filled and moved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.errors import ScoringError
from plumbline.scoring.postgres_types import postgres_type, written
from plumbline.training_features.copy_lines import lines

LONGEST = 63
"""Bytes of a name: PostgreSQL cuts off what is beyond, without an error."""

_FOUND = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table and the columns it has to have."""

    where: str
    """schema.table, for people."""
    parts: tuple[str, str]
    schema: pa.Schema

    @classmethod
    def named(cls, where: str, schema: pa.Schema) -> "Table":
        """Raises ScoringError where it is not schema.table, or a column has no type there."""
        parts = where.split(".")
        if len(parts) != 2 or not all(parts) or len(parts[1].encode()) > LONGEST:
            raise ScoringError(
                f"the table is called {where!r}",
                expected=f"schema.table, with room for names beside it in {LONGEST} bytes",
                remedy="name both; a file's name ends by .parquet, .pq or .csv",
            )
        return cls(where=where, parts=(parts[0], parts[1]), schema=schema)

    @property
    def name(self) -> sql.Identifier:
        return sql.Identifier(*self.parts)

    @property
    def types(self) -> dict[str, LiteralString]:
        """Types of its columns by name, as PostgreSQL calls them."""
        return {field.name: postgres_type(field) for field in self.schema}

    def beside(self, suffix: str, schema: pa.Schema) -> "Table":
        """Another one, whose name goes on with `suffix`."""
        return Table.named(self.where + suffix, schema)


def require_columns(connection: psycopg.Connection[Any], table: Table) -> None:
    """Raises ScoringError where the table is there and has other columns."""
    found, wanted = _columns(connection, table), table.types
    if found and found != wanted:
        raise ScoringError(
            f"{table.where} has the columns {_listed(found)}",
            expected=_listed(wanted),
            remedy="name another table; it is made if there is none",
            table=table.where,
        )


def make(connection: psycopg.Connection[Any], table: Table) -> None:
    """Make the table, which is not there."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in table.types.items()
    )
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table.name, columns))


def drop(connection: psycopg.Connection[Any], tables: Iterable[Table]) -> None:
    """Drop the tables, as far as they are there."""
    for table in tables:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.name))


def fill(
    connection: psycopg.Connection[Any], table: Table, batches: Sequence[pa.RecordBatch]
) -> None:
    """Add rows by COPY."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)")
    names = _names(table)
    with connection.cursor().copy(statement.format(table.name, names)) as copy:
        for batch in batches:
            copy.write(lines([written(values) for values in batch.columns]))


def require_count(connection: psycopg.Connection[Any], table: Table, rows: int) -> None:
    """Raises ScoringError where the table does not hold so many rows."""
    ((found,),) = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(table.name)
    ).fetchall()
    if found != rows:
        raise ScoringError(
            f"{table.where} holds {found:,} rows",
            expected=f"the {rows:,} that were written to it",
            remedy=f"find out who else writes to it, drop {table.where} and score again",
        )


def move(connection: psycopg.Connection[Any], kept: Table, final: Table, *, needed: bool) -> None:
    """Bring the rows of one table into another, made if need be, and drop the first.

    needed: whether the other one is made for no row, too.
    """
    there = bool(_columns(connection, final))
    if there:
        insert = sql.SQL("INSERT INTO {} ({names}) SELECT {names} FROM {}")
        connection.execute(insert.format(final.name, kept.name, names=_names(final)))
    filled = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(kept.name)
    ((rows,),) = connection.execute(filled).fetchall()
    if there or not (rows or needed):
        drop(connection, [kept])
    else:
        rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
        connection.execute(rename.format(kept.name, sql.Identifier(final.parts[1])))


def _columns(connection: psycopg.Connection[Any], table: Table) -> dict[str, str]:
    """Types by name; none where there is no such table."""
    quoted = table.name.as_string(connection)
    return dict(connection.execute(_FOUND, [quoted]).fetchall())


def _names(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.schema.names))


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())
