"""What training.py measured, as a document."""

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = """# The training loop measured

Written by `benchmarks/training.py` from `training-measured.json`:
`python benchmarks/training.py --show` writes this page anew.

A network of 256 and 128 ReLU units and one output is trained with Adam on rows of 40 normal
numbers that lie in memory as float32 arrays. Each side runs in a process of its own and takes
turns with the others; a first epoch, in which things are compiled, is not counted. Plumbline
and the matrix products use the devices that a training without `network.devices` does, `fit`
those of the backend. rows/s are of the fastest round, which is what the code can do, with the
slowest beside; MiB is the process' peak memory.
"""


def document(results: Mapping[str, Any]) -> str:
    """Markdown: a section for each backend, a table for each number of rows and batch size."""
    return "\n".join([HEAD, *(section(name, found) for name, found in results.items())])


def section(backend: str, found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {one}" for name, one in found["versions"].items())
    note = f" {found['note']}" if found["note"] else ""
    lines = [
        f"## {backend}\n",
        f"{found['processor']}, {found['cores']} cores; {versions}.{note}\n",
    ]
    for one in found["cases"]:
        lines += [*case(one), ""]
    return "\n".join(lines)


def case(found: Mapping[str, Any]) -> list[str]:
    best = {name: max(rates(runs)) for name, runs in found["sides"].items()}
    devices = found["devices"]
    shared = f", shared by {devices} devices" if devices > 1 else ""
    head = ["", "rows/s", "slowest", "of fit", "of the products", "AUC", "MiB"]
    lines = [
        f"{found['rows']:,} rows, batches of {found['batch']:,}{shared}; rounds: "
        f"{len(next(iter(found['sides'].values())))}.\n",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for name, runs in found["sides"].items():
        auc = "" if runs[0]["auc"] is None else f"{runs[0]['auc']:.4f}"
        told = [
            f"{best[name]:,.0f}",
            f"{min(rates(runs)):,.0f}",
            f"{best[name] / best['fit(numpy)']:.2f}",
            f"{best[name] / best['matrix products']:.2f}",
            auc,
            f"{max(run['peak'] for run in runs):,.0f}",
        ]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return lines


def rates(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    return [run["rate"] for run in runs]
