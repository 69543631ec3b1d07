"""`plumbline serve` beside `mlflow models serve` and bare `model.predict`, on one bundle.

    python benchmarks/serving.py BUNDLE [--mlflow PYTHON] [--rounds 10] [--fuzz 10000]

Rows are the bundle's golden rows, repeated. All sides are processes of their own that run all
the time and are asked in turns, one at a time, so that whatever else the machine does falls on
all of them. A server is asked over one connection that is kept; bodies are made beforehand, and
answers are read whole, but not parsed. MLflow serves the same bundle as a pyfunc model with a
signature, so that it checks names and types, too; its rows come as `dataframe_split` in JSON.
`model.predict` is called on rows that were normalized before: Keras' own for a network, the
predictor's for trees. Rates are of the fastest request, which is what the code can do.

--mlflow names a Python that has MLflow, and what Plumbline needs to load the bundle.
--fuzz sends that many fuzzed bodies, and prints the server's memory.
"""

import argparse
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
SINGLES, WARM, SIZES = 30, 30, (1_000, 10_000, 50_000)
LEAST_RATE, LEAST_SHARE, MOST_LATENCY, PARITY = 5.0, 0.6, 1 / 3, 1e-6
"""Rows/s of MLflow's server, or else of the model alone, which no server can pass; p50 of Keras'
predict; difference of scores."""

MLFLOW_MODEL = """
from pathlib import Path

import mlflow
import pyarrow as pa

from plumbline.release.bundle import load_bundle


class Bundle(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context, model_input, params=None):
        rows = pa.RecordBatch.from_pandas(model_input, schema=self.bundle.schema)
        return self.bundle.score(rows)


mlflow.models.set_model(Bundle())
"""
MLFLOW_SAVED = """
import mlflow
import pyarrow.parquet as pq

rows = pq.read_table({bundle!r} + "/golden.parquet").to_pandas()
mlflow.pyfunc.save_model(
    "model",
    python_model="bundle_model.py",
    artifacts={{"bundle": {bundle!r}}},
    signature=mlflow.models.infer_signature(rows),
    pip_requirements=[],
)
"""


def golden_rows(bundle: Path) -> Any:
    from plumbline.release import golden

    return golden.read(bundle)[0]


