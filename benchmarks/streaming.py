"""Training from disk beside training from memory: rows a second, and peak memory.

    python benchmarks/streaming.py [--rounds 3] [--folder PATH] [--rows N] [--skip-largest]

A table of 40 numbers and a yes-or-no label that some of them tell. Rates: both feeds train the
same network in one process, an epoch each in turns, so that a busy moment of the machine hits
them alike; what is compiled first is not counted. Memory: each feed and size trains one epoch in
a process of its own; the peak is the process' resident memory, and what it had before the rows
came is told apart. KERAS_BACKEND chooses the backend.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = 40
LARGE, LARGEST = 1_000_000, 5_000_000
NETWORKS = {"256-128, batch 256": ([256, 128], 256), "1024-512, batch 1024": ([1024, 512], 1024)}
BATCH_ROWS = 65_536
SLOWEST = 0.7
"""What must be shown: of the rate from memory, at least."""


def batches(rows: int) -> Iterator[tuple[Any, Any]]:
    """The table, in parts: the same ones for both feeds. Features and labels."""
    import numpy as np

    from plumbline.normalization.matrix import Matrix

    weights = np.random.default_rng(1).normal(size=COLUMNS)
    for start in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - start)
        drawn = np.random.default_rng([2, start])
        numeric = drawn.standard_normal((count, COLUMNS), dtype=np.float32)
        matrix = Matrix(
            numeric=numeric,
            codes=np.empty((count, 0), np.int32),
            numeric_names=tuple(f"x{one}" for one in range(COLUMNS)),
            category_names=(),
        )
        yield matrix, (numeric @ weights + drawn.normal(size=count) > 0).astype(np.int8)


def examples(rows: int, mode: str, folder: Path) -> Any:
    """The rows in memory, or in a file in `folder`."""
    import numpy as np

    from plumbline.network.examples import Examples
    from plumbline.normalization.matrix import Matrix
    from plumbline.normalization.prepared import written

    labels = np.empty(rows, np.int8)
    names = (tuple(f"x{one}" for one in range(COLUMNS)), ())

    def parts() -> Iterator[Matrix]:
        start = 0
        for matrix, told in batches(rows):
            labels[start : start + len(told)] = told
            start += len(told)
            yield matrix

    if mode == "stream":
        return Examples(matrix=written(parts(), rows, names, folder), labels=labels)
    numeric, start = np.empty((rows, COLUMNS), np.float32), 0
    for part in parts():
        numeric[start : start + len(part)] = part.numeric
        start += len(part)
    matrix = Matrix(
        numeric=numeric,
        codes=np.empty((rows, 0), np.int32),
        numeric_names=names[0],
        category_names=(),
    )
    return Examples(matrix=matrix, labels=labels)


class Training:
    """A network and its steps, for feeds of either kind."""

    def __init__(self, widths: list[int], size: int, sample: Any):
        from plumbline.network import assembly
        from plumbline.network.loop.steps import steps
        from plumbline.network.recipe import resolve
        from plumbline.network.table import Table
        from plumbline.network.tasks import objective
        from plumbline.spec import NetworkSpec

        options = NetworkSpec(architecture="dense", widths=widths, batch_size=size)
        table = Table.described(sample, ())
        self.goal = objective("binary", 2, options)
        recipe = resolve(options, table, self.goal)
        self.network = assembly.compiled(table, self.goal, recipe)
        self.steps = steps(self.network)
        self.size = size

    def feed(self, train: Any, mode: str, folder: Path) -> Any:
        from plumbline.network.examples import Units
        from plumbline.network.feeding import Feeder

        declared: Any = mode
        feed = Feeder(declared, 0, folder).feed(self.steps, train, self.goal, Units())
        self._warm(feed)
        return feed

    def _warm(self, feed: Any) -> None:
        import numpy as np

        for portion in feed.epoch(0, self.size):
            order = self.steps.order(portion.order)
            count = -(-len(portion.order) // self.size)
            # The last step is short, and compiled for itself.
            for start, stop in ((0, 1), (count - 1, count)):
                rates = np.full(count, 1e-3, np.float32)
                self.steps.run(portion.placed, order, self.size, rates, start, stop)

    def epoch(self, feed: Any) -> tuple[float, float]:
        """Rows a second, and the share of the time in which the steps waited for rows."""
        import numpy as np

        from plumbline.network.loop import epochs

        started = time.perf_counter()
        history = epochs.fit(
            self.network,
            self.steps,
            feed,
            epochs=1,
            batch_size=lambda _: self.size,
            rates=lambda _, steps: np.ones(steps),
            validate=dict,
            callbacks=[],
        )
        return feed.rows / (time.perf_counter() - started), history["wait_share"][-1]


def rates(widths: list[int], size: int, rows: int, rounds: int, folder: Path) -> dict[str, Any]:
    given = {mode: examples(rows, mode, folder) for mode in ("memory", "stream")}
    training = Training(widths, size, given["memory"].matrix)
    feeds = {mode: training.feed(train, mode, folder) for mode, train in given.items()}
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in feeds}
    for _ in range(rounds):
        for mode, feed in feeds.items():
            found[mode].append(training.epoch(feed))
    return {
        mode: {
            "rate": statistics.median(rate for rate, _ in told),
            "wait_share": statistics.median(share for _, share in told),
        }
        for mode, told in found.items()
    }


def peak(mode: str, rows: int, folder: Path) -> dict[str, float]:
    """One epoch of the smaller network; bytes."""
    from plumbline.network import hardware

    sample = next(batches(BATCH_ROWS))[0]
    training = Training([256, 128], 1024, sample)
    with hardware.Watch() as watch:
        before = hardware._memory("VmRSS")
        train = examples(rows, mode, folder)
        training.epoch(training.feed(train, mode, folder))
    return {"before": before, "peak": watch.record()["host_peak_bytes"]}


def process(folder: Path, **task: Any) -> dict[str, Any]:
    """`task` in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--task", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=LARGE, help="of the rates")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--skip-largest", action="store_true")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        function = {"rates": rates, "peak": peak}[given.task.pop("function")]
        print(json.dumps(function(**given.task, folder=given.folder)))
        return
    print(f"backend {os.environ.get('KERAS_BACKEND', 'tensorflow')}, {os.cpu_count()} cores")
    report_memory(given.folder, [LARGE] if given.skip_largest else [LARGE, LARGEST])
    report_rates(given.folder, given.rows, given.rounds)


def report_memory(folder: Path, sizes: list[int]) -> None:
    for rows in sizes:
        for mode in ("memory", "stream"):
            found = process(folder, function="peak", mode=mode, rows=rows)
            size = rows * COLUMNS * 4
            print(
                f"{rows:,} rows of {COLUMNS} ({size / 1e6:,.0f} MB), {mode}: peak "
                f"{found['peak'] / 1e6:,.0f} MB, {(found['peak'] - found['before']) / 1e6:,.0f} MB "
                "over what the process had before",
                flush=True,
            )


def report_rates(folder: Path, rows: int, rounds: int) -> None:
    for name, (widths, size) in NETWORKS.items():
        found = process(
            folder, function="rates", widths=widths, size=size, rows=rows, rounds=rounds
        )
        memory, stream = found["memory"], found["stream"]
        ratio = stream["rate"] / memory["rate"]
        print(
            f"{name}, {rows:,} rows: {memory['rate']:,.0f} rows/s from memory, "
            f"{stream['rate']:,.0f} from disk ({stream['wait_share']:.1%} of it waiting): "
            f"{ratio:.2f} of it, wanted {SLOWEST}: {'yes' if ratio >= SLOWEST else 'NO'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
