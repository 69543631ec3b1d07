"""The schedules of a pipeline: a new dataset version, and the guard drill on the newest one."""

import datetime as dt
import itertools
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from assets.sources import last_frozen, watermarks
from assets.stage import partitions
from pipelines.automation.runs import freezing
from plumbline.automation.ticks import missed, unchanged
from plumbline.automation.watermark import digest
from plumbline.errors import SpecError
from plumbline.postgres import postgres
from plumbline.spec import PipelineSpec, ScheduleSpec, version_name


def schedule(
    spec: PipelineSpec, root: Path, job: UnresolvedAssetJobDefinition
) -> dg.ScheduleDefinition:
    """One run per tick and dataset version. Off until switched on in the UI.

    Raises:
        SpecError: two ticks would freeze versions of the same name.
    """
    declared = spec.schedule
    assert declared is not None

    @dg.schedule(
        name=f"{spec.name}_schedule",
        job=job,
        cron_schedule=declared.cron,
        execution_timezone=declared.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Freezes a dataset version named like {declared.version} and runs it.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time.astimezone(ZoneInfo(declared.timezone))
        following = _ticks(declared, at.timestamp() + 1)[0]
        now = dt.datetime.now(dt.UTC)
        reason = missed(declared.catch_up, scheduled=at, following=following, now=now)
        if reason:
            return dg.SkipReason(reason)
        server, watermark = postgres(), ""
        if declared.only_when_changed or "{watermark" in declared.version:
            watermark = digest(watermarks(spec, root, server))
        frozen = last_frozen(context.instance, spec) if declared.only_when_changed else None
        if reason := unchanged(frozen, watermark):
            return dg.SkipReason(reason)
        return freezing(
            spec,
            version=version_name(declared.version, spec.name, at, watermark),
            owner=f"{spec.name}_schedule/{at.isoformat()}",
            at=at,
            parameters=declared.parameters,
            instance=context.instance,
            server=server,
        )

    _require_different_names(spec.name, declared)
    return tick


def drill_schedule(spec: PipelineSpec, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Weekly, on the dataset version that was added last. Off until switched on in the UI."""

    @dg.schedule(
        name=f"{spec.name}_guard_drill_schedule",
        job=job,
        cron_schedule="0 4 * * 0",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Holds the guard drill on the newest dataset version.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        versions = context.instance.get_dynamic_partitions(partitions(spec).name or "")
        if not versions:
            return dg.SkipReason(f"{spec.name} has no dataset version yet")
        return dg.RunRequest(partition_key=versions[-1])

    return tick


def _ticks(declared: ScheduleSpec, start: float, count: int = 1) -> list[dt.datetime]:
    """The first ticks at or after `start`, in the schedule's time zone."""
    ticks = schedule_execution_time_iterator(start, declared.cron, declared.timezone)
    return list(itertools.islice(ticks, count))


def _require_different_names(name: str, declared: ScheduleSpec) -> None:
    """Adjacent ticks are enough to look at: what differs between them has no way back."""
    if "{watermark" in declared.version:
        return
    start = dt.datetime(2026, 1, 1, tzinfo=ZoneInfo(declared.timezone))
    for one, other in itertools.pairwise(_ticks(declared, start.timestamp(), 12)):
        made = version_name(declared.version, name, other, "")
        if version_name(declared.version, name, one, "") == made:
            raise SpecError(
                f"schedule.version of {name} makes {made} at {one:%Y-%m-%d %H:%M} and at "
                f"{other:%Y-%m-%d %H:%M}",
                expected=f"another name at each tick of {declared.cron!r}",
                remedy=f"write version: '{declared.version}_{{time}}', or a rarer cron",
            )
