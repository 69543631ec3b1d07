"""What goes wrong while a snapshot is frozen leaves the store and the registry consistent."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from braked import FUNCTION, PATIENCE, brake, until, waiting
from snapshots import spec_of

from plumbline.errors import DatabaseUnreachable, ExtractError, StoreUnwritable
from plumbline.extract.digest import content_of_snapshot
from plumbline.extract.freeze import find_snapshot, freeze
from plumbline.extract.query import read_query
from plumbline.postgres import Postgres
from plumbline.store import ArtifactStore

FILE = "sql/extracts/tested.sql"
ROWS = 150_000

SOURCE = f"""
{FUNCTION};
CREATE TABLE source (id bigint PRIMARY KEY, at timestamp);
INSERT INTO source SELECT id, CASE id WHEN 7 THEN timestamp 'infinity' END
FROM generate_series(1, {ROWS}) AS id;
ANALYZE source
"""
QUERY = "SELECT id, id % 2 AS label, brake(id) AS x FROM source"
RUN = """
import sys
from pathlib import Path
from snapshots import spec_of
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.store import ArtifactStore
root, url = Path(sys.argv[1]), sys.argv[2]
snapshot, reused = freeze(
    spec_of(), dataset_version="v1", query=read_query(spec_of(), root),
    postgres=Postgres(url), registry=Registry.open(Postgres(url)),
    store=ArtifactStore.at(root / "store"),
)
print(snapshot.digest, reused)
"""


@pytest.fixture
def root(tmp_path, postgres):
    with postgres.connect() as connection:
        connection.execute(SOURCE)
    ask(tmp_path, QUERY)
    return tmp_path


@pytest.fixture
def start(root, postgres):
    """Start a process that freezes v1."""
    started = []

    def start(**options):
        command = [sys.executable, "-c", RUN, str(root), postgres.url]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **options,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def frozen(root, postgres, registry, store):
    def frozen(source=postgres, into=store):
        spec = spec_of()
        return freeze(
            spec, dataset_version="v1", query=read_query(spec, root),
            postgres=source, registry=registry, store=into,
        )  # fmt: skip

    return frozen


def ask(root: Path, sql: str) -> None:
    (root / FILE).parent.mkdir(parents=True, exist_ok=True)
    (root / FILE).write_text(sql)


def drafts(store: ArtifactStore) -> list[Path]:
    return [path for path in store.root.glob("*/snapshot/.*") if path.is_dir()]


def is_whole(snapshot) -> bool:
    return snapshot.rows == ROWS and content_of_snapshot(snapshot).digest == snapshot.digest


def test_kill_in_the_middle_then_a_rerun(start, frozen, postgres, registry, store):
    with brake(postgres):
        process = start()
        until(lambda: waiting(postgres), "the extract to reach the brake")
        until(lambda: any((d / "data.parquet").stat().st_size for d in drafts(store)), "a block")
        process.kill()
        assert process.wait() == -9
    assert registry.rows("dataset_versions") == []
    (draft,) = drafts(store)
    assert sorted(path.name for path in draft.parent.iterdir()) == [draft.name]

    snapshot, reused = frozen()
    assert not reused
    assert is_whole(snapshot)
    assert drafts(store) == []
    assert find_snapshot("tested", "v1", registry, store) == snapshot


def test_two_at_once_make_one_snapshot(start, frozen, postgres, registry, store):
    with brake(postgres):
        first = start()
        until(lambda: waiting(postgres) == 1, "the first to reach the brake")
        second = start()
        until(lambda: waiting(postgres) == 2, "the second to wait for the first")
    told = [process.communicate(timeout=PATIENCE) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], told
    snapshot = find_snapshot("tested", "v1", registry, store)
    assert [out.split() for out, _ in told] == [
        [snapshot.digest, "False"],
        [snapshot.digest, "True"],
    ]
    assert is_whole(snapshot)
    assert [path.name for path in snapshot.folder.parent.iterdir()] == [snapshot.folder.name]
    assert len(registry.rows("dataset_versions")) == 1


def test_a_connection_lost_midway(frozen, postgres, registry, store):
    with ThreadPoolExecutor() as running, brake(postgres):
        future = running.submit(frozen)
        until(lambda: waiting(postgres), "the extract to reach the brake")
        with postgres.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        with pytest.raises(DatabaseUnreachable, match=f"was lost while {FILE} was read"):
            future.result(PATIENCE)
    assert drafts(store) == []
    assert registry.rows("dataset_versions") == []
    assert is_whole(frozen()[0])


def test_a_failure_on_this_side_stops_the_query(root, frozen, postgres, store):
    """Without a cancel, closing the cursor would wait for the rows behind the brake."""
    ask(root, QUERY.replace("id,", "id, at,", 1))
    with ThreadPoolExecutor() as running, brake(postgres):
        future = running.submit(frozen)
        with pytest.raises(ExtractError, match=r"'at' .* holds an infinite"):
            future.result(PATIENCE)
        until(lambda: waiting(postgres) == 0, "the query to stop")
    assert drafts(store) == []


def test_an_unreachable_source(frozen, registry, store):
    nowhere = Postgres("postgresql://someone:secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1/nowhere") as caught:
        frozen(source=nowhere)
    assert "secret" not in str(caught.value)
    assert drafts(store) == []
    assert registry.rows("dataset_versions") == []
    assert frozen()[1] is False


def test_a_file_that_may_not_grow(start, frozen, registry, store):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start(preexec_fn=limit)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "StoreUnwritable: the store at" in told
    assert "File too large" in told
    assert drafts(store) == []
    assert registry.rows("dataset_versions") == []
    assert is_whole(frozen()[0])


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[ArtifactStore]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system may be mounted here: {error}")
    try:
        yield ArtifactStore.at(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [("size=1m", "No space left on device"), ("ro,size=1m", "Read-only file system")],
)
def test_a_store_that_is_full_or_read_only(frozen, tmp_path, registry, store, options, told):
    with mounted(tmp_path / "small", options) as small:
        with pytest.raises(StoreUnwritable, match=told) as caught:
            frozen(into=small)
        assert "PLUMBLINE_STORE" in str(caught.value)
        assert drafts(small) == []
        assert registry.rows("dataset_versions") == []
    assert is_whole(frozen()[0])
