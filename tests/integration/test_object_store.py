"""The store in a bucket of a real S3 server: whole or absent, whatever happens on the way."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from s3_server import KEYS, OPEN, Proxy, Server, environment, proxy

from plumbline.errors import ArtifactCorrupt, PlumblineError, StoreUnreachable, StoreUnwritable
from plumbline.recomputing import recompute
from plumbline.store import MANIFEST, ArtifactStore, bucket, object_store, sha256_of, transfer
from plumbline.store.object_store import ObjectStore

PLACE = "p", "split", "f" * 64
PREFIX = "/".join(PLACE)
PART = 5 << 20
"""The least that S3 takes (bytes)."""

LARGE = PART + 5

WRITER = """
import os, sys
from pathlib import Path
from plumbline.store import ArtifactStore

def write(folder: Path) -> None:
    (folder / "a").write_text(sys.argv[1])
    (folder / "b").write_text("the same of both")
    if len(sys.argv) > 3:
        (folder / "large").write_bytes(bytes(int(sys.argv[3])))
    print("written", flush=True)
    sys.stdin.readline()

store = ArtifactStore.at(sys.argv[2])
print((store.publish("p", "split", "f" * 64, write) / "a").read_text())
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("s3") / "server")
    server.start()
    for name in ("tests", OPEN):
        server.make_bucket(name)
    yield server
    server.stop()


@pytest.fixture
def url() -> str:
    return f"s3://tests/{uuid.uuid4().hex}"


@pytest.fixture
def at(s3, url, tmp_path, monkeypatch):
    """Opens the store as somebody, by an address, from a machine of that name."""
    monkeypatch.setattr(bucket, "PATIENCE", timedelta(seconds=2))
    monkeypatch.setattr(bucket, "TRIES", 4)
    monkeypatch.setattr(bucket, "PART", PART)

    def opened(
        address: str = s3.address, who: str = "writer", machine: str = "one", url: str = url
    ) -> ObjectStore:
        for name, value in environment(address, who).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PLUMBLINE_STORE_CACHE", str(tmp_path / machine))
        bucket._client.cache_clear()
        object_store._require_conditional_writes.cache_clear()
        store = ArtifactStore.at(url)
        assert isinstance(store, ObjectStore)
        return store

    return opened


@pytest.fixture
def before(s3) -> Iterator[Proxy]:
    with proxy(s3.address) as made:
        yield made


