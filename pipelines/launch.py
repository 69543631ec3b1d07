"""Run a pipeline's job in this process, on the instance that the UI shows."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from assets.run_options import RunOptions
from assets.stage import partitions
from pipelines.automation.runs import snapshot_config
from pipelines.launchpad import options_config
from pipelines.loading import job, pipeline
from plumbline.versions import valid_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    succeeded: bool
    interrupted: bool
    """Whether somebody stopped it, by Ctrl-C or a request to terminate."""
    run_id: str
    problems: tuple[str, ...]
    """What failed or was found, one line each, in the order it happened."""


def launch(
    name: str, dataset_version: str, parameters: Mapping[str, str], options: RunOptions
) -> Outcome:
    """Register the partition and run the pipeline's job for it.

    Raises:
        PlumblineError: there is no such pipeline, its files are not valid, it cannot be declared
            with these options, or the dataset version's name is none.
    """
    spec = pipeline(name)
    options.applied_to(spec)
    valid_name(dataset_version)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(partitions(spec).name or "", [dataset_version])
        config = {
            **snapshot_config(spec, dict(parameters)),
            **options_config(options),
            # The terminal shows Plumbline's own lines; Dagster's stay in its event log.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }
        execute = _on_cluster if spec.execution.on_cluster else _here
        result = execute(name, instance, dataset_version, config)
        problems = tuple(_problems(result))
        return Outcome(
            succeeded=result.success,
            interrupted=any(
                error.cls_name == dg.DagsterExecutionInterruptedError.__name__
                for event in result.all_events
                if event.is_step_failure
                for error in _errors(event)
            ),
            run_id=result.run_id,
            problems=problems,
        )


def _here(
    name: str, instance: dg.DagsterInstance, dataset_version: str, config: Mapping[str, Any]
) -> dg.ExecuteInProcessResult:
    return job(name).execute_in_process(
        instance=instance,
        partition_key=dataset_version,
        run_config=config,
        raise_on_error=False,
    )


def _on_cluster(
    name: str, instance: dg.DagsterInstance, dataset_version: str, config: Mapping[str, Any]
) -> dg.JobExecutionResult:
    """Stages find the job on their own machines by the name of the function that gives it."""
    log.info("stages of %s are Ray jobs; what they say is in Dagster's log of the run", name)
    return dg.execute_job(
        dg.build_reconstructable_job("pipelines.loading", "job", (name,)),
        instance=instance,
        tags={"dagster/partition": dataset_version},
        run_config=config,
    )


def _problems(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> list[str]:
    told = []
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                place = f"{check.asset_key.to_user_string()}: {check.check_name}"
                told.append(f"{check.severity.value} {place}: {check.description}")
        elif event.is_step_failure:
            told.append(f"FAILED {event.step_key}: {_reason(event)}")
        elif event.is_job_failure and (error := event.job_failure_data.error):
            told.append(f"FAILED: {error.message.strip()}")
    return told


def _reason(event: dg.DagsterEvent) -> str:
    told = event.step_failure_data.user_failure_data
    if told and told.description:
        return told.description
    errors = list(_errors(event))
    return errors[-1].message.strip() if errors else "no reason was recorded"


def _errors(event: dg.DagsterEvent) -> Iterator[SerializableErrorInfo]:
    """The error that failed a step, then what caused it, and so on to the first cause."""
    error = event.step_failure_data.error
    while error:
        yield error
        error = error.cause
