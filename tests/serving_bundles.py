"""What the tests of serving share: columns of every type, bodies, and a running server."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.release.manifest import Input

PROJECT = Path(__file__).parents[1]
ARROW = "application/vnd.apache.arrow.stream"

EVERY: dict[str, tuple[str, pa.DataType]] = {
    "small": ("smallint", pa.int16()),
    "whole": ("integer", pa.int32()),
    "big": ("bigint", pa.int64()),
    "real": ("real", pa.float32()),
    "number": ("double precision", pa.float64()),
    "exact": ("numeric", pa.string()),
    "flag": ("boolean", pa.bool_()),
    "text": ("text", pa.string()),
    "day": ("date", pa.date32()),
    "local": ("timestamp without time zone", pa.timestamp("us")),
    "moment": ("timestamp with time zone", pa.timestamp("us", tz="UTC")),
    "file": ("bytea", pa.binary()),
}
"""A column of each type that a model can read: PostgreSQL's type, and the snapshot's."""


def input_of(name: str, postgres_type: str, kind: pa.DataType) -> Input:
    return Input(name=name, postgres_type=postgres_type, arrow_type=str(kind), kind="numeric")


def stream(*batches: pa.RecordBatch, **options: Any) -> bytes:
    """The batches as an Arrow IPC stream."""
    written = io.BytesIO()
    chosen = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(written, batches[0].schema, options=chosen) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return written.getvalue()


def json_body(rows: pa.RecordBatch) -> bytes:
    return json.dumps({"rows": rows.to_pylist()}, default=str).encode()


class Server:
    """`plumbline serve` in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, errors: Path) -> None:
        self.process = process
        self.address = address
        self._errors = errors

    @property
    def host_port(self) -> tuple[str, int]:
        host, _, port = self.address.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def told(self) -> str:
        """What it wrote on standard error."""
        return self._errors.read_text("utf-8")


@contextmanager
def serving(bundle: Path, folder: Path, *options: str, **environment: str) -> Iterator[Server]:
    """A server of the bundle on a free port; killed at the end, if it has not ended."""
    errors = folder / "stderr.txt"
    kept = {k: v for k, v in os.environ.items() if k not in ("PLUMBLINE_API_KEY", "DATABASE_URL")}
    command = [sys.executable, "-m", "pipelines", "serve", str(bundle), "--port", "0", *options]
    with (
        errors.open("w") as written,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "PYTHONPATH": str(PROJECT), **environment},
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, errors.read_text("utf-8")
            yield Server(process, found[0], errors)
        finally:
            process.kill()
