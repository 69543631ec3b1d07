"""`plumbline prove NAME`: the leakage proofs and the independent statistics, on demand."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipelines.commands.shared import told_plainly

if TYPE_CHECKING:
    import dagster as dg

    from assets.workbench import Workbench

    Result = dg.AssetCheckResult


@click.command()
@click.argument("name")
@click.option("--dataset-version", help="Default: the one that was frozen last.")
@click.option("--full", is_flag=True, help="Fit the baselines on every row, not on a sample.")
@click.option("--network", is_flag=True, help="Train the network twice instead, and compare.")
@click.option("--epochs", type=click.IntRange(1), help="Of --network's trainings. Default: 3.")
def prove(
    name: str, dataset_version: str | None, full: bool, network: bool, epochs: int | None
) -> None:
    """Prove again that only training rows were fitted in NAME; exit code 1 if a proof fails.

    With --network: that the network comes out the same when it is trained twice.
    """
    from pipelines.commands.shared import workbench

    with told_plainly():
        bench = workbench(name, dataset_version)
        proved = list(_timed(_trainings(bench, epochs) if network else _proofs(bench, full)))
    _print(proved)
    sys.exit(1 if any(_status(result) == "FAILED" for result, _ in proved) else 0)


def _proofs(bench: "Workbench", full: bool) -> "Iterator[Result]":
    from assets import baselines, normalization

    yield from normalization.proofs(bench)
    yield baselines.proof(bench, "linear", full=full)
    yield baselines.proof(bench, "random_forest", full=full)
    yield baselines.proof(bench, "xgboost", full=full)


def _trainings(bench: "Workbench", epochs: int | None) -> "Iterator[Result]":
    from assets import reproducibility

    yield reproducibility.proof(bench, *([epochs] if epochs else []))


def _timed(results: "Iterator[Result]") -> "Iterator[tuple[Result, float]]":
    """Each result with the seconds it took."""
    started = time.perf_counter()
    for result in results:
        yield result, time.perf_counter() - started
        started = time.perf_counter()


def _status(result: "Result") -> str:
    if result.passed:
        return "holds"
    return "warned" if result.severity.value == "WARN" else "FAILED"


def _print(proved: "list[tuple[Result, float]]") -> None:
    from rich.table import Table
    from rich.text import Text

    from pipelines.screen import console

    grid = Table("of", "proof", "status", "found", "seconds", box=None, pad_edge=False)
    for result, seconds in proved:
        stage = result.asset_key.path[-1] if result.asset_key else ""
        told = Text(result.description or "")  # features are named there: no markup
        grid.add_row(stage, result.check_name, _status(result), told, f"{seconds:.2f}")
    console().print(grid)
