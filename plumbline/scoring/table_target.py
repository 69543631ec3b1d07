"""Scores into a table of PostgreSQL: kept in batches beside it, moved there at the end.

    schema.scores            the target: made if there is none, else added to
    schema.scores_rejects    rejected rows, if there are any
    schema.scores_scorings   every scoring into it: what it was of, how far it came
    schema.scores_unfinished and schema.scores_rejects_unfinished
                             the rows of a scoring under way

A batch and how far it came are committed together; what is finished, in one transaction.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.types.json import Jsonb

from plumbline.errors import DatabaseUnreachable, ScoringError
from plumbline.postgres import Postgres, connection_lost
from plumbline.scoring import tables
from plumbline.scoring.blocks import Position
from plumbline.scoring.tables import Table
from plumbline.scoring.work import Identity, Part, Progress, Work, tell_anew, tell_resumed

REJECTS, SCORINGS, UNFINISHED = "_rejects", "_scorings", "_unfinished"

_SCORINGS = sql.SQL("""
CREATE TABLE IF NOT EXISTS {} (
    scoring       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity      jsonb       NOT NULL,
    rows_read     bigint      NOT NULL DEFAULT 0,
    rows_scored   bigint      NOT NULL DEFAULT 0,
    rows_rejected bigint      NOT NULL DEFAULT 0,
    last_key      text[],
    started_at    timestamptz NOT NULL DEFAULT now(),
    kept_at       timestamptz,
    finished_at   timestamptz,
    CHECK (rows_read = rows_scored + rows_rejected)
)""")
_COUNTS = "scoring, identity, rows_read, rows_scored, rows_rejected, last_key, finished_at"
_UNFINISHED = sql.SQL(f"SELECT {_COUNTS} FROM {{}} WHERE finished_at IS NULL")
_FINISHED = sql.SQL(
    f"SELECT {_COUNTS} FROM {{}} WHERE identity = %s AND finished_at IS NOT NULL "
    "ORDER BY scoring DESC LIMIT 1"
)
_KEPT = sql.SQL(
    "UPDATE {} SET rows_read = %s, rows_scored = %s, rows_rejected = %s, last_key = %s, "
    "kept_at = now() WHERE scoring = %s"
)


@dataclass(frozen=True, kw_only=True)
class TableTarget:
    """A table, named schema.table."""

    postgres: Postgres
    where: str
    again: bool = False
    """Whether to add the rows of a scoring that was finished once more."""

    @property
    def rejects(self) -> str:
        return self.where + REJECTS

    @contextmanager
    def opened(self, identity: Identity, scored: pa.Schema, rejected: pa.Schema) -> Iterator[Work]:
        """See `Target`. Batches that were kept before a failure stay.

        Raises:
            ScoringError: a table has other columns, or may not be made or filled.
            DatabaseUnreachable: nothing answers, or the connection was lost.
        """
        target = Table.named(self.where, scored)
        beside = target.beside(REJECTS, rejected)
        with _told(self.where), self.postgres.connect(autocommit=True) as connection:
            _require_alone(connection, self.where)
            work = _Rows(connection, target, beside, identity, again=self.again)
            try:
                yield work
            except BaseException:
                if not work.progress.position.row:
                    with suppress(psycopg.Error):
                        work.forget()
                raise


class _Rows:
    def __init__(
        self,
        connection: psycopg.Connection[Any],
        target: Table,
        rejects: Table,
        identity: Identity,
        *,
        again: bool,
    ) -> None:
        self._connection = connection
        self._finals = (target, rejects)
        self._kept = tuple(one.beside(UNFINISHED, one.schema) for one in self._finals)
        self._scorings = target.beside(SCORINGS, pa.schema([])).name
        for final in self._finals:
            tables.require_columns(connection, final)
        connection.execute(_SCORINGS.format(self._scorings))
        done = None if again else self._one(_FINISHED, [Jsonb(identity)])
        self.finished = done is not None
        self._scoring, self.progress = done or self._begun(target.where, identity)

    def add(self, part: Part) -> None:
        progress = part.progress
        with self._connection.transaction():
            for table, batches in zip(self._kept, (part.scored, [part.rejected]), strict=True):
                tables.fill(self._connection, table, batches)
            counts = [progress.position.row, progress.scored, progress.rejected]
            key = progress.position.key
            keys = None if key is None else list(key)
            self._execute(_KEPT, [*counts, keys, self._scoring])
        self.progress = progress

    def finish(self) -> None:
        counts = (self.progress.scored, self.progress.rejected)
        with self._connection.transaction():
            for final, kept, count in zip(self._finals, self._kept, counts, strict=True):
                tables.require_count(self._connection, kept, count)
                tables.move(self._connection, kept, final, needed=final is self._finals[0])
            ended = sql.SQL("UPDATE {} SET finished_at = now() WHERE scoring = %s")
            self._execute(ended, [self._scoring])

    def forget(self) -> None:
        with self._connection.transaction():
            tables.drop(self._connection, self._kept)
            self._execute(sql.SQL("DELETE FROM {} WHERE scoring = %s"), [self._scoring])

    def _begun(self, where: str, identity: Identity) -> tuple[int, Progress]:
        """The scoring that is under way, or a new one."""
        with self._connection.transaction():
            for row in self._execute(_UNFINISHED, []).fetchall():
                if row[1] == identity:
                    progress = _progress(row)
                    tell_resumed(where, progress)
                    return row[0], progress
                tell_anew(where, row[1], identity)
                self._execute(sql.SQL("DELETE FROM {} WHERE scoring = %s"), [row[0]])
            tables.drop(self._connection, self._kept)
            for table in self._kept:
                tables.make(self._connection, table)
            begin = sql.SQL("INSERT INTO {} (identity) VALUES (%s) RETURNING scoring")
            ((scoring,),) = self._execute(begin, [Jsonb(identity)]).fetchall()
            return scoring, Progress()

    def _one(self, query: sql.SQL, values: Sequence[Any]) -> tuple[int, Progress] | None:
        row = self._execute(query, values).fetchone()
        return None if row is None else (row[0], _progress(row))

    def _execute(self, query: sql.SQL, values: Sequence[Any]) -> psycopg.Cursor[Any]:
        return self._connection.execute(query.format(self._scorings), values)


def _progress(row: Sequence[Any]) -> Progress:
    _, _, read, scored, rejected, key, _ = row
    position = Position(read, None if key is None else tuple(key))
    return Progress(position=position, scored=scored, rejected=rejected)


def _require_alone(connection: psycopg.Connection[Any], where: str) -> None:
    """Hold the table for this connection; PostgreSQL frees it when the connection ends."""
    number = int.from_bytes(hashlib.sha256(f"scoring/{where}".encode()).digest()[:8], signed=True)
    ((held,),) = connection.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchall()
    if not held:
        raise ScoringError(
            f"another process is scoring into {where}",
            expected="one at a time",
            remedy="wait for it, or choose another table",
        )


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if connection_lost(error.sqlstate):
            raise DatabaseUnreachable(
                f"the connection to PostgreSQL was lost while {where} was filled",
                expected="a connection from the first row to the last",
                remedy="look into the server's log, then give the same command: it goes on where "
                "it stopped",
            ) from None
        raise _refused(where, error) from error


def _refused(where: str, error: psycopg.Error) -> ScoringError:
    return ScoringError(
        f"{where} cannot be filled: {str(error).strip().partition(chr(10))[0]}",
        expected="a schema that is there with room in it, and the right to make and fill tables",
        remedy="see to it, and give the same command, which goes on where it stopped; or score "
        "into a file, which holds any row",
        table=where,
    )
