"""What each stage would take at other numbers of rows, by what scale.py measured.

    python benchmarks/scale_model.py

writes docs/scale-model.md from docs/scale-measured.json. Time and memory are taken as a fixed part
and a part per row: time that of the largest size above the start-up, memory the growth between
the two largest sizes. Beyond the largest size that was measured everything is an extrapolation.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scale_shown import Points, points

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "scale-measured.json", DOCS / "scale-model.md"
SIZES = (10_000_000, 1_000_000_000, 100_000_000_000)

SPREADS = frozenset({"snapshot", "xgboost", "network"})
"""Stages that several connections or workers share; of the others one process does all."""

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What one stage takes."""

    start_seconds: float
    """CPU time of the start-up."""
    row_seconds: float
    """CPU time of a row."""
    fixed_bytes: float
    """Resident memory without rows."""
    row_bytes: float
    """Resident memory that a row adds."""
    stored_bytes: float
    """Of a row in the store."""
    measured: int
    """The largest number of rows that was measured."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is rented."""

    cores: int = 16
    memory_gib: float = 64
    disk_gib: float = 4000
    core_hour: float = 0.05
    """Price, in dollars."""
    gib_month: float = 0.023
    """Price of a GiB in object storage for a month, in dollars."""
    patience_hours: float = 24
    """How long a stage may take."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One stage at one number of rows."""

    core_hours: float
    memory_gib: float
    stored_gib: float
    extrapolated: bool
    """Whether more rows are asked for than were measured."""

    def dollars(self, machine: Machine) -> float:
        """Of the computing, and of a month in the store."""
        return self.core_hours * machine.core_hour + self.stored_gib * machine.gib_month


def constants(measured: Points) -> Constants:
    """The constants of a stage that was measured at two sizes beside the smallest.

    Raises:
        ValueError: it was not.
    """
    if len(measured) < 3:
        raise ValueError(f"{len(measured)} sizes were measured; three are needed")
    tiny, *_, second, largest = sorted(measured)
    start, before, last = measured[tiny], measured[second], measured[largest]
    row = max(0.0, last["peak_mib"] - before["peak_mib"]) * 2**20 / (largest - second)
    return Constants(
        start_seconds=start["cpu"],
        row_seconds=max(0.0, last["cpu"] - start["cpu"]) / (largest - tiny),
        fixed_bytes=last["peak_mib"] * 2**20 - row * largest,
        row_bytes=row,
        stored_bytes=last["bytes"] / largest,
        measured=largest,
    )


def estimate(known: Constants, rows: int) -> Estimate:
    """What the stage takes at so many rows, in one process."""
    return Estimate(
        core_hours=(known.start_seconds + known.row_seconds * rows) / 3600,
        memory_gib=(known.fixed_bytes + known.row_bytes * rows) / GIB,
        stored_gib=known.stored_bytes * rows / GIB,
        extrapolated=rows > known.measured,
    )


def engine(stage: str, found: Estimate, machine: Machine) -> str:
    """What has to take the stage over, and where nothing can yet, what it falls short of.

    A process is counted with one core. Workers share time, and memory where it grows with rows.
    """
    wanted = math.ceil(
        max(found.core_hours / machine.patience_hours, found.memory_gib / machine.memory_gib)
    )
    if wanted <= 1:
        return (
            "one process" if found.stored_gib <= machine.disk_gib else "one process, object store"
        )
    if stage in SPREADS:
        fits = wanted <= machine.cores and found.memory_gib <= machine.memory_gib
        kind = "connections" if stage == "snapshot" else "workers"
        return f"{wanted:,} {kind}" if fits else f"{wanted:,} {kind} on Ray"
    if found.memory_gib > machine.memory_gib:
        return f"out of reach: {found.memory_gib:,.0f} GiB of memory"
    return f"out of reach: {found.core_hours / 24:,.0f} days"


def document(known: Mapping[str, Constants], machine: Machine) -> str:
    """Markdown: a table for each number of rows."""
    lines = [
        "# The model of scale",
        "",
        "Written by `python benchmarks/scale_model.py` from what [benchmarks/scale.py",
        "measured](scale-measured.md). One process is counted with one core; a",
        f"machine has {machine.cores} cores, {machine.memory_gib:g} GiB of memory and",
        f"{machine.disk_gib:,.0f} GiB of disk, a core hour costs ${machine.core_hour:g}, a GiB in",
        f"object storage ${machine.gib_month:g} a month, and a stage may take",
        f"{machine.patience_hours:g} hours. Prices are assumptions.",
    ]
    for rows in SIZES:
        lines += ["", *_table(known, rows, machine)]
    return "\n".join([*lines, ""])


def _table(known: Mapping[str, Constants], rows: int, machine: Machine) -> Iterator[str]:
    found = {stage: estimate(one, rows) for stage, one in known.items()}
    told = "extrapolated" if any(one.extrapolated for one in found.values()) else "measured"
    yield f"## {rows:,} rows ({told})"
    yield ""
    yield "| stage | core hours | memory (GiB) | store (GiB) | $ | takes over |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for stage, one in found.items():
        yield (
            f"| {stage} | {one.core_hours:,.2f} | {one.memory_gib:,.1f} | {one.stored_gib:,.1f} "
            f"| {one.dollars(machine):,.2f} | {engine(stage, one, machine)} |"
        )
    total = sum(one.dollars(machine) for one in found.values())
    hours = sum(one.core_hours for one in found.values())
    yield f"| all | {hours:,.2f} | | | {total:,.2f} | |"


def modelled(results: Mapping[str, Any]) -> dict[str, Constants]:
    """The constants of every stage that was measured at enough sizes."""
    found = {stage: points(results, stage) for stage in results["stages"]}
    return {stage: constants(one) for stage, one in found.items() if len(one) > 2}


def main() -> None:
    known = modelled(json.loads(RESULTS.read_text("utf-8")))
    PAGE.write_text(document(known, Machine()), "utf-8")


if __name__ == "__main__":
    main()
