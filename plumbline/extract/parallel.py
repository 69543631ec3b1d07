"""Rows read by several connections at once: each a range of the key, all in one snapshot."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from plumbline.errors import DatabaseUnreachable, ExtractError, QueryFailed
from plumbline.extract.failures import refused
from plumbline.extract.key_ranges import Divided, divide
from plumbline.extract.ordering import ordered
from plumbline.extract.query import Query
from plumbline.extract.read import Source, reading
from plumbline.extract.spool import ON_DISK, Abandoned, Spool
from plumbline.extract.transaction import Begun, SnapshotLimit, Transaction
from plumbline.extract.types import SourceColumn
from plumbline.postgres import Postgres
from plumbline.spec import SourceSpec

log = logging.getLogger(__name__)

CANCEL_SECONDS = 0.1
"""How long connections that are to stop get before their statements are cancelled, again."""


@dataclass(kw_only=True)
class _Worker:
    """A thread with a connection of its own."""

    statement: str
    spool: Spool
    ready: threading.Event = field(default_factory=threading.Event)
    """It has the snapshot, or never will."""
    process: int | None = None

    def begun(self, transaction: Begun) -> None:
        self.process = transaction.process
        self.ready.set()


@dataclass(frozen=True, kw_only=True)
class ParallelRead:
    """A read of a query's rows by `source.connections` connections, in order of `source.key`."""

    query: Query
    columns: Sequence[SourceColumn]
    source: SourceSpec
    postgres: Postgres
    limit: SnapshotLimit

    @contextmanager
    def rows(self, folder: Path) -> Iterator[Source]:
        """The rows, as one connection would give them; those that wait do so in `folder`.

        The connection that took the snapshot is closed as soon as the others have it.

        Raises:
            QueryFailed: PostgreSQL stopped the query, or exports no snapshot.
            ExtractError: it took too long, or the query is not the same at every reading.
            DatabaseUnreachable: no connection, or one was lost on the way.
        """
        with self.postgres.connect(autocommit=True, client_encoding="UTF8") as holder:
            begun, divided, exported = self._taken(holder)
            statements = [
                ordered(self.query, self.columns, self.source.key, holder, within=one)
                for one in divided.ranges
            ]
            with self._running(statements, exported, folder) as workers:
                for worker in workers:
                    worker.ready.wait()
                holder.close()
                yield Source(
                    server_version=begun.server_version,
                    postgres_snapshot=begun.postgres_snapshot,
                    batches=self._batches(workers, divided),
                )

    def _taken(self, holder: psycopg.Connection[Any]) -> tuple[Begun, Divided, str]:
        """A snapshot, its rows in ranges, and its name for other connections."""
        try:
            begun = Transaction(limit=self.limit).begin(lambda told: holder.execute(told.encode()))
            divided = divide(
                self.query, self.columns, self.source.key, self.source.connections, holder
            )
        except psycopg.Error as error:
            raise refused(error, self.query, holder, self.limit) from None
        counted = f"{divided.rows:,} rows in {len(divided.ranges)} ranges"
        log.info("%s: %s, a connection each", self.query.file, counted)
        return begun, divided, self._exported(holder)

    def _exported(self, holder: psycopg.Connection[Any]) -> str:
        try:
            (name,) = holder.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        except psycopg.OperationalError as error:
            raise refused(error, self.query, holder, self.limit) from None
        except psycopg.Error as error:
            raise QueryFailed(
                f"{self.postgres.place} exports no snapshot ({error.diag.message_primary})",
                expected="a server that lets this login share one state of the database between "
                f"connections, for source.connections is {self.source.connections}",
                remedy="grant EXECUTE on function pg_export_snapshot() to it, or set "
                "source.connections: 1",
                sqlstate=error.sqlstate,
            ) from None
        return name

    @contextmanager
    def _running(
        self, statements: Sequence[str], exported: str, folder: Path
    ) -> Iterator[Sequence[_Worker]]:
        workers = [_Worker(statement=one, spool=Spool(folder, ON_DISK)) for one in statements]
        with ThreadPoolExecutor(len(workers), "read") as pool:
            running = [pool.submit(self._read, one, workers, exported) for one in workers]
            try:
                yield workers
            finally:
                self._stop(workers, running)

    def _read(self, worker: _Worker, workers: Sequence[_Worker], exported: str) -> None:
        transaction = Transaction(exported=exported, limit=self.limit, begun=worker.begun)
        asked = (worker.statement, self.columns, self.query, self.postgres, self.source.key)
        try:
            with reading(*asked, transaction=transaction) as source:
                for batch in source.batches:
                    if not worker.spool.put(batch, self.limit.left):
                        raise self.limit.error()  # noqa: TRY301 - all workers are told
            worker.spool.end()
        except BaseException as failure:
            for one in workers:
                one.spool.fail(failure)
        finally:
            worker.ready.set()

    def _batches(self, workers: Sequence[_Worker], divided: Divided) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([field for column in self.columns for field in column.fields])
        rows = 0
        for worker in workers:
            for batch in worker.spool.take(schema):
                rows += batch.num_rows
                yield batch
            worker.spool.close()
        if rows != divided.rows:
            raise ExtractError(
                f"{self.query.file} returned {divided.rows:,} rows when they were counted, and "
                f"{rows:,} when they were read, in one state of the database",
                expected="a query that is the same at every reading",
                remedy="order whatever is numbered, limited or made distinct by columns that are "
                "unique together, take chance and the clock out, or set source.connections: 1",
                counted=divided.rows,
                rows=rows,
            )

    def _stop(self, workers: Sequence[_Worker], running: Sequence[Future[None]]) -> None:
        for worker in workers:
            worker.spool.fail(Abandoned())
        while wait(running, CANCEL_SECONDS).not_done:
            pairs = zip(workers, running, strict=True)
            self._cancel([one.process for one, future in pairs if not future.done()])
        for worker in workers:
            worker.spool.close()

    def _cancel(self, processes: Sequence[int | None]) -> None:
        # A connection that waits for its first row looks at nothing that this side can set.
        with (
            contextlib.suppress(DatabaseUnreachable, psycopg.Error),
            self.postgres.connect(autocommit=True) as connection,
        ):
            connection.execute(
                "SELECT pg_cancel_backend(process) FROM unnest(%s::int[]) AS process",
                [[one for one in processes if one is not None]],
            )
