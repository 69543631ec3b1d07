"""The guard drill on the small pipeline: every guard fires, and a silenced one is told."""

from pathlib import Path

import dagster as dg
import pytest
from small_pipeline import make_source, run, small_spec

from assets.guard_drill import ground
from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from plumbline.drill.drill import drill
from plumbline.drill.exercises import EXERCISES
from plumbline.drill.ground import Ground
from plumbline.postgres import Postgres
from plumbline.registry import Registry

SPEC = small_spec()


@pytest.fixture(scope="module")
def drilled(module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory):
    """The data's stages of the small pipeline, then its guard drill as Dagster runs it."""
    root = tmp_path_factory.mktemp("project")
    make_source(module_postgres, root, rows=6000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(root / "store"))
        with dg.DagsterInstance.ephemeral() as instance:
            stages = ["snapshot", "split", "audit", "normalization"]
            assert run(SPEC, root, instance, selection=stages).success
            result = _held(root, instance)
        yield root, result


def _held(root: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    shared = dg.Definitions(
        resources={"plumbline": PlumblineResource()}, executor=dg.in_process_executor
    )
    definitions = dg.Definitions.merge(pipeline_definitions(SPEC, root), shared)
    return definitions.resolve_job_def("visits_guard_drill").execute_in_process(
        instance=instance, partition_key="v1", raise_on_error=False
    )


@pytest.fixture
def held_on(drilled, module_postgres: Postgres) -> Ground:
    root, _ = drilled
    return ground(PlumblineResource().open(SPEC, root, "v1"))


def test_every_guard_fires_and_is_silent_on_sound_data(drilled, module_postgres: Postgres) -> None:
    _, result = drilled
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert list(checks) == ["every_guard_fires", "versions_agree"]
    check = checks["every_guard_fires"]
    assert check.passed, check.description
    rows = Registry.open(module_postgres).rows("guard_drills", pipeline="visits")
    assert {row["guard"] for row in rows} >= {
        "audit: target_leakage",
        "audit: signal",
        "audit: finite",
        "audit: shift",
        "leakage proof",
        "certificate: duplicates",
        "certificate: groups",
        "artifact hashes",
        "version binding",
    }
    assert all(row["fired"] and row["silent_on_sound_data"] and row["told"] for row in rows)


def test_the_data_is_as_it_was(held_on: Ground) -> None:
    (verified,) = [one for one in EXERCISES if one.guard == "artifact hashes"]
    before = sorted(held_on.snapshot.folder.rglob("*"))
    list(drill(held_on, EXERCISES))
    assert verified.untouched(held_on) is None
    assert sorted(held_on.snapshot.folder.rglob("*")) == before


def test_a_silenced_guard_is_told(held_on: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.split.certificate.problems", lambda certified: ())
    outcomes = {one.guard: one for one in drill(held_on, EXERCISES)}
    assert not outcomes["certificate: groups"].fired
    assert not outcomes["certificate: duplicates"].passed
    assert outcomes["artifact hashes"].passed


def test_a_guard_that_cries_wolf_is_told(held_on: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.split.certificate.problems", lambda certified: ("wolf",))
    outcomes = {one.guard: one for one in drill(held_on, EXERCISES)}
    assert outcomes["certificate: groups"].fired
    assert not outcomes["certificate: groups"].passed
    assert outcomes["certificate: groups"].told == "wolf"


def test_the_weekly_schedule_takes_the_newest_version(tmp_path: Path) -> None:
    make = tmp_path / "sql" / "extracts"
    make.mkdir(parents=True)
    (make / "visits.sql").write_text("SELECT 1 AS visit_id")
    definitions = dg.Definitions.merge(
        pipeline_definitions(SPEC, tmp_path),
        dg.Definitions(resources={"plumbline": PlumblineResource()}),
    )
    schedule = definitions.resolve_schedule_def("visits_guard_drill_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance, repository_def=definitions.get_repository_def()
        ) as context,
    ):
        none = schedule.evaluate_tick(context)
        assert none.skip_message == "visits has no dataset version yet"
        instance.add_dynamic_partitions("visits_dataset_versions", ["v1", "v2"])
        (request,) = schedule.evaluate_tick(context).run_requests
        assert request.partition_key == "v2"
