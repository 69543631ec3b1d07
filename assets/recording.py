"""The only place that writes versions on a materialization."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets import lineage
from assets.workbench import Workbench
from plumbline.versions import fingerprint

_BEHIND_GATE = ("network_search", "network", "network_seeds")


def materialized(
    bench: Workbench,
    stage: str,
    *,
    folder: Path,
    metadata: Mapping[str, Any],
    reused: bool = False,
    checks: Iterable[dg.AssetCheckResult] = (),
    data_version: str | None = None,
) -> dg.MaterializeResult:
    """A stage's result as Dagster shows it: versions, place and cost first, then `metadata`."""
    return _recorded(
        bench,
        stage,
        folder=folder,
        data_version=data_version or bench.chain.version(stage),
        reused=reused,
        checks=checks,
        metadata={**lineage.shown(bench, stage, folder), **metadata},
    )


def _recorded(
    bench: Workbench,
    stage: str,
    *,
    folder: Path,
    data_version: str,
    reused: bool,
    checks: Iterable[dg.AssetCheckResult],
    metadata: Mapping[str, Any],
) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        asset_key=dg.AssetKey([bench.spec.name, stage]),
        data_version=dg.DataVersion(data_version),
        check_results=list(checks),
        metadata={
            "dataset_version": bench.dataset_version,
            "dataset_digest": bench.snapshot.digest,
            "normalization_version": bench.chain.normalization,
            "data_version": data_version,
            "artifact": dg.MetadataValue.path(bench.store.location_of(folder)),
            "reused": reused,
            "seconds": round(time.monotonic() - bench.started, 2),
            **bench.memory.measured,
            **_of_this_run(bench, stage),
            **metadata,
        },
    )


def _of_this_run(bench: Workbench, stage: str) -> dict[str, Any]:
    """The run options that were given, and what came of a stage that was forced."""
    given, recomputed = bench.options.given, bench.recomputed.get(stage)
    return {
        **({"run_options": dg.MetadataValue.json(given)} if given else {}),
        **({"recomputed": recomputed} if recomputed else {}),
    }


def withheld(
    bench: Workbench,
    stage: str,
    reason: str,
    *,
    checks: Iterable[dg.AssetCheckResult] = (),
    reused: bool = False,
) -> dg.MaterializeResult:
    """A stage that made nothing, because an earlier one says that there is nothing to make."""
    return _recorded(
        bench,
        stage,
        folder=bench.folder(withheld_by(bench, stage) or stage),
        data_version=data_version_of(bench, stage),
        reused=reused,
        checks=checks,
        metadata={"dagster/row_count": 0, "status": "withheld", "reason": reason},
    )


def withheld_by(bench: Workbench, stage: str) -> str | None:
    """The stage that says that there is nothing to make; None: there is."""
    if stage in _BEHIND_GATE and bench.gate.decision == "CLOSED":
        return "baseline_gate"
    return "network" if stage == "network_seeds" and not bench.further_seeds else None


def data_version_of(bench: Workbench, stage: str) -> str:
    """By which a stage is recorded that others read: its place in the chain, or who withheld it."""
    by = withheld_by(bench, stage)
    return fingerprint(withheld_by=bench.chain.version(by)) if by else bench.chain.version(stage)


def table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rows as a Markdown table, headed by the names of the first one."""
    listed = list(rows)
    if not listed:
        return dg.MetadataValue.md("none")
    lines = [listed[0].keys(), ["---"] * len(listed[0]), *(row.values() for row in listed)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
