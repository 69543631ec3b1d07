"""Two worker processes beside one on the same machine: seconds, processor seconds and memory.

    python benchmarks/workers.py [--rounds 3] [--rows 20000 500000] [--folder PATH]

A table of 20 numbers and a category. Each training is a group of processes of its own, of one
worker or of two, in turns, so that a busy moment of the machine hits both alike; medians count.
Starting is all but the training itself: interpreter, TensorFlow, and reading the rows. Two workers
on one machine share its processors: what is printed is what working together costs, not what a
second machine gains. The normalization's line says what there would be to gain by sharing it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT))

from worker_tasks import Ground  # noqa: E402

from plumbline.distribution import processes  # noqa: E402

SMALL, LARGER = 20_000, 500_000
NUMBERS = 20
NETWORK: dict[str, Any] = {"widths": [256, 128], "batch_size": 1024, "max_epochs": 3, "patience": 3}
KINDS = ("network", "xgboost")
SHOWN = ("wall", "training", "starting", "cpu", "peak_mib")


def measured(ground: Ground, kind: Any, name: str, workers: int) -> dict[str, float]:
    """Of one training, launched by a process of its own; peak_mib is its largest worker's."""
    task = asdict(ground.task(kind, name, **(NETWORK if kind == "network" else {})))
    command = [sys.executable, __file__, "--launch", json.dumps(task), str(workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    record = json.loads((Path(task["folder"]) / "training.json").read_text("utf-8"))
    return {
        **found,
        "training": record["seconds"],
        "starting": found["wall"] - record["seconds"],
        "auc": record["val"]["metrics"]["auc"],
    }


def launch(task: dict[str, Any], workers: int) -> None:
    began = time.perf_counter()
    processes.started(processes.MEMBER, task, workers, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "wall": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }
    print(json.dumps(found))


def shown(kind: str, rows: int, one: list[dict[str, float]], two: list[dict[str, float]]) -> None:
    def line(name: str, values: Iterator[str]) -> None:
        print(f"{name:<28}", *(f"{value:>10}" for value in values))

    medians = [
        {key: statistics.median(run[key] for run in runs) for key in SHOWN} for runs in (one, two)
    ]
    line(f"{kind}, {rows:,} rows", iter(SHOWN))
    for name, found in zip(("one worker", "two workers"), medians, strict=True):
        line(f"  {name}", (f"{found[key]:.1f}" for key in SHOWN))
    apart = abs(one[0]["auc"] - two[0]["auc"])
    print(f"  validation AUC {one[0]['auc']:.6f} and {two[0]['auc']:.6f}, {apart:.1e} apart")
    line("  ratio", (f"{medians[1][key] / medians[0][key]:.2f}" for key in SHOWN))


@contextmanager
def place(given: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=given) as folder:
        yield Path(folder)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--rows", type=int, nargs="+", default=[SMALL, LARGER])
    asked.add_argument("--folder", type=Path)
    given = asked.parse_args()
    for rows in given.rows:
        with place(given.folder) as folder:
            ground = Ground(folder, rows, numbers=NUMBERS)
            print(
                f"normalization of {ground.split.counts['train']:,} training rows, serial: "
                f"{ground.normalized:.2f} s"
            )
            for kind in KINDS:
                runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
                for number in range(given.rounds):
                    for workers, found in runs.items():
                        name = f"{kind}-{number}-{workers}"
                        found.append(measured(ground, kind, name, workers))
                shown(kind, rows, runs[1], runs[2])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--launch"]:
        launch(json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
