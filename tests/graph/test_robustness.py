"""What passes is tried again, and nothing else; what Dagster is told of limits and places."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from small_pipeline import make_source, run, small_spec

from assets import stage
from pipelines.training_pipeline import pipeline_definitions
from plumbline.errors import DatabaseUnreachable, KeyViolation, SpecError
from plumbline.postgres import Postgres, is_passing, postgres
from plumbline.registry import Registry
from plumbline.stages import stage_code_version, stages

RETRIES = dg.RetryPolicy(
    max_retries=2, delay=0.05, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
NOBODY = "postgresql://postgres@127.0.0.1:9/postgres"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(stage, "RETRIES", RETRIES)


@contextmanager
def held(postgres: Postgres, table: str, mode: LiteralString) -> Iterator[psycopg.Connection]:
    """A table that others cannot write, or not even read, meanwhile."""
    with postgres.connect() as connection:
        lock = sql.SQL("LOCK TABLE {} IN " + mode + " MODE")
        connection.execute(lock.format(sql.Identifier(*table.split("."))))
        yield connection


def _end_who_waits(postgres: Postgres, holder: psycopg.Connection) -> None:
    """End the first connection that waits for a lock of `holder`, and let the lock go."""
    with postgres.connect(autocommit=True) as admin:
        ended = False
        while not ended:
            time.sleep(0.02)
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE %s = ANY(pg_blocking_pids(pid))",
                [holder.info.backend_pid],
            ).fetchone()
    holder.rollback()


def _steps(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[str]:
    return [event.step_key or "" for event in result.all_events if event.event_type == kind]


@pytest.mark.parametrize(
    ("table", "mode", "stopped"),
    [
        ("public.visits", "ACCESS EXCLUSIVE", "snapshot"),  # our own error, of the source
        ("plumbline.split_versions", "SHARE", "split"),  # SQLAlchemy's, of the registry
    ],
)
def test_a_stage_that_loses_its_connection_is_run_again(
    postgres, tmp_path, monkeypatch, caplog, table, mode, stopped
):
    make_source(postgres, tmp_path, rows=300)
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    Registry.open(postgres)
    with dg.DagsterInstance.ephemeral() as instance, held(postgres, table, mode) as holder:
        ending = threading.Thread(target=_end_who_waits, args=(postgres, holder))
        ending.start()
        result = run(small_spec(), tmp_path, instance, selection=["snapshot", "split"])
        ending.join()
    assert result.success
    assert _steps(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == [f"visits__{stopped}"]
    assert caplog.text.count("; trying again in 0 s") == 1
    assert len(Registry.open(postgres).rows("split_versions")) == 1


def test_a_server_that_stays_away_fails_the_run_and_says_where_it_was(project, monkeypatch, caplog):
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(small_spec(), project, instance, selection=["snapshot"])
    assert not result.success
    assert len(_steps(result, dg.DagsterEventType.STEP_UP_FOR_RETRY)) == RETRIES.max_retries
    assert caplog.text.count("; trying again in") == RETRIES.max_retries
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told
    assert "no PostgreSQL could be reached at 127.0.0.1:9" in (told.description or "")


def test_bad_data_is_not_tried_again(project):
    with dg.DagsterInstance.ephemeral() as instance:
        wrong = small_spec(name="wrong", source={"key": ["customer"], "drop": ["side"]})
        result = run(wrong, project, instance, selection=["snapshot"])
    assert not result.success
    assert _steps(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told
    assert told.metadata["error"].value == KeyViolation.__name__


def test_a_fault_of_the_code_is_not_tried_again(project):
    tried = []

    def compute(_):
        tried.append(1)
        raise ZeroDivisionError

    spec = small_spec()
    asset = stage.stage_asset(
        spec, project, "split", compute, after=[], kinds=set(), description=""
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("visits_dataset_versions", ["v1"])
        resources = {"plumbline": stage.PlumblineResource()}
        result = dg.materialize(
            [asset],
            instance=instance,
            partition_key="v1",
            resources=resources,
            raise_on_error=False,
        )
    assert not result.success
    assert tried == [1]


def _of_psycopg(postgres: Postgres, query: str) -> None:
    with postgres.connect(autocommit=True) as connection:
        connection.execute(query.encode())


def _of_sqlalchemy(postgres: Postgres, query: str) -> None:
    with postgres.engine.connect() as connection:
        connection.execute(sa.text(query))


def _of_adbc(postgres: Postgres, query: str) -> None:
    with postgres.arrow() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        cursor.fetchall()


@pytest.mark.parametrize("ask", [_of_psycopg, _of_sqlalchemy, _of_adbc])
@pytest.mark.parametrize(
    ("query", "passing"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SELECT 1 / 0", False),
        ("SELECT nothing FROM nowhere", False),
    ],
)
def test_errors_of_each_driver_are_told_apart(module_postgres, ask, query, passing):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        ask(module_postgres, query)
    assert is_passing(caught.value) is passing
    wrapped = RuntimeError("while the trials were stored")
    wrapped.__cause__ = caught.value
    assert is_passing(wrapped) is passing


def test_a_query_that_takes_too_long_does_not_pass(module_postgres):
    with module_postgres.connect() as connection:
        connection.execute("SET statement_timeout = 1")
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute("SELECT pg_sleep(1)")
    assert not is_passing(caught.value)


def test_a_refused_connection_passes():
    with pytest.raises(DatabaseUnreachable) as caught:
        Postgres(NOBODY).connect()
    assert is_passing(caught.value)


def test_an_address_of_something_else_does_not(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://127.0.0.1/shop")
    with pytest.raises(SpecError, match="has the scheme 'mysql'") as raised:
        postgres()
    assert not is_passing(raised.value)


def _definitions(project: Path, **options) -> dg.Definitions:
    resources = dg.Definitions(resources={"plumbline": stage.PlumblineResource()})
    return dg.Definitions.merge(pipeline_definitions(small_spec(**options), project), resources)


def test_what_a_run_may_take_is_on_its_job_and_in_no_version(project):
    plain, limited = small_spec(), small_spec(run={"max_hours": 1.5, "priority": 7})
    job = _definitions(project, run=limited.run).resolve_job_def("visits")
    assert job.tags["dagster/max_runtime"] == "5400"
    assert job.tags["dagster/priority"] == "7"
    unlimited = _definitions(project, run={"max_hours": None})
    assert "dagster/max_runtime" not in unlimited.resolve_job_def("visits").tags
    for one in stages(plain):
        assert stage_code_version(plain, one) == stage_code_version(limited, one)


def test_stages_that_train_or_ask_the_source_are_in_a_pool(project):
    graph = _definitions(project).resolve_asset_graph()
    pools = {
        key.path[-1]: next(iter(graph.get(key).pools), None)
        for key in graph.materializable_asset_keys
    }
    assert pools["network"] == pools["network_seeds"] == pools["xgboost"] == "gpu"
    assert pools["snapshot"] == pools["training_features"] == "postgres"
    assert pools["evaluation"] is pools["split"] is None