@pytest.fixture
def start(s3, url) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a writer of its own process and machine, which waits to be told to publish."""
    started: list[subprocess.Popen[str]] = []

    def call(text: str, cache: Path, address: str = s3.address, *size: int):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(WRITER), text, url, *map(str, size)],
                env={
                    **os.environ,
                    **environment(address),
                    "PLUMBLINE_STORE_CACHE": str(cache),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.communicate()


def write(folder: Path) -> None:
    (folder / "a").write_text("alpha")
    (folder / "deep").mkdir()
    (folder / "deep" / "größe 1%.txt").write_bytes(b"")
    (folder / "b").write_bytes(os.urandom(100))


def write_large(folder: Path) -> None:
    (folder / "large").write_bytes(os.urandom(LARGE))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def faults(count: int, what: str | int, of: bytes = b"") -> Callable[[bytes], str | int | None]:
    """A fault of the first requests of a kind."""
    left = [count] * count

    def fault(head: bytes) -> str | int | None:
        return what if head.startswith(of) and left and left.pop() else None

    return fault


def test_what_one_machine_publishes_another_reads(at):
    made = at().publish(*PLACE, lambda folder: (write(folder), write_large(folder)))
    elsewhere = at(machine="two")
    found = elsewhere.get(*PLACE)
    assert found != made
    assert contents(found) == contents(made)
    assert elsewhere.problems(*PLACE) == {}
    assert elsewhere.published("p", "split") == [PLACE[2]]


def test_of_two_writers_that_race_one_is_first(at, start, tmp_path):
    writers = [start(text, tmp_path / text) for text in ("one", "other")]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "written\n"
    answers = [writer.communicate("go\n")[0] for writer in writers]
    assert answers[0] == answers[1] != ""
    store = at(machine="reader")
    found = store.get(*PLACE)
    assert answers[0] == f"{(found / 'a').read_text()}\n"
    files = {sha256_of(found / name) for name in ("a", "b")}
    assert set(store.bucket.keys("p")) == {f"{PREFIX}/{name}" for name in (MANIFEST, *files)}


def test_a_writer_killed_in_its_upload_leaves_nothing_that_is_found(at, start, before, tmp_path):
    killed = start("half", tmp_path / "killed", before.address, 3 * bucket.PART)

    def kill(head: bytes) -> None:
        if b"partNumber=2" in head:
            killed.send_signal(signal.SIGKILL)

    before.fault = kill
    killed.communicate("go\n")
    assert killed.returncode == -signal.SIGKILL
    store = at()
    left = store.bucket.keys("p")
    assert left
    assert f"{PREFIX}/{MANIFEST}" not in left
    assert store.find(*PLACE) is None
    found = store.publish(*PLACE, write)
    assert not set(left) & set(store.bucket.keys("p"))
    assert contents(at(machine="two").get(*PLACE)) == contents(found)


@pytest.mark.parametrize("problem", ["sha256", "missing"])
def test_objects_that_are_changed_or_gone_are_refused(at, problem):
    store = at()
    key = f"{PREFIX}/{sha256_of(store.publish(*PLACE, write) / 'a')}"
    if problem == "missing":
        store.bucket.delete([key])
    else:
        store.bucket.write(key, iter([b"alphb"]), 5)
    assert store.find(*PLACE)  # what this machine has still verifies
    assert problem in store.problems(*PLACE)["a"]
    with pytest.raises(ArtifactCorrupt, match=f"a: {problem}"):
        at(machine="two").find(*PLACE)


def test_what_does_not_verify_is_put_aside_whole(at):
    store = at()
    made = store.publish(*PLACE, lambda folder: (write(folder), write_large(folder)))
    stored = {key: store.bucket.read(key) for key in store.bucket.keys("p")}
    broken = f"{PREFIX}/{sha256_of(made / 'a')}"
    store.bucket.write(broken, iter([b"alphb"]), 5)
    aside = recompute(store, *PLACE, write).set_aside
    assert aside is not None
    place = aside.removeprefix(f"{store.address}/")
    kept = {f"{PREFIX}{key.removeprefix(place)}": key for key in store.bucket.keys(place)}
    assert {name: store.bucket.read(key) for name, key in kept.items()} == stored | {
        broken: b"alphb"
    }
    assert store.problems(*PLACE) == {}
    assert not (at(machine="two").get(*PLACE) / "large").exists()


@pytest.mark.parametrize("what", [503, 429, "cut", "cut 0"])
def test_what_passes_is_tried_again(at, before, what):
    store = at(before.address)
    before.fault = faults(2, what, b"PUT")
    store.publish(*PLACE, write)
    before.fault = faults(1, what)
    assert contents(at(before.address, machine="two").get(*PLACE))


def test_an_answer_that_is_cut_is_gone_on_with_where_it_ended(at, before):
    made = at().publish(*PLACE, write_large)
    large = sha256_of(made / "large").encode()
    before.fault = lambda head: "cut 3000000" if large in head else None
    assert contents(at(before.address, machine="two").get(*PLACE)) == contents(made)


@pytest.mark.parametrize("what", [503, "cut"])
def test_what_does_not_pass_is_told(at, before, what):
    store = at(before.address)
    before.fault = lambda head: what
    with pytest.raises(StoreUnreachable, match=r"cannot be used: .*endpoint") as caught:
        store.find(*PLACE)
    assert 1 < len(before.requests) <= bucket.TRIES + 1
    _says_no_secret(caught.value)


def test_a_server_that_is_gone_is_told_before_any_work(at):
    with pytest.raises(StoreUnreachable, match="cannot be used"):
        at("127.0.0.1:9").publish(*PLACE, lambda folder: pytest.fail("worked in vain"))


def test_a_server_that_goes_away_in_the_upload_leaves_the_last_state(at, before):
    store = at(before.address)

    def gone(folder: Path) -> None:
        write(folder)
        before.fault = lambda head: "cut"

    with pytest.raises(StoreUnreachable):
        store.publish(*PLACE, gone)
    assert not list((store.root / "p" / "split").iterdir())
    assert at().find(*PLACE) is None
    assert at().publish(*PLACE, write).is_dir()


def test_who_may_only_read_reads_and_is_refused_at_once(at, before):
    made = at().publish(*PLACE, write)
    store = at(before.address, who="reader", machine="two")
    assert contents(store.get(*PLACE)) == contents(made)
    before.requests.clear()
    with pytest.raises(StoreUnwritable, match="403 Forbidden AccessDenied") as caught:
        store.publish("p", "split", "e" * 64, lambda folder: pytest.fail("worked in vain"))
    assert len(before.requests) == 1
    _says_no_secret(caught.value)


def test_credentials_that_do_not_fit_are_refused_at_once(at, before, monkeypatch):
    store = at(before.address)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the secret")
    with pytest.raises(StoreUnreachable, match="403 Forbidden SignatureDoesNotMatch") as caught:
        store.find(*PLACE)
    assert len(before.requests) == 1
    assert "not the secret" not in str(caught.value)
    _says_no_secret(caught.value)


def test_a_bucket_that_is_not_there_is_no_empty_one(at):
    store = at(url="s3://absent/prefix")
    with pytest.raises(StoreUnreachable, match="404 Not Found NoSuchBucket"):
        store.find(*PLACE)
    with pytest.raises(PlumblineError):
        store.publish(*PLACE, lambda folder: pytest.fail("worked in vain"))


def test_a_server_that_ignores_conditions_is_refused(at, before, monkeypatch):
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")  # who signs a header notices its loss
    before.fault = lambda head: head.replace(b"if-none-match:", b"x-if-none-match:")
    store = at(before.address, url=f"s3://{OPEN}/{uuid.uuid4().hex}")
    with pytest.raises(StoreUnwritable, match="ignores the condition"):
        store.publish(*PLACE, write)
    before.fault = lambda head: None
    assert store.publish(*PLACE, write).is_dir()


def test_a_cache_that_is_full_says_which_variable_names_it(at, tmp_path):
    at().publish(*PLACE, write_large)
    store = at(machine="two")
    with small_disk(tmp_path / "two"), pytest.raises(StoreUnwritable) as caught:
        store.get(*PLACE)
    assert "PLUMBLINE_STORE_CACHE" in caught.value.remedy


def test_long_transfers_tell_how_far_they_are(at, monkeypatch, caplog):
    monkeypatch.setattr(transfer, "TOLD_EVERY", 0.0)
    with caplog.at_level(logging.INFO, transfer.__name__):
        at().publish(*PLACE, write_large)
        at(machine="two").get(*PLACE)
    assert f"uploading {PREFIX}: 5 of 5 MB" in caplog.text
    assert f"fetching {PREFIX}: 5 MB" in caplog.text
    assert "MB/s" in caplog.text
    assert not any(secret in caplog.text for pair in KEYS.values() for secret in pair)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 1 MiB at a folder."""
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system may be mounted here: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _says_no_secret(error: BaseException) -> None:
    told = f"{error} {error.__cause__}"
    assert not any(secret in told for pair in KEYS.values() for secret in pair)
    assert error.__suppress_context__
