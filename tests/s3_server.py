"""A real S3 server of its own process, and a proxy before it that causes faults."""

import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError

from pyarrow.fs import S3FileSystem

KEYS = {"writer": ("WRITERKEY", "writersecret"), "reader": ("READERKEY", "readersecret")}

RIGHTS = {"writer": ["Admin", "Read", "Write", "List", "Tagging"], "reader": ["Read", "List"]}
OPEN = "open"
"""A bucket that anybody may read and write, without a signature."""


def environment(address: str, who: str = "writer") -> dict[str, str]:
    """What a client finds the server and its rights by."""
    key, secret = KEYS[who]
    return {
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


class Server:
    """SeaweedFS: it checks signatures and rights, and keeps to conditions of writes."""

    def __init__(self, folder: Path):
        self._folder = folder
        parts = ("master", "volume", "filer", "s3")
        kinds = [f"{part}.{kind}" for part in parts for kind in ("port", "port.grpc")]
        self._ports = dict(zip(kinds, _free_ports(len(kinds)), strict=True))
        self.address = f"127.0.0.1:{self._ports['s3.port']}"
        (folder / "data").mkdir(parents=True)
        (folder / "identities.json").write_text(json.dumps({"identities": _identities()}))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        program = shutil.which("weed", path=beside)
        assert program, "no SeaweedFS: install the project with its extra dev"
        ports = [f"-{kind}={port}" for kind, port in self._ports.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"),
                    *(f"-dir={self._folder / 'data'}", "-master.volumeSizeLimitMB=64", *ports),
                    *(f"-s3.config={self._folder / 'identities.json'}", "-volume.max=0"),
                    *(
                        "-s3.port.iceberg=0",
                        "-master.telemetry=false",
                        "-s3.autoCreateBucket=false",
                    ),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _wait(self._answers, "the S3 server did not start")

    def make_bucket(self, name: str) -> str:
        """A new bucket; its URL."""
        key, secret = KEYS["writer"]
        client = S3FileSystem(
            access_key=key,
            secret_key=secret,
            endpoint_override=self.address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        client.create_dir(name)
        return f"s3://{name}"

    def stop(self) -> None:
        """All of it, at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            urllib.request.urlopen(f"http://{self.address}/", timeout=1).close()
        except HTTPError as refused:
            with refused:
                return refused.code == 403
        except OSError:
            return False
        return True


class Proxy(socketserver.ThreadingTCPServer):
    """Hands bytes on, and does with requests what `fault` says."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str):
        super().__init__(("127.0.0.1", 0), _Relay)
        host, _, port = address.partition(":")
        self.server_side = (host, int(port))
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.fault: Callable[[bytes], str | int | bytes | None] = lambda head: None
        """By a request's head: None, a status to answer with, `cut` the connection, `after` the
        server has answered but before it is told, `cut N` bytes into the answer, or other bytes to
        send for this head."""
        self.requests: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None: ...


class _Relay(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self._proxy = cast("Proxy", self.server)
        with closing(socket.create_connection(self._proxy.server_side)) as upstream:
            self._left: int | None = None
            threading.Thread(target=self._back, args=[upstream], daemon=True).start()
            while sent := self.request.recv(1 << 16):
                if sent[:5] in (b"GET /", b"PUT /", b"POST ", b"HEAD ", b"DELET"):
                    self._proxy.requests.append(sent.partition(b" HTTP/")[0].decode())
                    sent = self._changed(sent)
                    if sent is None:
                        return
                upstream.sendall(sent)

    def _changed(self, head: bytes) -> bytes | None:
        done = self._proxy.fault(head)
        if isinstance(done, bytes):
            return done
        if isinstance(done, int):
            answer = f"HTTP/1.1 {done} Caused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            self.request.sendall(answer.encode())
            return None
        if done == "cut":
            return None
        if done is not None:
            self._left = int(done.removeprefix("cut "))
        return head

    def _back(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while answer := upstream.recv(1 << 16):
                if self._left is not None:
                    answer = answer[: self._left]
                    self._left -= len(answer)
                self.request.sendall(answer)
                if self._left == 0:
                    break
            self.request.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(address: str) -> Iterator[Proxy]:
    """A proxy before the server at an address."""
    with Proxy(address) as made:
        threading.Thread(target=made.serve_forever, args=[0.05], daemon=True).start()
        yield made
        made.shutdown()


def _identities() -> list[dict[str, Any]]:
    named = [
        {
            "name": who,
            "credentials": [{"accessKey": key, "secretKey": secret}],
            "actions": RIGHTS[who],
        }
        for who, (key, secret) in KEYS.items()
    ]
    return [
        *named,
        {"name": "anonymous", "actions": [f"{what}:{OPEN}" for what in ("Read", "Write", "List")]},
    ]


def _free_ports(many: int) -> list[int]:
    sockets = [socket.socket() for _ in range(many)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


def _wait(condition: Callable[[], bool], otherwise: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
