"""Run a pipeline's job in this process, on the instance that the UI shows."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from assets.stage import partitions
from pipelines.definitions import ROOT
from pipelines.loading import job, pipeline
from pipelines.schedule import snapshot_config
from plumbline.environment import home


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    succeeded: bool
    interrupted: bool
    """Whether somebody stopped it, by Ctrl-C or a request to terminate."""
    run_id: str
    problems: tuple[str, ...]
    """What failed or was found, one line each, in the order it happened."""


def prepare_home() -> None:
    """Default the environment to the project's own `.plumbline`, and link Dagster's settings."""
    os.environ.setdefault("PLUMBLINE_HOME", str(ROOT / ".plumbline"))
    dagster_home = Path(os.environ.setdefault("DAGSTER_HOME", str(home() / "dagster")))
    dagster_home.mkdir(parents=True, exist_ok=True)
    settings = dagster_home / "dagster.yaml"
    if not settings.exists():
        settings.unlink(missing_ok=True)  # a link whose target moved
        settings.symlink_to(ROOT / "dagster.yaml")


def launch(name: str, dataset_version: str, parameters: Mapping[str, str]) -> Outcome:
    """Register the partition and run the pipeline's job for it.

    Raises:
        PlumblineError: there is no such pipeline, or its files are not valid.
    """
    spec = pipeline(name)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(partitions(spec).name or "", [dataset_version])
        result = job(name).execute_in_process(
            instance=instance,
            partition_key=dataset_version,
            run_config={
                **snapshot_config(spec, dict(parameters)),
                # The terminal shows Plumbline's own lines; Dagster's stay in its event log.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
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


def _problems(result: dg.ExecuteInProcessResult) -> list[str]:
    told = []
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                place = f"{check.asset_key.to_user_string()}: {check.check_name}"
                told.append(f"{check.severity.value} {place}: {check.description}")
        elif event.is_step_failure:
            told.append(f"FAILED {event.step_key}: {_reason(event)}")
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
