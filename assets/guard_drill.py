"""The guard drill: on demand and by its own schedule, never part of a pipeline's run."""

from pathlib import Path

import dagster as dg

from assets.checks import checked
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.drill.drill import Outcome, drill, record
from plumbline.drill.ground import Ground
from plumbline.spec import PipelineSpec
from plumbline.split.split import ASSIGNMENT
from plumbline.versions import fingerprint


def guard_drill_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "guard_drill",
        _drill,
        after=["normalization"],
        kinds={"drill"},
        description="Faults put into copies of this dataset version, to see that each guard fires.",
        checks={"every_guard_fires": "Each guard fires on its injection, and on nothing else."},
    )


def held(bench: Workbench) -> list[Outcome]:
    """Hold the drill; each outcome is recorded as soon as it is there."""
    outcomes = []
    for outcome in drill(ground(bench)):
        record(bench.registry, bench.snapshot, outcome)
        outcomes.append(outcome)
    return outcomes


def ground(bench: Workbench) -> Ground:
    """What the drill of a dataset version is held on."""
    return Ground(
        spec=bench.spec,
        snapshot=bench.snapshot,
        split=bench.split,
        assignment=bench.folder("split") / ASSIGNMENT,
        normalization=bench.normalization,
        postgres=bench.postgres,
        registry=bench.registry,
        store=bench.store,
    )


def _drill(bench: Workbench) -> dg.MaterializeResult:
    outcomes = held(bench)
    return materialized(
        bench,
        "guard_drill",
        folder=bench.folder("normalization"),
        data_version=fingerprint(outcomes=[vars(outcome) for outcome in outcomes]),
        checks=[_check(bench.spec, outcomes)],
        metadata={
            "guards": len(outcomes),
            "outcomes": table(vars(outcome) for outcome in outcomes),
        },
    )


def _check(spec: PipelineSpec, outcomes: list[Outcome]) -> dg.AssetCheckResult:
    failed = [one for one in outcomes if not one.passed]
    told = "; ".join(
        f"{one.guard} {'fires on sound data' if one.fired else 'is silent'} ({one.injection})"
        for one in failed
    )
    return checked(
        asset_key=key(spec, "guard_drill"),
        check_name="every_guard_fires",
        passed=not failed,
        description=told or f"all {len(outcomes)} guards fire, and are silent on the data as it is",
    )
