"""Ray clusters of this machine, started as docs/engines.md says, for tests."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

RAY = str(Path(sys.executable).with_name("ray"))
TOKEN = "of-the-tests-only-0123456789"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Cluster:
    """A head, and further nodes that can be stopped one by one."""

    def __init__(self, cpus: int, **environment: str):
        self.port, self.dashboard = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.dashboard}"
        self.gcs = f"127.0.0.1:{self.port}"
        self._environment = environment
        # Not pytest's: the names of sockets may have 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self._nodes: list[subprocess.Popen[bytes]] = []
        self.head = self._start(
            *("--head", "--port", str(self.port), "--dashboard-port", str(self.dashboard)),
            *("--dashboard-host", "127.0.0.1", "--temp-dir", str(self._folder)),
            *("--num-cpus", str(cpus)),
        )
        self._wait_for_jobs()

    def node(self, cpus: int, **environment: str) -> subprocess.Popen[bytes]:
        """One more node, with variables that the others do not have."""
        return self._start("--address", self.gcs, "--num-cpus", str(cpus), **environment)

    def stop(self, node: subprocess.Popen[bytes]) -> None:
        """At once, as if its machine had lost its power."""
        processes = psutil.Process(node.pid).children(recursive=True)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.kill()
        node.wait()

    def close(self) -> None:
        for node in reversed(self._nodes):
            if node.poll() is None:
                self.stop(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        ports = ("--dashboard-agent-listen-port", str(free_port()))
        memory = ("--object-store-memory", "100000000")
        node = subprocess.Popen(
            [RAY, "start", "--block", "--disable-usage-stats", *ports, *memory, *options],
            env={**os.environ, **self._environment, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._nodes.append(node)
        return node

    def _wait_for_jobs(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.dashboard)) == 0:
                    return
            time.sleep(0.2)
        raise TimeoutError(f"no Ray head at {self.address}")


def settings(*paths: Path) -> Mapping[str, str]:
    """Environment of a cluster and of who drives it."""
    found = [*map(str, paths), *(one for one in sys.path if one)]
    return {
        "PYTHONPATH": os.pathsep.join(found),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