def repeated(rows: Any, count: int) -> Any:
    import pyarrow as pa

    return pa.concat_batches([rows] * (count // rows.num_rows + 1)).slice(0, count)


def records(rows: Any) -> bytes:
    return json.dumps({"rows": rows.to_pylist()}, default=str).encode()


def arrow(rows: Any) -> bytes:
    import pyarrow as pa

    written = io.BytesIO()
    with pa.ipc.new_stream(written, rows.schema) as writer:
        writer.write_batch(rows)
    return written.getvalue()


def split(rows: Any) -> bytes:
    data = [list(row.values()) for row in rows.to_pylist()]
    named = {"columns": rows.schema.names, "data": data}
    return json.dumps({"dataframe_split": named}, default=str).encode()


class Client:
    """One connection to a server's route."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._path = path

    def wake(self, body: bytes) -> None:
        """Servers close connections that are idle; a new one, and no first request timed."""
        self._connection.close()
        timed(lambda: self.ask(body), 3)

    def status(self, body: bytes, kind: str) -> tuple[int, bytes]:
        self._connection.request("POST", self._path, body, {"content-type": kind})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def ask(self, body: bytes, kind: str = JSON) -> bytes:
        status, told = self.status(body, kind)
        if status != 200:
            raise SystemExit(f"{self._path} answered {status}: {told[:500]!r}")
        return told


def timed(work: Callable[[], Any], count: int = 1) -> list[float]:
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


@dataclass
class Side:
    """One of those compared, with what was measured of it."""

    single: Callable[[int], list[float]]
    """Seconds of so many predictions of one row each."""
    bulk: Callable[[int], float]
    """Seconds of a prediction of so many rows."""
    scores: list[float]
    """Of the golden rows."""
    wake: Callable[[], None] = lambda: None
    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0

    def one_round(self) -> None:
        self.wake()
        self.seconds += self.single(SINGLES)
        for size in SIZES:
            self.wake()
            self.rate = max(self.rate, size / self.bulk(size))


def server_side(
    client: Client, rows: Any, one: Callable[[Any], bytes], several: tuple[Any, str], key: str
) -> Side:
    """A server that takes rows as `one` writes them, and many as `several` does."""
    write, kind = several
    body, bodies = one(rows.slice(0, 1)), {size: write(repeated(rows, size)) for size in SIZES}
    timed(lambda: client.ask(body), WARM)
    return Side(
        single=lambda count: timed(lambda: client.ask(body), count),
        bulk=lambda size: timed(lambda: client.ask(bodies[size], kind))[0],
        scores=json.loads(client.ask(one(rows)))[key],
        wake=lambda: client.wake(body),
    )


@contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Any]:
    """A process whose errors are shown where it fails."""
    errors = folder / "stderr.txt"
    with errors.open("w") as written:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    except Exception:
        print(errors.read_text()[-2000:], file=sys.stderr)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def plumbline(bundle: Path) -> Iterator[tuple[int, int]]:
    """Port and process of our server."""
    command = [sys.executable, "-m", "pipelines", "serve", str(bundle), "--port", "0"]
    command += ["--max-body", "64"]  # for the largest of the bodies in JSON
    with (
        tempfile.TemporaryDirectory() as folder,
        running(command, {}, Path(folder)) as process,
    ):
        yield int(re.findall(r":(\d+)$", process.stdout.readline().strip())[0]), process.pid


@contextmanager
def mlflow(python: str, bundle: Path) -> Iterator[int]:
    """Port of MLflow's server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bundle_model.py").write_text(MLFLOW_MODEL)
        save = MLFLOW_SAVED.format(bundle=str(bundle))
        with running([python, "-c", save], {}, folder) as process:
            if process.wait():
                raise RuntimeError("MLflow cannot save the model")
        serve = [python, "-m", "mlflow", "models", "serve", "-m", "model", "-p", str(port)]
        path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
        with running([*serve, "--env-manager", "local"], {"PATH": path}, folder):
            wait_for(port)
            yield port


def wait_for(port: int) -> None:
    for _ in range(600):
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("MLflow's server did not start")


@contextmanager
def bare(bundle: Path) -> Iterator[Callable[[str], Any]]:
    """What answers lines such as `single 30` and `bulk 1000`, in a process without a server."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running([sys.executable, __file__, str(bundle), "--bare"], {}, Path(folder)) as process,
    ):

        def ask(line: str) -> Any:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask


def answer_bare(folder: Path) -> None:
    """The other end of `bare`."""
    from plumbline.network.examples import inputs
    from plumbline.normalization.apply import transform
    from plumbline.release.bundle import load_bundle

    bundle, rows = load_bundle(folder), golden_rows(folder)
    matrix = transform(bundle.normalization, repeated(rows, SIZES[-1]))
    predictor: Any = bundle.predictor

    def predict(size: int) -> Any:
        some = matrix.take(slice(0, size))
        if bundle.manifest.kind != "network":
            return predictor.predict(some)
        return predictor.network.predict(inputs(some), batch_size=1024, verbose=0)

    timed(lambda: predict(1), 10)
    for line in sys.stdin:
        what, _, number = line.strip().partition(" ")
        told: Any = {
            "scores": bundle.score(rows).tolist(),
            "kind": bundle.manifest.kind,
            "answer": bundle.decision.schema.names[0],
        }
        if what == "single":
            told = timed(lambda: predict(1), int(number))
        elif what == "bulk":
            told = timed(partial(predict, int(number)))[0]
        print(json.dumps(told), flush=True)


def compare(bundle: Path, rows: Any, python: str | None, rounds: int) -> int:
    """Ask all sides in turns, and print the table; 1 where a bound is missed."""
    with ExitStack() as stack:
        ask = stack.enter_context(bare(bundle))
        facts = ask("facts")
        sides = {
            "bare model.predict": Side(
                single=lambda count: ask(f"single {count}"),
                bulk=lambda size: ask(f"bulk {size}"),
                scores=facts["scores"],
            )
        }
        ours = Client(stack.enter_context(plumbline(bundle))[0], "/predict")
        answer = facts["answer"]
        for name, several in {"Arrow": (arrow, ARROW), "JSON": (records, JSON)}.items():
            sides[f"plumbline serve, {name}"] = server_side(ours, rows, records, several, answer)
        if python:
            theirs = Client(stack.enter_context(mlflow(python, bundle)), "/invocations")
            side = server_side(theirs, rows, split, (split, JSON), "predictions")
            sides["mlflow models serve"] = side
        for _ in range(rounds):
            for side in sides.values():
                side.one_round()
    return show(sides, facts["kind"])


def show(sides: dict[str, Side], kind: str) -> int:
    print(f"{kind:24}{'one row p50':>12}{'p99':>11}{'rows/s in bulk':>16}")
    p50: dict[str, float] = {}
    for name, side in sides.items():
        p50[name], p99 = np.quantile(np.array(side.seconds) * 1e3, [0.5, 0.99])
        print(f"{name:24}{p50[name]:>9.2f} ms{p99:>8.2f} ms{side.rate:>16,.0f}")
    expected = sides["bare model.predict"].scores
    apart = max(float(np.abs(np.subtract(one.scores, expected)).max()) for one in sides.values())
    ours = "plumbline serve, Arrow"
    latency = p50[ours] / p50["bare model.predict"]
    share = sides[ours].rate / sides["bare model.predict"].rate
    print(f"scores are {apart:.1g} apart at most")
    print(f"p50 is {latency:.2f} of bare model.predict's, rows/s in bulk {share:.2f}")
    failed = apart > PARITY or (kind == "network" and latency > MOST_LATENCY)
    if other := sides.get("mlflow models serve"):
        ratio = sides[ours].rate / other.rate
        faster = p50["mlflow models serve"] / p50[ours]
        print(
            f"{ratio:.1f} times the rows/s of MLflow's server, one row {faster:.1f} times as fast"
        )
        failed |= ratio < LEAST_RATE and share < LEAST_SHARE
    return int(failed)


def fuzz(bundle: Path, rows: Any, count: int) -> int:
    """Send fuzzed bodies and print statuses and memory; 1 where one fails the server."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fuzzed_bodies import fuzzed

    statuses: dict[int, int] = {}
    with plumbline(bundle) as (port, pid):
        client = Client(port, "/predict")
        print(f"{'bodies':>10}{'MiB':>8}")
        for number, (kind, body) in enumerate(fuzzed(rows, count, seed=count)):
            if number % max(count // 10, 1) == 0:
                print(f"{number:>10,}{resident(pid):>8.1f}", flush=True)
            status, _ = client.status(body, kind)
            statuses[status] = statuses.get(status, 0) + 1
        print(f"{count:>10,}{resident(pid):>8.1f}")
        client.ask(records(rows))
    print("answers:", ", ".join(f"{n:,} times {code}" for code, n in sorted(statuses.items())))
    return int(any(code >= 500 for code in statuses))


def resident(pid: int) -> float:
    """Memory of a process (MiB)."""
    (line,) = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(line) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--mlflow", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fuzz", type=int, default=0, metavar="BODIES")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.bundle.resolve()
    if given.bare:
        answer_bare(folder)
        return 0
    rows = golden_rows(folder)
    failed = compare(folder, rows, given.mlflow, given.rounds) if given.rounds else 0
    return failed | (fuzz(folder, rows, given.fuzz) if given.fuzz else 0)


if __name__ == "__main__":
    sys.exit(main())
