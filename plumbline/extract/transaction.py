"""The transaction that rows are read in: its settings, its snapshot, how long it may live."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from plumbline.errors import ExtractError

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
# A stricter limit of the role or the server stays.
_TIMEOUTS = """SELECT set_config(name, {left}, true) FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout')
AND (setting::bigint = 0 OR setting::bigint > {left}::bigint)"""


@dataclass(frozen=True, kw_only=True)
class SnapshotLimit:
    """How long a state of the database may be held; time runs from when this is made."""

    file: str
    minutes: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Time until it is passed (seconds); not below 0."""
        return max(self.started + self.minutes * 60 - time.monotonic(), 0)

    @property
    def passed(self) -> bool:
        return not self.left

    def require(self) -> None:
        """Raises ExtractError if it is passed."""
        if self.passed:
            raise self.error()

    def error(self) -> ExtractError:
        """What is raised where it is passed."""
        return ExtractError(
            f"reading {self.file} kept one state of the database for {self.minutes:g} minutes, "
            "and VACUUM from removing what was deleted since",
            expected="the last row within source.max_snapshot_minutes",
            remedy="raise it, select fewer rows, read with more source.connections, or read from "
            "a source.replica; nothing was kept",
            minutes=self.minutes,
        )


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A transaction that has its snapshot."""

    server_version: str
    postgres_snapshot: str
    """PostgreSQL's own name of the snapshot."""
    process: int
    """The server's process."""


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """What a transaction is to be: REPEATABLE READ, READ ONLY in any case."""

    exported: str | None = None
    """The exported snapshot that it reads; without, it takes one of its own."""
    limit: SnapshotLimit | None = None
    begun: Callable[[Begun], None] = lambda _: None
    """Told as soon as it has its snapshot, before its first row."""

    def begin(self, execute: Callable[[str], Any]) -> Begun:
        """Begin it on a connection in autocommit mode: `execute` returns a cursor."""
        execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if self.exported is not None:
            snapshot = sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self.exported))
            execute(snapshot.as_string())
        for name, value in SETTINGS.items():
            setting = sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
            execute(setting.as_string())
        if self.limit is not None:
            left = sql.Literal(str(int(self.limit.left * 1000) + 1))
            execute(sql.SQL(_TIMEOUTS).format(left=left).as_string())
        found = execute(
            "SELECT current_setting('server_version'), pg_current_snapshot()::text, "
            "pg_backend_pid()"
        ).fetchone()
        begun = Begun(server_version=found[0], postgres_snapshot=found[1], process=found[2])
        self.begun(begun)
        return begun
