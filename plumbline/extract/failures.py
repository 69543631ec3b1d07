"""What PostgreSQL and its drivers say when a read fails, as Plumbline's own errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa

from plumbline.errors import DatabaseUnreachable, PlumblineError, QueryFailed
from plumbline.extract.query import Query
from plumbline.extract.transaction import SnapshotLimit
from plumbline.postgres import connection_lost

DESCRIBED = "SELECT * FROM (\n"
"""What a query stands behind while its columns are asked for."""

_CONFLICT = ("40001", "conflict with recovery")
"""A standby's SQLSTATE and words for a read that its replay of changes had to end."""


@contextmanager
def driver_errors(query: Query, limit: SnapshotLimit | None = None) -> Iterator[None]:
    """Raises Plumbline's errors for those of the Arrow driver and of its stream of rows."""
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        details: dict[Any, Any] = dict(error.details)
        told = details.get(b"PG_DIAG_MESSAGE_PRIMARY", str(error).encode())
        raise _failed(told.decode(), error.sqlstate, query, limit) from None
    except (OSError, pa.ArrowException) as error:
        # Once rows flow, Arrow's stream tells of failures only in words; after FATAL and PANIC
        # the connection is gone.
        told = re.search(r"PGRES_FATAL_ERROR\]: (FATAL|PANIC)?\w*: +(.+)", str(error))
        sqlstate = "" if told and (not told[1] or _CONFLICT[1] in told[2]) else None
        raise _failed(told[2] if told else "", sqlstate, query, limit) from None


def refused(
    error: psycopg.Error,
    query: Query,
    connection: psycopg.Connection[Any],
    limit: SnapshotLimit | None = None,
) -> PlumblineError:
    """Plumbline's error for what PostgreSQL says of the query, with its line in the file."""
    told = error.diag
    words = told.message_primary or ""
    if _ended(error.sqlstate, words, limit):
        return _failed(words, error.sqlstate, query, limit)
    position = int(told.statement_position or 0) - 1 - len(DESCRIBED)
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


def _ended(sqlstate: str | None, told: str, limit: SnapshotLimit | None) -> bool:
    """Whether the read was ended from outside, rather than by what was asked."""
    passed = limit is not None and limit.passed
    return passed or _in_conflict(sqlstate, told) or connection_lost(sqlstate)


def _in_conflict(sqlstate: str | None, told: str) -> bool:
    return sqlstate == _CONFLICT[0] or _CONFLICT[1] in told


def _failed(
    told: str, sqlstate: str | None, query: Query, limit: SnapshotLimit | None
) -> PlumblineError:
    if limit is not None and limit.passed:
        return limit.error()
    if _in_conflict(sqlstate, told):
        return _conflict(query)
    return _lost(query) if connection_lost(sqlstate) else _stopped(told, query)


def _stopped(told: str, query: Query) -> QueryFailed:
    return QueryFailed(
        f"{query.file}: {told}",
        expected="a query that runs to its end",
        remedy="correct the SQL; what it stumbled over may be in a single row",
    )


def _conflict(query: Query) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"the standby ended the read of {query.file}, to go on with changes of its primary",
        expected="a standby that lets a read end before it removes the rows that it still needs",
        remedy="run again; if it happens again, raise max_standby_streaming_delay on the standby "
        "or set hot_standby_feedback, or read with more source.connections",
    )


def _lost(query: Query) -> DatabaseUnreachable:
    return DatabaseUnreachable(
        f"the connection to PostgreSQL was lost while {query.file} was read",
        expected="one connection from the first row to the last",
        remedy="look into the server's log, then run again; nothing was kept",
    )
