"""What scale.py measured: kept from run to run, held to its limits, and shown as a document."""

import argparse
import math
import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from scale_peers import PEERS
from scale_stage import EPOCHS, FOREST_SHARE

STEEPEST = 1.05
"""Exponent of CPU seconds over rows, at most."""
LEAST = 0.5
"""CPU seconds above the start-up that say something of growth, at least."""

HEAD = """# What scale measured

Written by `benchmarks/scale.py` from `scale-measured.json`: `python benchmarks/scale.py --show`
writes this page anew. [Past one machine](scale.md) says what follows from it.

Every stage is materialized by Dagster in a process of its own, with its checks, figures and
records, on a table of {columns} columns in an embedded PostgreSQL; `resources.memory_gib` is
{budget:g}. MiB is the process' highest resident memory. CPU s is of the process and of the
server together, s the wall time. The exponent is of the CPU seconds above those at {tiny:,} rows,
by least squares of the logarithms over {sizes}; a stage that takes less than {least} s more
at two of them has none. The network is trained for {epochs} epochs of batches of 4,096,
whatever the number of rows, and with one seed, so that `network_seeds` has nothing to train;
each tree of the forest has its rows drawn so that its nodes keep to a {share}th of the budget.
{machine}
"""

Points = Mapping[int, Mapping[str, float]]
"""What was measured, by number of rows; the fewest are where all is start-up."""


def merged(
    results: Mapping[str, Any],
    asked: argparse.Namespace,
    kind: str,
    stage: str,
    rows: int,
    one: Mapping[str, float],
) -> dict[str, Any]:
    """The results with one more measurement, in the place of an earlier one.

    kind: stages or peers.
    """
    kept = {name: results.get(name, {}) for name in ("stages", "peers")}
    rounded = {name: round(value, 3) for name, value in one.items()}
    kept[kind] = {**kept[kind], stage: {**kept[kind].get(stage, {}), str(rows): rounded}}
    return {
        "columns": asked.columns,
        "budget_gib": asked.budget_gib,
        "tiny": asked.tiny,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "note": asked.note or results.get("note", ""),
        **kept,
    }


def points(results: Mapping[str, Any], stage: str, kind: str = "stages") -> Points:
    found = {int(rows): one for rows, one in results[kind][stage].items()}
    return dict(sorted(found.items()))


def exponent(measured: Points, of: str = "cpu") -> float | None:
    """Slope of log seconds over log rows, above the seconds at the fewest rows.

    None where fewer than two sizes take `LEAST` seconds above it.
    """
    start = measured[min(measured)][of]
    pairs = [
        (math.log(rows), math.log(one[of] - start))
        for rows, one in sorted(measured.items())[1:]
        if one[of] - start >= LEAST
    ]
    if len(pairs) < 2:
        return None
    return statistics.linear_regression(*zip(*pairs, strict=True)).slope


def broken(results: Mapping[str, Any]) -> list[str]:
    """Limits that are not kept, or not shown to be kept at the largest size: sentences."""
    largest = max(max(points(results, stage)) for stage in results["stages"])
    return [told for stage in results["stages"] for told in _broken(results, stage, largest)]


def _broken(results: Mapping[str, Any], stage: str, largest: int) -> Iterator[str]:
    measured = points(results, stage)
    if largest not in measured:
        yield f"{stage}: not measured at {largest:,} rows"
    slope, most = exponent(measured), results["budget_gib"] * 1024
    if slope is not None and slope > STEEPEST:
        yield f"{stage}: time grows with an exponent of {slope:.2f}, at most {STEEPEST} is wanted"
    for rows, one in measured.items():
        if one["peak_mib"] > most:
            yield f"{stage}: {one['peak_mib']:,.0f} MiB at {rows:,} rows, of {most:,.0f}"


def document(results: Mapping[str, Any]) -> str:
    """Markdown: a table of seconds, and one of memory."""
    sizes = sorted({rows for stage in results["stages"] for rows in points(results, stage)})
    larger = [rows for rows in sizes if rows != results["tiny"]]
    head = HEAD.format(
        columns=results["columns"],
        budget=results["budget_gib"],
        tiny=results["tiny"],
        sizes=", ".join(f"{rows:,}" for rows in larger),
        least=LEAST,
        epochs=EPOCHS,
        share=FOREST_SHARE,
        machine=f"{results['machine']}. {results['note']}".strip(),
    )
    peers = ["", *_peers(results)] if results["peers"] else []
    return "\n".join([head, *_table(results, sizes), *peers, ""])


def _table(results: Mapping[str, Any], sizes: list[int]) -> Iterator[str]:
    units = ("CPU s", "s", "MiB")
    columns = [f"{rows:,}: {unit}" for rows in sizes for unit in units]
    yield "| " + " | ".join(["stage", *columns, "exponent"]) + " |"
    yield "|" + " --- |" * (len(columns) + 2)
    for stage in results["stages"]:
        measured = points(results, stage)
        slope = exponent(measured)
        told = [cell for rows in sizes for cell in _cells(measured.get(rows))]
        yield "| " + " | ".join([stage, *told, "" if slope is None else f"{slope:.2f}"]) + " |"


def _peers(results: Mapping[str, Any]) -> Iterator[str]:
    """CPU seconds above the start-up and the peak, beside what people use instead."""
    yield "## Beside what people use instead"
    yield ""
    yield "CPU s are above those of the start-up. A peer does less than the stage: no checks,"
    yield "proofs or records, and it holds all rows in memory."
    yield ""
    yield "| stage | peer | rows | CPU s | peer's CPU s | of the peer's | MiB | peer's MiB |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for stage in results["peers"]:
        ours, theirs = points(results, stage), points(results, stage, "peers")
        for rows in list(theirs)[1:]:
            if rows not in ours:
                continue
            own, peer = (one[rows]["cpu"] - one[min(one)]["cpu"] for one in (ours, theirs))
            told = [stage, PEERS[stage][0], f"{rows:,}", f"{own:.1f}", f"{peer:.1f}"]
            memory = (f"{one[rows]['peak_mib']:,.0f}" for one in (ours, theirs))
            yield "| " + " | ".join([*told, f"{own / peer:.2f}", *memory]) + " |"


def _cells(one: Mapping[str, float] | None) -> list[str]:
    if one is None:
        return ["", "", ""]
    return [f"{one['cpu']:,.1f}", f"{one['seconds']:,.1f}", f"{one['peak_mib']:,.0f}"]
