"""The registry in a real PostgreSQL: append-only, complete, shared by processes."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from plumbline.errors import DatabaseUnreachable, RegistryError, SpecError
from plumbline.postgres import Postgres, postgres
from plumbline.promotion import aliases
from plumbline.registry import SCHEMA, Registry, _migrate
from plumbline.split import ledger

DATASET = {
    "pipeline": "p",
    "dataset_version": "v1",
    "digest": "0" * 64,
    "query": "SELECT 1",
    "parameters": {"as_of": "2014-01-01", "limit": None},
    "key_columns": ["id"],
    "label_column": "label",
    "row_count": 3,
    "columns": [{"name": "id"}],
    "server_version": "18",
    "key_collation": "C",
    "postgres_snapshot": "1:1:",
}
SPLIT = {
    "split_version": "s1",
    "pipeline": "p",
    "dataset_version": "v1",
    "policy": {"policy": "hash"},
    "train_rows": 1,
    "val_rows": 1,
    "test_rows": 1,
    "assignment_digest": "d",
    "certificate": {},
}
NORMALIZATION = {
    "normalization_version": "n1",
    "pipeline": "p",
    "dataset_version": "v1",
    "split_version": "s1",
    "method": "standard",
    "feature_names": ["a", "b"],
    "row_count": 1,
    "means": [0.1, 1e-300],
    "stds": [1.0, 1.0],
    "mins": [0.0, 0.0],
    "maxes": [1.0, 1.0],
    "parameters": {},
}
MODEL = {
    "model_version": "m1",
    "pipeline": "p",
    "dataset_version": "v1",
    "split_version": "s1",
    "normalization_version": "n1",
    "kind": "xgboost",
    "hyperparameters": {},
    "environment": {},
    "training_rows": 1,
    "training_seconds": 0.5,
}

VERDICT = {
    "verdict_version": "e1",
    "stage": "evaluation",
    "pipeline": "p",
    "dataset_version": "v1",
    "normalization_version": "n1",
    "decision": "BASELINE",
    "reason": "r",
    "evidence": {},
}
BUNDLE = {
    "bundle_version": "b1",
    "pipeline": "p",
    "dataset_version": "v1",
    "normalization_version": "n1",
    "model_version": "m1",
    "verdict_version": "e1",
    "location": "/somewhere",
}
READ = {
    "pipeline": "p",
    "dataset_version": "v1",
    "split_version": "s1",
    "model_versions": ["m1"],
    "purpose": "evaluation e1",
    "reader": "me@here",
}


@pytest.fixture
def filled(registry: Registry) -> Registry:
    registry.record("dataset_versions", **DATASET)
    registry.record("split_versions", **SPLIT)
    registry.record("normalization_params", **NORMALIZATION)
    registry.record("model_versions", **MODEL)
    return registry


def test_a_row_comes_back_as_it_was_recorded(filled):
    row = filled.one("normalization_params", normalization_version="n1")
    assert {name: row[name] for name in NORMALIZATION} == NORMALIZATION
    row = filled.one("dataset_versions", pipeline="p", dataset_version="v1")
    assert {name: row[name] for name in DATASET} == DATASET


def test_recording_again_is_no_news_but_a_difference_is_an_error(filled):
    assert not filled.record("dataset_versions", **DATASET)
    with pytest.raises(RegistryError, match="row_count"):
        filled.record("dataset_versions", **DATASET | {"row_count": 4})
    slower = MODEL | {"training_seconds": 9.0}
    assert not filled.record("model_versions", volatile=["training_seconds"], **slower)
    assert filled.one("model_versions", model_version="m1")["training_seconds"] == 0.5


@pytest.mark.parametrize(
    "table",
    sorted(
        {
            "dataset_versions",
            "split_versions",
            "normalization_params",
            "model_versions",
            "verdicts",
            "test_reads",
            "evaluations",
            "bundles",
            "promotions",
        }
    ),
)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET pipeline = 'q'", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_rows_are_append_only(filled, postgres, table, statement):
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"), postgres.connect() as c:
        c.execute(statement.format(f"plumbline.{table}"))


def test_every_table_is_append_only(registry):
    with registry.engine.connect() as connection:
        guarded = connection.scalars(
            sa.text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'")
        ).all()
    tables = {name for name in registry.tables.tables if not name.endswith("alembic_version")}
    assert set(guarded) == tables


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset_version": None},
        {"normalization_version": None},
        {"dataset_version": "never"},
        {"normalization_version": "never"},
        {"split_version": "never"},
    ],
)
def test_a_model_cannot_exist_without_its_data_and_normalization(filled, wrong):
    with pytest.raises(sa.exc.IntegrityError):
        filled.record("model_versions", **MODEL | {"model_version": "m2"} | wrong)


def test_a_model_cannot_name_one_dataset_and_the_normalization_of_another(filled):
    filled.record("dataset_versions", **DATASET | {"dataset_version": "v2"})
    with pytest.raises(sa.exc.IntegrityError):
        filled.record("model_versions", **MODEL | {"model_version": "m2", "dataset_version": "v2"})


def test_first_opens_at_once_make_one_schema(postgres):
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Registry.open(postgres), range(4)))
    assert {len(registry.tables.tables) for registry in opened} == {13}


def test_an_earlier_registry_is_brought_up_with_its_rows(postgres):
    with postgres.engine.connect() as connection:
        _migrate(connection, "0003")
        tables = sa.MetaData(schema=SCHEMA)
        tables.reflect(connection)
    earlier = Registry(engine=postgres.engine, tables=tables)
    rows = {
        "dataset_versions": DATASET,
        "split_versions": SPLIT,
        "normalization_params": NORMALIZATION,
        "model_versions": MODEL,
        "verdicts": VERDICT,
        "bundles": BUNDLE,
    }
    for table, row in rows.items():
        earlier.record(table, **row)
    earlier.append("promotions", pipeline="p", bundle_version="b1", reason="r", promoted_by="me")
    earlier.append("test_reads", **READ)

    now = Registry.open(postgres)
    for table, row in rows.items():
        assert not now.record(table, **row), table
    champion = aliases.current(now, "p")
    assert champion is not None
    assert (champion.action, champion.bundle_version) == ("promote", "b1")
    assert ledger.test_reads(now, "p", "v1") == 1
    now.record("model_versions", **MODEL | {"model_version": "m2", "kind": "network_seeds"})
    with pytest.raises(psycopg.Error, match="append-only"), postgres.connect() as connection:
        connection.execute("DELETE FROM plumbline.promotions")


def test_what_a_killed_process_held_is_free_again(postgres):
    script = f"""
        import os, signal
        from plumbline.postgres import Postgres
        from plumbline.registry import Registry
        with Registry.open(Postgres({postgres.url!r})).exclusive("it"):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -9
    with Registry.open(postgres).exclusive("it"):
        pass


def test_one_at_a_time(registry):
    inside, most = 0, 0

    def work(_):
        nonlocal inside, most
        with registry.exclusive("it"):
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == 1


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/db", DatabaseUnreachable, "127.0.0.1:1/db"),
        ("postgresql+psycopg://me:s3cret@127.0.0.1:1/db", DatabaseUnreachable, "127.0.0.1:1/db"),
        ("mysql://me:s3cret@localhost/db", SpecError, "scheme 'mysql'"),
    ],
)
def test_an_unreachable_database_is_named_without_its_secrets(monkeypatch, url, kind, told):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(kind, match="DATABASE_URL") as caught:
        Registry.open(postgres())
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(Postgres(url))
