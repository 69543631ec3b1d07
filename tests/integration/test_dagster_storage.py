"""The image's instance on a real PostgreSQL, with a code server, a queue and runs of their own:
a run that is cancelled, a code location that is reloaded under a run, stages in processes.
"""

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest
from conftest import fresh_database
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql
from small_pipeline import small_spec

from assets.pictures import FOLDER as PICTURES
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.store import ArtifactStore
from plumbline.verification import verify

ROOT = Path(__file__).parents[2]
PASSWORD = "not-to-be-told"
STAGES = ["snapshot", "split", "normalization"]
DEFINITIONS = """
from pathlib import Path
import dagster as dg
from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from small_pipeline import small_spec

root = Path(__file__).parent
defs = dg.Definitions.merge(
    pipeline_definitions(small_spec(), root),
    pipeline_definitions(small_spec(name="beside", run={"processes": 2, "priority": 3}), root),
    pipeline_definitions(small_spec(name="hasty", run={"max_hours": 1e-6}), root),
    pipeline_definitions(small_spec(name="one"), root),
    pipeline_definitions(small_spec(name="other"), root),
    dg.Definitions(resources={"plumbline": PlumblineResource()}),
)
"""
LAUNCH = """mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = """mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "visits") {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[Postgres]:
    """Dagster's own."""
    with fresh_database(server) as storage:
        yield storage


@pytest.fixture(scope="module")
def place(project: Path, database: Postgres, tmp_path_factory) -> Iterator["Place"]:
    parts = urlsplit(database.url)
    # The embedded server takes any password.
    login = parts.netloc if parts.password else f"{parts.username}:{PASSWORD}@"
    with pytest.MonkeyPatch.context() as patch:
        address = urlunsplit(parts._replace(netloc=login))
        home = tmp_path_factory.mktemp("dagster")
        patch.setenv("DAGSTER_POSTGRES_URL", _with_driver(address, home))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        (home / "dagster.yaml").unlink(missing_ok=True)  # a link into the image
        (home / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())
        (project / "definitions.py").write_text(DEFINITIONS)
        target = PythonFileTarget(
            python_file=str(project / "definitions.py"),
            attribute=None,
            working_directory=str(project),
            location_name="visits",
        )
        with (
            dg.DagsterInstance.from_config(str(home)) as instance,
            WorkspaceProcessContext(instance, target) as workspace,
        ):
            yield Place(instance, workspace)


def _with_driver(url: str, home: Path) -> str:
    """As deploy/entrypoint.sh hands the address on."""
    told = subprocess.run(
        [str(ROOT / "deploy" / "entrypoint.sh"), "printenv", "DAGSTER_POSTGRES_URL"],
        env={"DAGSTER_POSTGRES_URL": url, "DAGSTER_HOME": str(home), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.strip()


class Place:
    """What the UI and the daemon do, without a browser between."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self.instance = instance
        self._workspace = workspace

    def ask(self, query: str, **variables: Any) -> Any:
        request = self._workspace.create_request_context()
        ((_, answer),) = execute_dagster_graphql(request, query, variables).data.items()
        return answer

    def launch(self, pipeline: str, stages: list[str] = STAGES) -> str:
        self.instance.add_dynamic_partitions(f"{pipeline}_dataset_versions", ["v1"])
        answer = self.ask(
            LAUNCH,
            run={
                "selector": {
                    "repositoryLocationName": "visits",
                    "repositoryName": "__repository__",
                    "jobName": pipeline,
                    "assetSelection": [{"path": [pipeline, stage]} for stage in stages],
                },
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "v1"}]},
            },
        )
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run_id = answer["run"]["runId"]
        assert self.status(run_id) == dg.DagsterRunStatus.QUEUED
        self.dequeue()
        return run_id

    def dequeue(self) -> None:
        """What the daemon does every few seconds."""
        for problem in QueuedRunCoordinatorDaemon(1).run_iteration(self._workspace):
            assert problem is None, problem

    def ended(self, run_id: str) -> dg.DagsterRunStatus:
        deadline = time.monotonic() + 120
        while not (run := self.instance.get_run_by_id(run_id)) or not run.is_finished:
            assert time.monotonic() < deadline, self.told(run_id)
            time.sleep(0.1)
        return run.status

    def monitor(self) -> None:
        """What the daemon does every other minute."""
        for problem in execute_run_monitoring_iteration(self._workspace, logging.getLogger()):
            assert problem is None, problem

    def told(self, run_id: str) -> str:
        return "\n".join(str(one.message) for one in self.instance.all_logs(run_id))

    def status(self, run_id: str) -> dg.DagsterRunStatus | None:
        run = self.instance.get_run_by_id(run_id)
        return run.status if run else None


@contextmanager
def stopped_at(postgres: Postgres, table: str) -> Iterator[psycopg.Connection]:
    """Hold a table of the registry, so that a run waits in the stage that fills it."""
    with postgres.connect() as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        yield connection


def _wait(postgres: Postgres, holder: psycopg.Connection, place: Place, run_id: str) -> None:
    """Until somebody waits for what `holder` holds."""
    deadline = time.monotonic() + 120
    with postgres.connect(autocommit=True) as admin:
        while not admin.execute(
            "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
            [holder.info.backend_pid],
        ).fetchone():
            assert time.monotonic() < deadline, place.told(run_id)
            time.sleep(0.02)


def _sound(project: Path, postgres: Postgres) -> set[str]:
    """Stages that are finished, of which each must verify; nothing else lies in the store."""
    store = ArtifactStore.at(project / "store")
    found = list(verify(small_spec(), "v1", Registry.open(postgres), store, project))
    assert {one.status for one in found} <= {"verified", "absent"}, found
    hidden = {path.name for path in store.root.rglob(".*") if path.is_dir()}
    assert hidden <= {PICTURES}
    return {one.stage for one in found if one.status == "verified"}


def test_a_cancelled_run_leaves_all_consistent_and_goes_on(place, project, module_postgres):
    Registry.open(module_postgres)
    with stopped_at(module_postgres, "plumbline.split_versions") as holder:
        run_id = place.launch("visits")
        _wait(module_postgres, holder, place, run_id)
        assert place.ask(TERMINATE, id=run_id)["__typename"] == "TerminateRunSuccess"
        assert place.ended(run_id) == dg.DagsterRunStatus.CANCELED
    assert Registry.open(module_postgres).rows("split_versions") == []
    assert _sound(project, module_postgres) >= {"snapshot"}

    with stopped_at(module_postgres, "plumbline.normalization_params") as holder:
        again = place.launch("visits")
        _wait(module_postgres, holder, place, again)
        # Under the run that goes on, whose code server is replaced.
        assert place.ask(RELOAD)["locationOrLoadError"]["__typename"] == "RepositoryLocation"
    assert place.ended(again) == dg.DagsterRunStatus.SUCCESS, place.told(again)
    assert _sound(project, module_postgres) >= set(STAGES)


def test_a_run_that_takes_longer_than_it_may_is_ended(place, project, module_postgres):
    """And what it had finished is kept. `hasty` may take a second, the least there is."""
    Registry.open(module_postgres)
    with stopped_at(module_postgres, "plumbline.split_versions") as holder:
        run_id = place.launch("hasty")
        _wait(module_postgres, holder, place, run_id)
        time.sleep(1)
        place.monitor()
        assert place.ended(run_id) == dg.DagsterRunStatus.FAILURE
    assert "Exceeded maximum runtime of" in place.told(run_id)
    rows = Registry.open(module_postgres).rows("dataset_versions")
    assert "hasty" in {row["pipeline"] for row in rows}


def test_stages_of_one_pool_wait_for_each_other(place, project, module_postgres):
    """Of two runs whose first stage asks a source, one stays in the queue meanwhile."""
    Registry.open(module_postgres)
    with stopped_at(module_postgres, "plumbline.dataset_versions") as holder:
        first = place.launch("one", ["snapshot"])
        _wait(module_postgres, holder, place, first)
        second = place.launch("other", ["snapshot"])
        assert place.status(second) == dg.DagsterRunStatus.QUEUED
    for run_id in (first, second):
        place.dequeue()
        assert place.ended(run_id) == dg.DagsterRunStatus.SUCCESS, place.told(run_id)


def test_stages_run_in_processes_of_their_own(place, project, module_postgres):
    run_id = place.launch("beside", STAGES[:2])
    assert place.ended(run_id) == dg.DagsterRunStatus.SUCCESS, place.told(run_id)
    told = place.told(run_id)
    assert all(f'Executing step "beside__{stage}" in subprocess.' in told for stage in STAGES[:2])


def test_events_are_in_postgresql_and_its_password_is_nowhere(place, database):
    with database.connect() as connection:
        ((made,),) = connection.execute(
            "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        ).fetchall()
        assert made >= len(STAGES)
        for table in ("event_logs", "runs", "snapshots"):
            told = connection.execute(
                f"SELECT 1 FROM {table} AS t WHERE t::text LIKE %s".encode(), [f"%{PASSWORD}%"]
            )
            assert told.fetchone() is None
    assert PASSWORD not in place.instance.info_str()
    assert database.place.rpartition("/")[2] not in place.instance.info_str()
