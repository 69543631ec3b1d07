"""The registry: append-only rows that say what exists, what it came from, what was decided.

Its tables are made by `sql/migrations`; this module reads their shape from the database, so
that the SQL stays the only place that says what a row holds.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

import sql.migrations
from plumbline.errors import RegistryError
from plumbline.postgres import Postgres

log = logging.getLogger(__name__)

SCHEMA = "plumbline"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Registry:
    engine: sa.Engine
    tables: sa.MetaData

    @classmethod
    def open(cls, postgres: Postgres) -> "Registry":
        """The registry in schema `plumbline`, brought to its newest revision first.

        Raises:
            DatabaseUnreachable: the server does not answer.
        """
        with postgres.engine.connect() as connection:
            _migrate(connection)
        return cls(engine=postgres.engine, tables=_tables(postgres.engine))

    def table(self, name: str) -> sa.Table:
        return self.tables.tables[f"{SCHEMA}.{name}"]

    def record(self, name: str, *, volatile: Sequence[str] = (), **row: Any) -> bool:
        """Append a row under its primary key; True if it is new.

        A row that is there already must say the same, but for its `volatile` columns: how
        long a thing took, or where it lies now. The first row stands.

        Raises:
            RegistryError: a different row stands under this primary key.
        """
        table = self.table(name)
        identity = {column.name: row[column.name] for column in table.primary_key}
        statement = insert(table).values(row).on_conflict_do_nothing().returning(sa.literal(1))
        with self.engine.begin() as connection:
            if connection.execute(statement).first() is not None:
                return True
            present = next(iter(self._rows(connection, table, identity)), {})
        differing = [
            key for key, value in row.items() if key not in volatile and present.get(key) != value
        ]
        if differing:
            raise RegistryError(
                f"{name} already holds another row for {identity}: {', '.join(differing)} differ",
                expected="the row that was recorded first",
                remedy="find out what made the two differ; a version is never rewritten",
                differing=differing,
            )
        return False

    def append(self, name: str, **row: Any) -> Row:
        """Append an event (a row without an identity of its own); return it with its number."""
        table = self.table(name)
        with self.engine.begin() as connection:
            inserted = connection.execute(insert(table).values(row).returning(table)).one()
        return dict(inserted._mapping)

    def one(self, name: str, **match: Any) -> Row | None:
        """The row whose columns equal `match`, or None."""
        rows = self.rows(name, **match)
        if len(rows) > 1:
            raise RegistryError(
                f"{name} holds {len(rows)} rows for {match}", expected="at most one"
            )
        return rows[0] if rows else None

    def rows(self, name: str, **match: Any) -> Sequence[Row]:
        """The rows whose columns equal `match`, oldest first."""
        with self.engine.connect() as connection:
            return self._rows(connection, self.table(name), match)

    @staticmethod
    def _rows(connection: sa.Connection, table: sa.Table, match: Row) -> Sequence[Row]:
        moments = [column for column in table.columns if column.name.endswith("_at")]
        statement = sa.select(table).filter_by(**match).order_by(*moments, *table.primary_key)
        return [dict(row._mapping) for row in connection.execute(statement)]

    @contextmanager
    def exclusive(self, what: str) -> Iterator[None]:
        """Hold `what` for this process; others wait. Freed by PostgreSQL if the process dies."""
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)
        with self.engine.connect() as connection:
            held = connection.scalar(sa.select(sa.func.pg_try_advisory_lock(number)))
            connection.rollback()
            if not held:
                log.info("another run is working on %s; waiting for it", what)
                connection.scalar(sa.select(sa.func.pg_advisory_lock(number)))
                connection.rollback()
            try:
                yield
            finally:
                # Said, not left to the closing connection, so that the next one need not wait.
                # A connection that was lost has let go of it already.
                with suppress(DBAPIError):
                    connection.scalar(sa.select(sa.func.pg_advisory_unlock(number)))
                    connection.rollback()


@lru_cache(maxsize=8)
def _tables(engine: sa.Engine) -> sa.MetaData:
    """As the newest revision has them; read once, for every stage of a run opens the registry."""
    tables = sa.MetaData(schema=SCHEMA)
    tables.reflect(engine)
    return tables


def _migrate(connection: sa.Connection, revision: str = "head") -> None:
    newest = max(path.stem[:4] for path in Path(sql.migrations.FOLDER).glob("[0-9]*.sql"))
    if _revision(connection) == newest:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(sql.migrations.FOLDER))
    config.attributes["connection"] = connection
    # One at a time: two first runs must not both create the schema.
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(7077301)"))
    connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    command.upgrade(config, revision)
    connection.commit()


def _revision(connection: sa.Connection) -> str | None:
    if connection.scalar(sa.text(f"SELECT to_regclass('{SCHEMA}.alembic_version')")) is None:
        return None
    return connection.scalar(sa.text(f"SELECT max(version_num) FROM {SCHEMA}.alembic_version"))
