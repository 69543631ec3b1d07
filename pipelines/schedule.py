"""The schedule that freezes a new dataset version, named by date, and runs its pipeline."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from assets.stage import partitions
from plumbline.spec import PipelineSpec


def schedule(spec: PipelineSpec, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """One run per tick and dataset version. Off until switched on in the UI."""
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
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time
        version = declared.version.format(name=spec.name, date=f"{day:%Y_%m_%d}")
        context.instance.add_dynamic_partitions(partitions(spec).name or "", [version])
        return dg.RunRequest(
            run_key=version,
            partition_key=version,
            run_config=snapshot_config(
                spec,
                {
                    name: str(value).format(date=f"{day:%Y-%m-%d}")
                    for name, value in declared.parameters.items()
                },
            ),
        )

    return tick


def snapshot_config(spec: PipelineSpec, parameters: dict[str, str]) -> dict:
    """Run configuration that hands `parameters` to the extract's SQL."""
    return {"ops": {f"{spec.name}__snapshot": {"config": {"parameters": parameters}}}}


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
