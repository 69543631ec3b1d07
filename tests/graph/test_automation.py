"""Ticks of schedules and sensors, conditions, freshness: what runs without anybody asking."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from small_pipeline import run, small_spec

from assets.resources import PlumblineResource
from assets.sources import source_assets
from pipelines.automation.conditions import MADE_ON_REQUEST
from pipelines.automation.freshness import RELIED_ON
from pipelines.training_pipeline import pipeline_definitions
from plumbline.errors import SpecError
from plumbline.postgres import Postgres

SCHEDULE = {"cron": "0 3 * * *", "parameters": {"as_of": "{date}"}}
DAY = dt.timedelta(days=1)
VERSIONS = "visits_dataset_versions"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def today() -> dt.datetime:
    """The last tick of SCHEDULE."""
    now = dt.datetime.now(dt.UTC)
    three = now.replace(hour=3, minute=0, second=0, microsecond=0)
    return three if three <= now else three - DAY


def _definitions(root: Path, **options: Any) -> dg.Definitions:
    spec = small_spec(**options)
    shared = dg.Definitions(
        assets=source_assets([spec], root), resources={"plumbline": PlumblineResource()}
    )
    return dg.Definitions.merge(pipeline_definitions(spec, root), shared)


def _scheduled(
    definitions: dg.Definitions, instance: dg.DagsterInstance, at: dt.datetime
) -> dg.RunRequest | str:
    """What the tick at `at` asks for, or why for nothing."""
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at,
        repository_def=definitions.get_repository_def(),
    ) as context:
        found = definitions.resolve_schedule_def("visits_schedule").evaluate_tick(context)
    return next(iter(found.run_requests or ()), None) or str(found.skip_message)


def _sensed(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[dg.RunRequest | str, str | None, int]:
    """What the sensor asks for, or why for nothing; its cursor; tables it observed."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=definitions.get_repository_def()
    )
    # A daemon's context has the partitions from a reference to its instance.
    with context, partition_loading_context(dynamic_partitions_store=instance):
        found = definitions.resolve_sensor_def("visits_source_sensor").evaluate_tick(context)
    asked = next(iter(found.run_requests or ()), None) or str(found.skip_message)
    return asked, found.cursor, len(found.asset_events)


def _change(server: Postgres) -> None:
    with server.connect(autocommit=True) as connection:
        connection.execute("UPDATE public.visits SET fee = fee + 1 WHERE visit_id = 1")
        connection.execute("SELECT pg_stat_force_next_flush()")


def _freeze(root: Path, instance: dg.DagsterInstance, version: str) -> None:
    assert run(small_spec(), root, instance, version, selection=["snapshot"]).success


def test_a_tick_freezes_a_version_named_by_date(project, instance, today):
    definitions = _definitions(project, schedule=SCHEDULE)
    declared = definitions.resolve_schedule_def("visits_schedule")
    assert declared.default_status == dg.DefaultScheduleStatus.STOPPED
    asked = _scheduled(definitions, instance, today)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == asked.run_key == f"visits_{today:%Y_%m_%d}"
    assert instance.get_dynamic_partitions(VERSIONS) == [asked.partition_key]
    config = asked.run_config["ops"]["visits__snapshot"]["config"]
    assert config == {"parameters": {"as_of": f"{today:%Y-%m-%d}"}}
    # A daemon that went down before it launched asks again, and gets the run of the same key.
    assert _scheduled(definitions, instance, today) == asked


def test_a_name_that_somebody_else_has_is_left_to_them(project, instance, today):
    version = f"visits_{today:%Y_%m_%d}"
    instance.add_dynamic_partitions(VERSIONS, [version])
    told = _scheduled(_definitions(project, schedule=SCHEDULE), instance, today)
    assert told == f"the dataset version {version} is there already"


def test_of_ticks_at_once_one_gets_the_version(project, instance, today):
    """The schedule's and the sensor's, whose templates make the same name."""
    template = {"version": f"{{name}}_{today:%Y}_{{watermark}}"}
    definitions = _definitions(project, schedule={**SCHEDULE, **template}, sensor=template)
    with ThreadPoolExecutor(8) as threads:
        ticks = [threads.submit(_scheduled, definitions, instance, today - n * DAY) for n in (0,)]
        ticks += [threads.submit(lambda: _sensed(definitions, instance)[0])]
        asked = [tick.result() for tick in ticks]
    assert sorted(isinstance(one, dg.RunRequest) for one in asked) == [False, True]
    assert len(instance.get_dynamic_partitions(VERSIONS)) == 1


def test_a_source_that_stands_still_is_frozen_once(project, instance, today, module_postgres):
    definitions = _definitions(project, schedule=SCHEDULE)
    _freeze(project, instance, "by_hand")
    told = _scheduled(definitions, instance, today)
    assert "the source has not changed since by_hand was frozen" in str(told)
    always = _definitions(project, schedule={**SCHEDULE, "only_when_changed": False})
    assert isinstance(_scheduled(always, instance, today), dg.RunRequest)
    _change(module_postgres)
    assert isinstance(_scheduled(definitions, instance, today), dg.RunRequest)


