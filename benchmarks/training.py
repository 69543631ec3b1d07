"""Our training loop beside `keras.Model.fit` and PyTorch: the same network, rows and batches.

    python benchmarks/training.py [--backend tensorflow jax] [--rows 20000 200000]
                                  [--batch 256 4096] [--rounds 3] [--torch PYTHON] [--note TEXT]
                                  [--show]

What is compared is told in training_sides.py and training_ceiling.py, and on the page that is
written: docs/training-measured.md, from docs/training-measured.json, where each run replaces
the earlier ones of its backend. --show writes the page anew without measuring. PyTorch is no
dependency: `--torch` names a Python that has it.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import training_shown
from training_ceiling import products_alone
from training_sides import (
    Side,
    compiled,
    fit_numpy,
    fit_tf_data,
    plumbline,
    sharing,
    table,
    torch_compiled,
    torch_eager,
)

RESULTS = Path(__file__).parents[1] / "docs" / "training-measured.json"
LEAST = {"tensorflow": 1.5, "jax": 1.2}
"""Ratio to `fit(numpy)` that must be shown for 200,000 rows in batches of 256."""

SIDES: dict[str, Side] = {
    "Plumbline": plumbline,
    "fit(numpy)": fit_numpy,
    "fit(tf.data)": fit_tf_data,
    "matrix products": products_alone,
}
TORCH: dict[str, Side] = {"PyTorch eager": torch_eager, "PyTorch compiled": torch_compiled}
OURS = ("Plumbline", "matrix products")
"""Sides with the devices that Plumbline makes of a CPU."""


def peak() -> float:
    """Peak memory of this process (MiB)."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    ]
    return int(line.split()[1]) / 1024


def one_side(name: str, rows: int, batch: int) -> dict[str, Any]:
    seconds, area = (SIDES | TORCH)[name](table(rows), batch)
    devices = sharing(compiled(), batch) if name == "Plumbline" else None
    return {
        "rate": rows * len(seconds) / sum(seconds),
        "auc": None if math.isnan(area) else area,
        "peak": peak(),
        "devices": devices,
    }


def measured(python: str, backend: str, name: str, rows: int, batch: int) -> dict[str, Any]:
    command = [python, __file__, "--side", name, "--rows", str(rows), "--batch", str(batch)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if name not in OURS:
        environment.setdefault("JAX_NUM_CPU_DEVICES", "1")  # as without Plumbline
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} on {backend} failed:\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def compared(backend: str, rows: int, batch: int, rounds: int, torch: str | None) -> dict[str, Any]:
    """All sides measured in turns."""
    sides = dict.fromkeys(SIDES, sys.executable)
    if torch and backend == "tensorflow":  # PyTorch is the same beside either backend
        sides |= dict.fromkeys(TORCH, torch)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, python in sides.items():
            found[name].append(measured(python, backend, name, rows, batch))
    devices = found["Plumbline"][0]["devices"]
    for run in (run for runs in found.values() for run in runs):
        del run["devices"]
    return {"rows": rows, "batch": batch, "devices": devices, "sides": found}


def ratio(case: dict[str, Any]) -> float:
    """Of our rate to that of `fit(numpy)`."""
    ours, fit = (max(training_shown.rates(case["sides"][one])) for one in list(SIDES)[:2])
    return ours / fit


def surroundings(backend: str) -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    packages = ("keras", "jax", "jaxlib") if backend == "jax" else ("keras", "tensorflow")
    return {
        "processor": named[0] if named else "an unknown processor",
        "cores": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in packages},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", nargs="+", default=list(LEAST), choices=list(LEAST))
    parser.add_argument("--rows", nargs="+", type=int, default=[20_000, 200_000])
    parser.add_argument("--batch", nargs="+", type=int, default=[256, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--note", default="", help="what else the machine did, for the page")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true", help="only write the page anew")
    parser.add_argument("--side", choices=[*SIDES, *TORCH], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(one_side(given.side, given.rows[0], given.batch[0])))
        return 0
    results = json.loads(given.results.read_text("utf-8")) if given.results.exists() else {}
    failed = 0
    for backend in [] if given.show else given.backend:
        cases = []
        for rows in given.rows:
            for batch in given.batch:
                case = compared(backend, rows, batch, given.rounds, given.torch)
                print(backend, *training_shown.case(case), "", sep="\n", flush=True)
                if (rows, batch) == (200_000, 256) and ratio(case) < LEAST[backend]:
                    print(f"below the {LEAST[backend]} that must be shown", file=sys.stderr)
                    failed = 1
                cases.append(case)
        results[backend] = {**surroundings(backend), "note": given.note, "cases": cases}
        given.results.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    given.results.with_suffix(".md").write_text(training_shown.document(results), "utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
