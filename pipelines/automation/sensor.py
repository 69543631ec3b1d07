"""The sensor of a pipeline's source: a table has changed, so a new version is frozen."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from assets.sources import last_frozen, observations, watermarks
from pipelines.automation.runs import freezing
from plumbline.automation.ticks import unchanged
from plumbline.automation.watermark import digest
from plumbline.postgres import postgres
from plumbline.spec import PipelineSpec, version_name


def source_sensor(
    spec: PipelineSpec, root: Path, job: UnresolvedAssetJobDefinition
) -> dg.SensorDefinition:
    """One run per change of the source. Off until switched on in the UI.

    Its cursor is the watermark that a run was last asked for, so that a version which could not
    be frozen is not tried again until the source has changed once more.
    """
    declared = spec.sensor
    assert declared is not None

    @dg.sensor(
        name=f"{spec.name}_source_sensor",
        job=job,
        minimum_interval_seconds=declared.every,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Freezes a dataset version named like {declared.version} and runs it, when "
        "a table that the extract reads has changed.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        server, instance = postgres(), context.instance
        found = watermarks(spec, root, server)
        watermark = digest(found)
        if context.cursor == watermark:
            return dg.SkipReason(f"the source has not changed (watermark {watermark[:8]})")
        frozen = last_frozen(instance, spec)
        if unchanged(frozen, watermark):
            return dg.SensorResult(skip_reason=unchanged(frozen, watermark), cursor=watermark)
        if busy := instance.get_runs(_unfinished(spec), limit=1):
            return dg.SkipReason(f"run {busy[0].run_id} of {spec.name} is not finished")
        at = dt.datetime.now(ZoneInfo(declared.timezone))
        asked = freezing(
            spec,
            version=version_name(declared.version, spec.name, at, watermark),
            owner=f"{spec.name}_source_sensor/{frozen and frozen[0]}/{watermark}",
            at=at,
            parameters=declared.parameters,
            instance=instance,
            server=server,
        )
        if isinstance(asked, dg.SkipReason):
            return dg.SensorResult(skip_reason=asked, cursor=watermark)
        return dg.SensorResult(
            run_requests=[asked], cursor=watermark, asset_events=list(observations(found))
        )

    return tick


def _unfinished(spec: PipelineSpec) -> dg.RunsFilter:
    return dg.RunsFilter(job_name=spec.name, statuses=NOT_FINISHED_STATUSES)
