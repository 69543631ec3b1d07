"""What was answered, written by a thread of its own: no answer without its place in the log."""

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Protocol

import pyarrow as pa

from plumbline.serving.digests import row_digests
from plumbline.serving.problems import busy

log = logging.getLogger(__name__)

_OF_ROW = pa.schema(
    [
        ("at", pa.timestamp("us", tz="UTC")),
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("model_version", pa.string()),
        ("dataset_version", pa.string()),
        ("normalization_version", pa.string()),
        ("inputs_sha256", pa.string()),
    ]
)

CLOSE_SECONDS = 30.0
"""How long the last writes may take."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
"""Between attempts at a write that failed (s)."""


def layout(answers: pa.Schema) -> pa.Schema:
    """A row of the log per row scored: what was asked, then what was answered.

    `row` counts from 1 within the request.
    """
    return pa.schema([*_OF_ROW, *answers])


class Sink(Protocol):
    """Where the log is kept."""

    def write(self, rows: pa.Table) -> None:
        """Keep the rows of a `layout`, all or none; any error means none, and is tried again."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One request's rows and what was said of them."""

    request_id: str
    rows: pa.RecordBatch
    """As the model had them."""
    outputs: pa.RecordBatch
    at: datetime


class InferenceLog:
    """A queue of at most `rows` rows before a sink.

    Room is reserved before a request is scored. Where there is none, because the sink does not
    keep up or fails, the request is refused: what was answered is never left out in silence.
    """

    def __init__(
        self,
        sink: Sink,
        answers: pa.Schema,
        versions: Mapping[str, str],
        *,
        rows: int,
        seconds: float,
    ) -> None:
        self._sink = sink
        self._layout = layout(answers)
        self._versions = versions
        self._rows = rows
        self._seconds = seconds
        self._changed = Condition()
        self._answers: deque[Answer] = deque()
        self._reserved = self._queued = 0
        self._closed = False
        self._until = float("inf")
        self.failing = False
        """Whether the last write failed; it is tried again."""
        self._thread = Thread(target=self._run, name="inference log", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are reserved or not yet written (count)."""
        return self._reserved

    def reserve(self, rows: int) -> None:
        """Make room for a request's rows; each reservation ends in `add` or `release`.

        Raises:
            Refused: 503, there is no room.
        """
        with self._changed:
            if self._reserved + rows > self._rows:
                raise busy(
                    f"{self._reserved:,} rows wait to be written to the inference log",
                    expected=f"{self._rows:,} at most, with those of this request",
                )
            self._reserved += rows

    def release(self, rows: int) -> None:
        """Give back the room of a request that was not answered."""
        with self._changed:
            self._reserved -= rows

    def add(self, answer: Answer) -> None:
        """Queue an answer whose room was reserved."""
        with self._changed:
            self._answers.append(answer)
            self._queued += answer.rows.num_rows
            if len(self._answers) == 1 or self._enough():
                self._changed.notify()

    def close(self) -> int:
        """Write what waits, for `CLOSE_SECONDS` at most; the rows that could not be (count)."""
        with self._changed:
            self._closed, self._until = True, time.monotonic() + CLOSE_SECONDS
            self._changed.notify()
        self._thread.join()
        self._sink.close()
        return self._queued

    def _run(self) -> None:
        while self._gathered():
            answers = list(self._answers)
            if not self._written(answers):
                return
            with self._changed:
                for one in answers:
                    self._answers.popleft()
                    self._queued -= one.rows.num_rows
                    self._reserved -= one.rows.num_rows

    def _gathered(self) -> bool:
        """Wait for answers and, until the log is closed, for more of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._answers or self._closed)
            self._changed.wait_for(self._enough, self._seconds)
            return bool(self._answers)

    def _enough(self) -> bool:
        return self._closed or 2 * self._queued > self._rows

    def _written(self, answers: list[Answer]) -> bool:
        """Whether the sink took them in the end; it did not only where time ran out."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._sink.write(pa.concat_tables([self._table(one) for one in answers]))
            except Exception:  # whatever a disk or a server does, the rows are kept
                log.exception("the inference log cannot be written; %s rows wait", self._queued)
            else:
                self.failing = False
                return True
            self.failing = True
            if time.monotonic() + pause > self._until:
                return False
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if self._closed:
                self._changed.wait(min(seconds, 1.0))
            else:
                self._changed.wait_for(lambda: self._closed, seconds)

    def _table(self, answer: Answer) -> pa.Table:
        count = answer.rows.num_rows
        same = {"at": answer.at, "request_id": answer.request_id, **self._versions}
        columns = {
            "row": pa.array(range(1, count + 1), pa.int32()),
            "inputs_sha256": pa.array(row_digests(answer.rows), pa.string()),
            **dict(zip(answer.outputs.schema.names, answer.outputs.columns, strict=True)),
        }
        for field in self._layout:
            if field.name in same:
                columns[field.name] = pa.repeat(pa.scalar(same[field.name], field.type), count)
        return pa.table([columns[name] for name in self._layout.names], schema=self._layout)


def now() -> datetime:
    return datetime.now(UTC)
