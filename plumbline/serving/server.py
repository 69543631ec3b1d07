"""uvicorn around the application: from the bundle to the last answer."""

import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from plumbline.errors import ServingError
from plumbline.serving.app import create_app
from plumbline.serving.service import Service

log = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that wait to be accepted (count)."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep their idle connections (60 s), so that they close first."""


def serve(service: Service, listening: socket.socket, *, drain_seconds: float) -> None:
    """Answer requests until SIGTERM or SIGINT, then finish those that were accepted.

    Raises:
        ServingError: rows that were answered could not be logged.
    """
    config = uvicorn.Config(
        create_app(service),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(service.limits.seconds) + 5,
    )
    try:
        _Server(config, service, drain_seconds).run(sockets=[listening])
    finally:
        lost = service.close()
    if lost:
        raise ServingError(
            f"{lost:,} rows were answered and could not be written to the inference log",
            expected="a log that can be written",
            remedy="see the errors above; the rows are not in the log",
        )
    log.info("every accepted request was answered")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one.

    Raises:
        ServingError: the address is taken, or none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ServingError(
            f"the server cannot listen on {host}:{port} ({error.strerror})",
            expected="an address of this machine that nothing else listens on",
            remedy="choose another --host or --port",
        ) from error


class _Server(uvicorn.Server):
    """Says that it is not ready, goes on for `drain_seconds`, then stops listening."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: float) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds
        self._stop_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # uvicorn's own would raise the signal again, before the log is written.
        if self._service.stopping:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self._service.stopping = True
        self._stop_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._stop_at
