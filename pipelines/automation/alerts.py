"""Who is told: of a run that failed, and of a network in a baseline's place or the reverse."""

import json

import dagster as dg

from plumbline.automation.champions import champions, changes
from plumbline.automation.delivery import channels, deliver
from plumbline.automation.messages import Message, run_failed
from plumbline.postgres import postgres
from plumbline.registry import Registry

UNSET = "nobody is to be told: PLUMBLINE_ALERT_WEBHOOK and PLUMBLINE_ALERT_EMAIL are not set"
PARTITION = "dagster/partition"


def alerts(pipelines: list[str]) -> list[dg.SensorDefinition]:
    """On from the start where the environment says whom to tell; else off."""
    on = dg.DefaultSensorStatus.RUNNING if channels() else dg.DefaultSensorStatus.STOPPED
    return [_on_failure(on), _on_other_winner(pipelines, on)]


def _on_failure(on: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_on_failure",
        default_status=on,
        description="Tells by webhook and e-mail of every run that failed.",
    )
    def tell(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        if not channels():
            return dg.SkipReason(UNSET)
        run = context.dagster_run
        _send(
            context,
            run_failed(
                job=run.job_name,
                run_id=run.run_id,
                dataset_version=run.tags.get(PARTITION),
                problems=[_problem(event) for event in context.get_step_failure_events()]
                or [context.failure_event.message or ""],
            ),
        )
        return None

    return tell


def _problem(event: dg.DagsterEvent) -> str:
    """A step's failure, as `readable_failures` has put it; else its error."""
    failed = event.step_failure_data
    told = failed.user_failure_data.description if failed.user_failure_data else None
    error = failed.error.message.strip() if failed.error else ""
    return f"{event.step_key}: {told or error}"


def _on_other_winner(pipelines: list[str], on: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Asks the registry, not Dagster: promotions by hand and expired overrides count, too."""

    @dg.sensor(
        name="alert_on_other_winner",
        minimum_interval_seconds=60,
        default_status=on,
        description="Tells by webhook and e-mail when the champion went from BASELINE to NETWORK "
        "or back.",
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not channels():
            return dg.SkipReason(UNSET)
        now = champions(Registry.open(postgres()), pipelines)
        before = json.loads(context.cursor) if context.cursor else {}
        told = list(changes(before, now))
        for message in told:
            _send(context, message)
        context.update_cursor(json.dumps({**before, **now}))
        return dg.SkipReason(
            "; ".join(one.subject for one in told) or "the champions are as before"
        )

    return tell


def _send(
    context: dg.RunFailureSensorContext | dg.SensorEvaluationContext, message: Message
) -> None:
    for problem in deliver(message):
        context.log.warning(problem)
