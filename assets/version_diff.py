"""The version diff: what became of the data since the dataset version frozen before."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Made, Workbench
from plumbline.errors import ArtifactMissing
from plumbline.evaluation import figures
from plumbline.extract.freeze import find_snapshot
from plumbline.extract.snapshot import Snapshot
from plumbline.history import diff
from plumbline.history.diff import Diff
from plumbline.history.moves import Moves, moves
from plumbline.history.pair import pair
from plumbline.spec import PipelineSpec
from plumbline.versions import fingerprint

CHECK = "split_moves"


def version_diff_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "version_diff",
        _compare,
        after=["split"],
        kinds={"duckdb"},
        description="Rows, columns and distributions against the dataset version frozen before.",
        checks={CHECK: "No row stands on another side than in the dataset version before."},
        blocking=False,
    )


def _compare(bench: Workbench) -> dg.MaterializeResult:
    try:
        before = _before(bench)
    except ArtifactMissing as missing:
        return _withheld(bench, str(missing))
    made = bench.make("version_diff", lambda folder: diff.build(before, bench.snapshot, folder))
    found, reason = diff.load(made.folder)
    if found is None or before is None:
        return _result(bench, made, reason, {"compared": False, "reason": reason})
    tables = _tables(bench, made.folder, found)
    # The moves are looked up each time: the split before may have been made only since.
    try:
        split = moves(bench.spec, pair(before, bench.snapshot), bench.store)
    except ArtifactMissing as missing:
        return _result(bench, made, str(missing), tables)
    return _result(bench, made, split, {**tables, "split_moves": table(split.table)})


def _before(bench: Workbench) -> Snapshot | None:
    if bench.previous is None:
        return None
    version = bench.previous["dataset_version"]
    return find_snapshot(bench.spec.name, version, bench.registry, bench.store)


def _withheld(bench: Workbench, reason: str) -> dg.MaterializeResult:
    """Nothing is stored: the snapshot before may come back."""
    return materialized(
        bench,
        "version_diff",
        folder=bench.folder("split"),
        data_version=fingerprint(withheld=bench.chain.version("version_diff")),
        checks=[_check(bench.spec, reason)],
        metadata={"compared": False, "reason": reason},
    )


def _result(
    bench: Workbench, made: Made, split: Moves | str, metadata: Mapping[str, Any]
) -> dg.MaterializeResult:
    return materialized(
        bench,
        "version_diff",
        folder=made.folder,
        reused=made.reused,
        checks=[_check(bench.spec, split)],
        metadata=metadata,
    )


def _tables(bench: Workbench, folder: Path, found: Diff) -> dict[str, Any]:
    """What the UI shows. Keys and values of rows stay in the artifact, where they are found
    again when a row has to go; Dagster's event log is kept for ever."""
    return {
        "compared": True,
        "previous_version": found.before["dataset_version"],
        "told": diff.told(found),
        **{f"rows_{what}": count for what, count in found.rows.items()},
        "columns_moved": sum(one["size"] != "none" for one in found.changes),
        **pictures(bench, [folder], {"drift": lambda: _drift(found)}),
        "columns_changed": table(found.changes),
        **{f"columns_{what}": table(rows) for what, rows in found.columns.items()},
    }


def _drift(found: Diff) -> bytes | None:
    before, after = (one["dataset_version"] for one in (found.before, found.after))
    return figures.drift(found.changes, found.rows, (before, after))


def _check(spec: PipelineSpec, split: Moves | str) -> dg.AssetCheckResult:
    """Passed where nothing could be compared: that is told, and is not a fault of the data."""
    problem = "" if isinstance(split, str) else split.problem
    told = (
        split
        if isinstance(split, str)
        else f"{split.moved:,} rows moved between sides under the policy {split.policy!r}"
    )
    return checked(
        asset_key=key(spec, "version_diff"),
        check_name=CHECK,
        passed=not problem,
        severity=dg.AssetCheckSeverity.ERROR,
        description=problem or told,
    )