@pytest.mark.parametrize(("catch_up", "days"), [("latest", [0]), ("all", [2, 1, 0]), ("none", [])])
def test_ticks_that_were_missed_are_caught_up_as_declared(project, instance, today, catch_up, days):
    definitions = _definitions(project, schedule={**SCHEDULE, "catch_up": catch_up})
    if catch_up == "none" and dt.datetime.now(dt.UTC) - today < dt.timedelta(minutes=11):
        pytest.skip("today's tick is not late yet")
    asked = [_scheduled(definitions, instance, today - n * DAY) for n in (2, 1, 0)]
    frozen = [one.partition_key for one in asked if isinstance(one, dg.RunRequest)]
    assert frozen == [f"visits_{today - n * DAY:%Y_%m_%d}" for n in days]


def test_a_template_that_ticks_outrun_is_refused(project):
    with pytest.raises(SpecError, match=r"visits_2026_01_01 at 2026-01-01 00:00 and at .* 06:00"):
        _definitions(project, schedule={"cron": "0 */6 * * *"})
    _definitions(project, schedule={"cron": "0 */6 * * *", "version": "{name}_{date}_{time}"})


def test_the_sensor_freezes_when_a_table_has_changed(project, instance, module_postgres):
    definitions = _definitions(project, sensor={"version": "{name}_{date}_{watermark}"})
    asked, cursor, observed = _sensed(definitions, instance)
    assert isinstance(asked, dg.RunRequest)
    assert observed == 1
    assert str(asked.partition_key).endswith(str(cursor)[:8])
    told, same, observed = _sensed(definitions, instance, cursor)
    assert ("the source has not changed" in str(told), same, observed) == (True, cursor, 0)
    # Its daemon went down before the cursor was kept: the same run, which is launched once.
    assert _sensed(definitions, instance)[0] == asked
    _freeze(project, instance, "from_hand")
    told, other, _ = _sensed(definitions, instance)
    assert ("since from_hand was frozen" in str(told), other) == (True, cursor)
    _change(module_postgres)
    again, moved, _ = _sensed(definitions, instance, cursor)
    assert isinstance(again, dg.RunRequest)
    assert (again.run_key != asked.run_key, moved != cursor) == (True, True)


def test_the_sensor_waits_for_the_run_before(project, instance, module_postgres):
    definitions = _definitions(project, sensor={})
    _, cursor, _ = _sensed(definitions, instance)
    running = instance.create_run_for_job(definitions.resolve_job_def("visits"))
    _change(module_postgres)
    told, kept, _ = _sensed(definitions, instance, cursor)
    assert (told, kept) == (f"run {running.run_id} of visits is not finished", cursor)
    instance.report_run_canceled(running)
    assert isinstance(_sensed(definitions, instance, cursor)[0], dg.RunRequest)


# Dagster's own tester of conditions uses what Dagster calls beta.
@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_version_whose_run_was_interrupted_is_completed_once(project):
    instance = dg.DagsterInstance.ephemeral()
    definitions = _definitions(project, complete_versions=True, training_features=None)
    graph = definitions.resolve_asset_graph()
    by_itself = {
        key for key in graph.materializable_asset_keys if graph.get(key).automation_condition
    }
    rest = {key for key in graph.materializable_asset_keys if key.path[-1] not in MADE_ON_REQUEST}
    assert by_itself == rest

    before = dg.evaluate_automation_conditions(definitions, instance)
    assert before.total_requested == 0
    _freeze(project, instance, "interrupted")
    found = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
    asked = {key for key in rest if found.get_requested_partitions(key) == {"interrupted"}}
    assert asked == rest
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=found.cursor)
    assert after.total_requested == 0


def test_nothing_completes_itself_unless_it_is_declared(project):
    graph = _definitions(project).resolve_asset_graph()
    assert not any(node.automation_condition for node in graph.asset_nodes)
    assert not any(node.freshness_policy for node in graph.asset_nodes)


@pytest.mark.parametrize(
    ("declared", "policy"),
    [
        (
            {"within_hours": 24, "warn_hours": 12},
            dg.FreshnessPolicy.time_window(DAY, dt.timedelta(hours=12)),
        ),
        (
            {"within_hours": 2, "deadline": "0 9 * * *", "timezone": "Europe/Berlin"},
            dg.FreshnessPolicy.cron("0 9 * * *", dt.timedelta(hours=2), "Europe/Berlin"),
        ),
    ],
)
def test_freshness_is_of_what_users_rely_on(project, declared, policy):
    graph = _definitions(project, freshness=declared).resolve_asset_graph()
    followed = {node.key.path[-1]: node.freshness_policy for node in graph.asset_nodes}
    assert {stage: one for stage, one in followed.items() if one} == dict.fromkeys(
        RELIED_ON, policy
    )
