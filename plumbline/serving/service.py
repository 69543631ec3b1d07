"""A bundle at work: what happens between a request's body and its answer."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from starlette.requests import Request

from plumbline.errors import BundleError
from plumbline.normalization.apply import block_rows
from plumbline.serving import bodies
from plumbline.serving.arrow_rows import ArrowRows
from plumbline.serving.batching import Batcher
from plumbline.serving.inference_log import Answer, InferenceLog, Sink, now
from plumbline.serving.metrics import Metrics
from plumbline.serving.problems import Refused, busy, rows_refused
from plumbline.serving.rows import JsonRows
from plumbline.serving.scorer import Scorer
from plumbline.serving.settings import Key, Limits

INLINE_BYTES = 32_768
"""Up to this size a body is read on the event loop; handing it to a thread would take longer."""
INLINE_ROWS = 1_000


class Service:
    """Everything behind the routes. Close it when no request is left."""

    def __init__(
        self, scorer: Scorer, limits: Limits, *, key: Key | None = None, sink: Sink | None = None
    ) -> None:
        manifest, schema = scorer.bundle.manifest, scorer.bundle.schema
        self.scorer = scorer
        self.limits = limits
        self.key = key
        self.stopping = False
        """Whether the server is about to end: no proxy should send anything new."""
        self.log = None if sink is None else _log(sink, scorer, limits)
        self.metrics = Metrics(
            {"pipeline": manifest.pipeline, "kind": manifest.kind, **scorer.versions},
            lambda: self.log.waiting if self.log else 0,
        )
        self.json_rows = JsonRows(manifest.inputs, schema, limits.rows)
        arrow_rows = ArrowRows(
            manifest.inputs, schema, max_rows=limits.rows, max_bytes=limits.body_bytes
        )
        self._readers = {bodies.JSON: self.json_rows.read, bodies.ARROW: arrow_rows.read}
        self._batcher = Batcher(
            scorer.score,
            # Fewer where images are large: no turn should keep the others waiting for long.
            rows=min(limits.batch_rows, block_rows(scorer.bundle.normalization)),
            seconds=limits.batch_seconds,
            observe=self.metrics.batch_rows.observe,
        )
        self._threads = ThreadPoolExecutor(2, "bodies")
        self._in_flight = 0

    def close(self) -> int:
        """Finish what was accepted; rows that could not be written to the log (count)."""
        self._batcher.close()
        self._threads.shutdown()
        return self.log.close() if self.log else 0

    def unready(self) -> str:
        """Why no request should be sent here; empty where one may."""
        reasons = {
            "the server is stopping": self.stopping,
            "the model's thread has ended": not self._batcher.alive,
            "the inference log cannot be written": self.log is not None and self.log.failing,
        }
        return "; ".join(reason for reason, holds in reasons.items() if holds)

    async def predict(self, request: Request, request_id: str) -> tuple[str, bytes]:
        """Media type and body of the answer.

        Raises:
            Refused: with the status that says why.
        """
        with self._admitted():
            started = perf_counter()
            given = bodies.media_type(request)
            body = await self._within(
                self.limits.seconds, bodies.read(request, self.limits.body_bytes), _slow_body
            )
            left = self.limits.seconds - (perf_counter() - started)
            kind = bodies.wanted(request, given)
            found = await self._within(
                left, self._answer(given, kind, body, request_id), _slow_model
            )
            self.metrics.seconds.observe(perf_counter() - started)
            return kind, found

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._in_flight >= self.limits.requests:
            raise busy(
                f"{self._in_flight} requests are being answered",
                expected=f"{self.limits.requests} at a time",
            )
        self._in_flight += 1
        self.metrics.in_flight.set(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1
            self.metrics.in_flight.set(self._in_flight)

    async def _within(self, seconds: float, work: Any, late: Callable[[float], Refused]) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise late(self.limits.seconds) from None

    async def _answer(self, given: str, kind: str, body: bytearray, request_id: str) -> bytes:
        rows = await self._apart(len(body) > INLINE_BYTES, self._rows, given, body)
        with self._logged(rows) as log:
            scores = await self._scores(rows)
            outputs = self.scorer.outputs(scores)
            answer = await self._apart(
                len(scores) > INLINE_ROWS,
                bodies.answer,
                kind,
                request_id,
                self.scorer.versions,
                self.scorer.classes,
                outputs,
            )
            log(Answer(request_id=request_id, rows=rows, outputs=outputs, at=now()))
        self.metrics.rows.inc(len(scores))
        return answer

    def _rows(self, given: str, body: bytearray) -> pa.RecordBatch:
        try:
            return self.scorer.conform(self._readers[given](body))
        except BundleError as error:
            raise rows_refused(error) from None

    async def _scores(self, rows: pa.RecordBatch) -> np.ndarray:
        try:
            return await asyncio.wrap_future(self._batcher.submit(rows))
        except BundleError as error:
            raise rows_refused(error) from None

    @contextmanager
    def _logged(self, rows: pa.RecordBatch) -> Iterator[Callable[[Answer], None]]:
        """Room in the log for these rows, which what is yielded fills."""
        if self.log is None:
            yield lambda _: None
            return
        self.log.reserve(rows.num_rows)
        added: list[Answer] = []
        try:
            yield added.append
        finally:
            if added:
                self.log.add(added[0])
            else:
                self.log.release(rows.num_rows)

    async def _apart(self, large: bool, work: Callable[..., Any], *given: Any) -> Any:
        """Run large work beside the event loop, which goes on answering others."""
        if not large:
            return work(*given)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)


def _log(sink: Sink, scorer: Scorer, limits: Limits) -> InferenceLog:
    rows, seconds = limits.log_rows, limits.log_seconds
    return InferenceLog(sink, scorer.answers, scorer.versions, rows=rows, seconds=seconds)


def _slow_body(seconds: float) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_TIMEOUT,
        f"the body did not arrive within {seconds:g} s",
        expected="a whole body in that time",
        remedy="send fewer rows at a time, or over a faster line",
        headers={"connection": "close"},
    )


def _slow_model(seconds: float) -> Refused:
    return busy(f"the rows were not scored within {seconds:g} s", expected="an answer in that time")
