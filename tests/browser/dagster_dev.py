"""A real `plumbline ui`: webserver, daemon and code location, stopped without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.postgres import Postgres

START_SECONDS = 300
STOP_SECONDS = 8
LOADED = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
  locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


@dataclass(frozen=True)
class Server:
    """A running server, what it told, and the database that it reads."""

    address: str
    log: Path
    postgres: Postgres


@contextmanager
def dagster_dev(project: Path, environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Address of a server on `project`, whose code location is loaded; it writes to `log`."""
    port = _free_port()
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "ui", "--port", str(port)],
            cwd=project,
            env=dict(environment),
            stdout=file,
            stderr=subprocess.STDOUT,
            # `dagster dev` leaves children behind: a session of its own is what they share.
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_loaded(server, address, log)
        yield address
    finally:
        _stop(server)


def asked(address: str, query: str, **variables: object) -> dict:
    """The answer of the webserver's GraphQL to `query`."""
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_loaded(server: subprocess.Popen, address: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not _loaded(address):
        told = log.read_text("utf-8", "replace")
        assert server.poll() is None, f"the server ended with {server.returncode}:\n{told}"
        assert time.monotonic() < until, f"not loaded after {START_SECONDS} s:\n{told}"
        time.sleep(0.2)


def _loaded(address: str) -> bool:
    try:
        entries = asked(address, LOADED)["workspaceOrError"]["locationEntries"]
    except (urllib.error.URLError, ConnectionError):
        return False
    for entry in entries:
        error = (entry["locationOrLoadError"] or {}).get("message")
        assert not error, f"the code location does not load: {error}"
    return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)


def _stop(server: subprocess.Popen) -> None:
    """End the whole session: asked first, killed where it does not listen."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + STOP_SECONDS
        while _alive(server) and time.monotonic() < until:
            os.killpg(server.pid, sign)
            time.sleep(0.2)
    assert not _alive(server), f"processes of session {server.pid} are left"


def _alive(server: subprocess.Popen) -> bool:
    server.poll()  # a child that has ended is a member of its group until it is asked
    try:
        os.killpg(server.pid, 0)
    except ProcessLookupError:
        return False
    return True
