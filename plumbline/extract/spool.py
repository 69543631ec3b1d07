"""Batches on their way from a thread that reads to one that writes: few in memory, more on disk."""

import os
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

IN_MEMORY = 2
"""Batches that wait in memory (count)."""

ON_DISK = 8 * 1024**3
"""What waits on disk, at most; then the reader waits too (bytes)."""


class Abandoned(Exception):
    """Nobody wants further batches: told to the thread that reads, and to nobody else."""


@dataclass(frozen=True)
class _OnDisk:
    """Where a batch is in the file (bytes)."""

    offset: int
    size: int


class Spool:
    """A queue of record batches, first in, first out, between two threads.

    The file has no name, so that nothing is left of it, however the process ends.
    """

    def __init__(self, folder: Path, on_disk: int = ON_DISK):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._limit = on_disk
        self._changed = threading.Condition()
        self._waiting: deque[pa.RecordBatch | _OnDisk] = deque()
        self._written = self._on_disk = 0
        self._ended = False
        self._failure: BaseException | None = None

    def put(self, batch: pa.RecordBatch, patience: float | None = None) -> bool:
        """Add a batch; False if there was no room for it in `patience` seconds.

        Raises:
            Abandoned: it was failed meanwhile.
            OSError: the disk has no room.
        """
        with self._changed:
            self._require_wanted()
            if len(self._waiting) < IN_MEMORY:
                return self._add(batch)
        # It may not be in memory any more, but where it comes in the order stands.
        message = batch.serialize()
        if not self._room(message.size, patience):
            return False
        self._file.write(message)
        self._file.flush()
        with self._changed:
            self._on_disk += message.size
            self._written += message.size
            return self._add(_OnDisk(self._written - message.size, message.size))

    def end(self) -> None:
        """No batch comes after those that were put."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Raise `failure` where batches are taken, and Abandoned where they are put."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def take(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Its batches, in the order they were put; raises what it was failed with."""
        while (batch := self._next()) is not None:
            if isinstance(batch, _OnDisk):
                message = pa.py_buffer(os.pread(self._file.fileno(), batch.size, batch.offset))
                yield pa.ipc.read_record_batch(message, schema)
            else:
                yield batch

    def close(self) -> None:
        """Give its disk space back; nobody puts or takes any more."""
        self._file.close()

    def _next(self) -> "pa.RecordBatch | _OnDisk | None":
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or self._failure)
            if self._failure is not None:
                raise self._failure
            batch = self._waiting.popleft() if self._waiting else None
            if isinstance(batch, _OnDisk):
                self._on_disk -= batch.size
            self._changed.notify_all()
            return batch

    def _add(self, batch: "pa.RecordBatch | _OnDisk") -> bool:
        self._waiting.append(batch)
        self._changed.notify_all()
        return True

    def _room(self, size: int, patience: float | None) -> bool:
        """Whether the disk may take `size` bytes more, now or in `patience` seconds."""
        with self._changed:
            fits = self._changed.wait_for(
                lambda: (
                    self._failure is not None
                    or not self._on_disk
                    or self._on_disk + size <= self._limit
                ),
                patience,
            )
            self._require_wanted()
            return fits

    def _require_wanted(self) -> None:
        if self._failure is not None:
            raise Abandoned
