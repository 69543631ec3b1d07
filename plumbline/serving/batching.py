"""One thread that owns the model, and scores together what waits for it.

Any grouping of rows gives the same scores: trees to the last bit, networks to 1e-6, in which a
call's shape may change the last bits. A request that the model refuses fails alone.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from plumbline.errors import PlumblineError

Score = Callable[[pa.RecordBatch, int], np.ndarray]
"""Scores rows; the number of the first one within its request is for messages."""


class _Part(NamedTuple):
    """Rows of a request that are scored in one turn."""

    request: "_Request"
    rows: pa.RecordBatch
    first_row: int


@dataclass(kw_only=True, eq=False)
class _Request:
    """Rows on their way to their scores."""

    rows: pa.RecordBatch
    future: "Future[np.ndarray]" = field(default_factory=Future)
    scores: list[np.ndarray] = field(default_factory=list)
    taken: int = 0
    """Rows that were scored or are being scored (count)."""

    @property
    def left(self) -> int:
        return self.rows.num_rows - self.taken

    def take(self, most: int) -> _Part:
        rows, first = self.rows.slice(self.taken, most), self.taken + 1
        self.taken += rows.num_rows
        return _Part(self, rows, first)


class Batcher:
    """Scores requests in turns of `rows` rows at most, on a thread of its own.

    A request of more rows is scored in several turns, between which others have theirs. A turn
    that could hold more rows waits `seconds` for them.

    observe: told the rows of each turn.
    """

    def __init__(
        self,
        score: Score,
        *,
        rows: int,
        seconds: float = 0.0,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._score = score
        self._rows = rows
        self._seconds = seconds
        self._observe = observe
        self._waiting: deque[_Request] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, rows: pa.RecordBatch) -> "Future[np.ndarray]":
        """The scores of conformed rows, to come. A future that is cancelled is not scored."""
        request = _Request(rows=rows)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append(request)
            self._changed.notify()
        return request.future

    @property
    def alive(self) -> bool:
        """Whether requests are scored."""
        return self._thread.is_alive() and not self._closed

    def close(self) -> None:
        """Score what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while turn := self._gather():
            self._observe(sum(part.rows.num_rows for part in turn))
            self._score_turn(turn)

    def _gather(self) -> list[_Part]:
        """The next turn; empty at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._await_others()
                self._drop_cancelled()
                if self._waiting:
                    return self._take()
                if self._closed:
                    return []

    def _await_others(self) -> None:
        until = time.monotonic() + self._seconds
        while not self._closed and sum(one.left for one in self._waiting) < self._rows:
            if not self._changed.wait(max(until - time.monotonic(), 0)):
                return

    def _drop_cancelled(self) -> None:
        self._waiting = deque(one for one in self._waiting if not one.future.cancelled())

    def _take(self) -> list[_Part]:
        turn = [self._waiting.popleft().take(self._rows)]
        room = self._rows - turn[0].rows.num_rows
        while self._waiting and self._waiting[0].left <= room:
            turn.append(self._waiting.popleft().take(room))
            room -= turn[-1].rows.num_rows
        return turn

    def _score_turn(self, turn: list[_Part]) -> None:
        try:
            scores = self._score(_together(turn), turn[0].first_row)
        except PlumblineError as error:
            if len(turn) == 1:
                _fail(turn[0].request, error)
            else:  # one of them is to blame; which, only each alone can say
                for one in turn:
                    self._score_turn([one])
            return
        except Exception as error:  # the thread must outlive whatever a model does
            for part in turn:
                _fail(part.request, error)
            return
        ends = np.cumsum([part.rows.num_rows for part in turn])
        for part, found in zip(turn, np.split(scores, ends[:-1]), strict=True):
            self._scored(part.request, found)

    def _scored(self, request: _Request, scores: np.ndarray) -> None:
        request.scores.append(scores)
        if request.left:
            with self._changed:
                self._waiting.append(request)
        else:
            with suppress(InvalidStateError):  # cancelled meanwhile: nobody waits for it
                request.future.set_result(np.concatenate(request.scores))


def _together(turn: list[_Part]) -> pa.RecordBatch:
    joined: Any = pa
    rows = [part.rows for part in turn]
    return rows[0] if len(rows) == 1 else joined.concat_batches(rows)


def _fail(request: _Request, error: Exception) -> None:
    with suppress(InvalidStateError):
        request.future.set_exception(error)
