"""Whether what a stage read is what Dagster shows of the stages before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from assets.recording import data_version_of, table
from assets.workbench import Workbench

CHECK = "versions_agree"

_LOOKED_THROUGH = 20
"""Materializations among which the one of this run is looked for (count)."""


def spec_of(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that every stage after the snapshot has."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description="What was read of the stages before is what Dagster shows of them for this "
        "dataset version.",
    )


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A stage before: what was read of it, and what Dagster shows."""

    stage: str
    read: str
    shown: str | None
    """None: Dagster has no record."""
    run_id: str = ""

    @property
    def agrees(self) -> bool:
        return self.shown in (None, self.read)


def check(
    context: dg.AssetExecutionContext, bench: Workbench, stage: str, after: Sequence[str]
) -> dg.AssetCheckResult:
    """Warns where Dagster shows another version than the stage has read.

    The store and the registry are the truth: a stage reads what the declaration and the data
    lead to, whoever made it, so its result is right and only the page misleads. Where Dagster has
    no record, because its log was pruned or the run was another instance's, there is nothing to
    disagree with, and it says so.
    """
    compared = [_compare(context, bench, upstream) for upstream in after]
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([bench.spec.name, stage]),
        check_name=CHECK,
        passed=all(one.agrees for one in compared),
        severity=dg.AssetCheckSeverity.WARN,
        description=". ".join(_told(compared, bench)),
        metadata={
            "upstream": table(
                {
                    "stage": one.stage,
                    "read": one.read,
                    "shown by Dagster": one.shown or "no record",
                    "by run": one.run_id,
                }
                for one in compared
            )
        },
    )


def _compare(context: dg.AssetExecutionContext, bench: Workbench, stage: str) -> Compared:
    read = data_version_of(bench, stage)
    shown = _shown(context, dg.AssetKey([bench.spec.name, stage]), read)
    if shown is None:
        return Compared(stage=stage, read=read, shown=None)
    return Compared(stage=stage, read=read, shown=_version(shown), run_id=shown.run_id)


def _shown(
    context: dg.AssetExecutionContext, key: dg.AssetKey, read: str
) -> dg.EventLogRecord | None:
    """This run's materialization of a stage before; the latest one where it made none."""
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[context.partition_key])
    latest = context.instance.fetch_materializations(wanted, limit=1).records
    if not latest or _version(latest[0]) == read:
        return latest[0] if latest else None
    # Another run, of other options, may have come in between; this one goes by its own.
    recent = context.instance.fetch_materializations(wanted, limit=_LOOKED_THROUGH).records
    return next((one for one in recent if one.run_id == context.run.run_id), latest[0])


def _version(record: dg.EventLogRecord) -> str | None:
    made = record.asset_materialization
    return (made.tags or {}).get("dagster/data_version") if made else None


def _told(compared: Sequence[Compared], bench: Workbench) -> Iterator[str]:
    pipeline, version = bench.spec.name, bench.dataset_version
    wrong = [one for one in compared if not one.agrees]
    for one in wrong:
        yield (
            f"{pipeline}/{one.stage} was read as {one.read[:12]}, and Dagster shows "
            f"{(one.shown or '')[:12]} of run {one.run_id[:8]} for {version}"
        )
    if wrong:
        stages = ", ".join(f"{pipeline}/{one.stage}" for one in wrong)
        yield (
            f"To fix: materialize {stages} for {version} with the options of this run, then this "
            "stage; what is in the store is not computed again"
        )
    unseen = [one.stage for one in compared if one.shown is None]
    if unseen:
        yield (
            f"Dagster has no record of {', '.join(unseen)} for {version}: this stage went by the "
            "registry and the store"
        )
    if not wrong and len(unseen) < len(compared):
        yield f"read as Dagster shows it: {', '.join(_agreeing(compared))}"


def _agreeing(compared: Sequence[Compared]) -> Iterator[str]:
    return (f"{one.stage} {one.read[:12]}" for one in compared if one.shown)
