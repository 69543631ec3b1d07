"""The store in a bucket does what the store on a path does; the bucket alone is believed."""

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import ArtifactCorrupt, ArtifactMissing, SpecError
from plumbline.recomputing import recompute
from plumbline.store import MANIFEST, SET_ASIDE, ArtifactStore, sha256_of, workplace
from plumbline.store.object_store import ObjectStore

PLACE = "p", "split", "f" * 64
PREFIX = "/".join(PLACE)
FILES = {"a.txt": b"alpha", "deep/b.txt": b"beta", "deep/empty": b"", "deep/same": b"alpha"}


def writing(files: dict[str, bytes]):
    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    return write


def read(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Opens the bucket from a machine of that name: each has a cache of its own."""
    url = f"memory://{uuid.uuid4().hex}/prefix"

    def opened(name: str = "one") -> ObjectStore:
        monkeypatch.setenv("PLUMBLINE_STORE_CACHE", str(tmp_path / name))
        store = ArtifactStore.at(url)
        assert isinstance(store, ObjectStore)
        return store

    return opened


@pytest.fixture
def store(machine) -> ObjectStore:
    return machine()


@pytest.fixture
def published(store: ObjectStore) -> Path:
    return store.publish(*PLACE, writing(FILES))


def test_what_was_published_is_the_same_on_every_machine(store, published, machine):
    assert read(published) == FILES
    elsewhere = machine("another")
    assert elsewhere.root != store.root
    found = elsewhere.get(*PLACE)
    assert read(found) == FILES
    assert (found / MANIFEST).read_bytes() == (published / MANIFEST).read_bytes()


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..") and not name.startswith(MANIFEST))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def _fit_together(files: dict[str, bytes]) -> bool:
    """No file is a folder of another, and the file system can name all of them."""
    parents = {str(above) for name in files for above in Path(name).parents}
    return not parents & files.keys() and all(len(name.encode()) < 200 for name in files)


@settings(max_examples=20)
@given(files=st.dictionaries(paths, st.binary(max_size=300), max_size=6).filter(_fit_together))
def test_any_files_come_back(files):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        url = f"memory://{uuid.uuid4().hex}"
        patch.setenv("PLUMBLINE_STORE_CACHE", f"{folder}/one")
        ArtifactStore.at(url).publish(*PLACE, writing(files))
        patch.setenv("PLUMBLINE_STORE_CACHE", f"{folder}/two")
        assert read(ArtifactStore.at(url).get(*PLACE)) == files


def test_absence_names_the_stage_to_materialize(store):
    assert store.find(*PLACE) is None
    assert not store.has(*PLACE)
    assert not store.local(*PLACE).exists()
    with pytest.raises(ArtifactMissing, match=r"memory://.*materialize p/split"):
        store.get(*PLACE)


def test_an_artifact_exists_exactly_when_its_list_does(store, published, caplog):
    store.bucket.delete([f"{PREFIX}/{MANIFEST}"])
    assert store.find(*PLACE) is None
    assert not published.exists()
    assert f"{published} is removed" in caplog.text
    assert store.published("p", "split") == []


def test_a_copy_of_what_was_removed_is_not_taken_for_what_is_published_now(store, published):
    store.bucket.delete([f"{PREFIX}/{MANIFEST}"])
    assert read(store.publish(*PLACE, writing({"c": b"now"}))) == {"c": b"now"}
    assert read(store.get(*PLACE)) == {"c": b"now"}


def test_stages_and_fingerprints_are_told_apart(store, published):
    store.publish("p", "split", "e" * 64, writing(FILES))
    store.publish("p", "splits", "d" * 64, writing(FILES))
    assert store.published("p", "split") == ["e" * 64, "f" * 64]
    assert store.published("p", "nothing") == []


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (lambda bucket, key: bucket.write(key, iter([b"alphb"]), 5), "a.txt: sha256"),
        (lambda bucket, key: bucket.delete([key]), "a.txt: missing"),
        (
            lambda bucket, _: bucket.write(f"{PREFIX}/{MANIFEST}", iter([b"{"]), 1),
            "not readable",
        ),
    ],
)
def test_changed_objects_are_refused_and_stay(store, published, machine, tamper, problem):
    tamper(store.bucket, f"{PREFIX}/{sha256_of(published / 'a.txt')}")
    held = {key: store.bucket.read(key) for key in store.bucket.keys("")}
    elsewhere = machine("another")
    with pytest.raises(ArtifactCorrupt, match=problem):
        elsewhere.find(*PLACE)
    assert not elsewhere.folder(*PLACE).exists()
    told = elsewhere.problems(*PLACE)
    assert problem in "; ".join(f"{name}: {what}" for name, what in told.items())
    assert {key: store.bucket.read(key) for key in store.bucket.keys("")} == held


@pytest.mark.parametrize(
    "tamper",
    [
        lambda folder: (folder / "a.txt").write_text("alphb"),
        lambda folder: (folder / "more").touch(),
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_text(json.dumps({"files": {}})),
        shutil.rmtree,
    ],
)
def test_a_changed_copy_is_fetched_again_and_told(store, published, tamper, caplog):
    tamper(published)
    assert (store.problems(*PLACE), read(store.get(*PLACE))) == ({}, FILES)
    assert (f"{published} is removed" in caplog.text) is (tamper is not shutil.rmtree)


def test_a_copy_that_verifies_is_not_fetched_again(store, published, caplog):
    before = {path: path.stat().st_ino for path in published.rglob("*")}
    store.bucket.delete([key for key in store.bucket.keys(PREFIX) if not key.endswith(MANIFEST)])
    assert store.get(*PLACE) == published
    assert {path: path.stat().st_ino for path in published.rglob("*")} == before
    assert "removed" not in caplog.text


def test_the_first_of_two_writers_wins_and_the_other_takes_its_files(store, published, machine):
    elsewhere = machine("another")
    made = elsewhere.publish(*PLACE, writing({"a.txt": b"otherwise", "c": b"more"}))
    assert read(made) == FILES == read(store.get(*PLACE))
    named = {f"{PREFIX}/{sha256_of(path)}" for path in published.rglob("*.txt")}
    empty = f"{PREFIX}/{sha256_of(published / 'deep' / 'empty')}"
    assert set(store.bucket.keys(PREFIX)) == {*named, empty, f"{PREFIX}/{MANIFEST}"}


def test_what_dead_writers_left_goes_with_the_next_publication(store):
    left = f"{PREFIX}/{'0' * 64}"
    store.bucket.write(left, iter([b"half"]), 4)
    assert store.find(*PLACE) is None
    store.publish(*PLACE, writing(FILES))
    assert left not in store.bucket.keys("")


def test_a_failed_write_leaves_nothing(store):
    def fail(folder: Path) -> None:
        writing(FILES)(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store.publish(*PLACE, fail)
    assert store.bucket.keys("p") == []
    assert list((store.root / "p" / "split").iterdir()) == []


def test_a_workplace_is_on_this_machine_until_the_artifact_is_published(store):
    places: list[Path] = []

    def dies(draft: Path) -> None:
        places.append(workplace(draft))
        places[-1].mkdir(exist_ok=True)
        raise RuntimeError("died")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            store.publish(*PLACE, dies)
    assert len(set(places)) == 1
    assert places[0].is_dir()
    store.publish(*PLACE, writing(FILES))
    assert not places[0].exists()


def test_what_verifies_is_compared_and_stands(store, published):
    found = recompute(store, *PLACE, writing(FILES | {"a.txt": b"alphb"}))
    assert found.differing == {"a.txt": "1 of 5 bytes differ"}
    assert read(store.get(*PLACE)) == FILES
    assert list(published.parent.iterdir()) == [published]


def test_what_does_not_verify_is_put_aside_in_the_bucket(store, published, caplog):
    broken = sha256_of(published / "a.txt")
    store.bucket.write(f"{PREFIX}/{broken}", iter([b"alphb"]), 5)
    found = recompute(store, *PLACE, writing({"c": b"now"}))
    assert list(found.unsound) == ["a.txt", "deep/same"]
    assert found.set_aside is not None
    aside = found.set_aside.removeprefix(f"{store.address}/")
    assert aside.startswith(f"{SET_ASIDE}/p/split/")
    assert store.bucket.read(f"{aside}/{broken}") == b"alphb"
    kept = json.loads(store.bucket.read(f"{aside}/{MANIFEST}") or b"")
    assert set(kept["files"]) == set(FILES)
    assert read(store.get(*PLACE)) == {"c": b"now"}
    assert len(store.bucket.keys(PREFIX)) == 2


def test_places_are_told_as_urls(store, published, tmp_path):
    assert store.location_of(published / "a.txt") == f"{store.address}/{PREFIX}/a.txt"
    assert store.location_of(tmp_path) == str(tmp_path)
    url = f"{store.address}/{PREFIX}"
    assert store.holds(url)
    assert store.holds(f"{url}/deep/b.txt")
    assert not store.holds(f"{url}/deep/c.txt")
    assert not store.holds(f"{store.address}/p/split/{'0' * 64}")
    assert store.holds(str(tmp_path))


def test_a_file_beside_the_artifacts_is_kept(store):
    path = store.root / "p" / "reproducibility" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    store.keep(path)
    assert store.bucket.read("p/reproducibility/record.json") == b"{}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("az://container/x?sig=secret", "az://container/x"),
        ("ftp://host/x", "ftp://host/x"),
        ("s3:///x", "s3:///x"),
        ("file://secret@host/x", "file://host/x"),
    ],
)
def test_urls_of_other_kinds_and_with_credentials_are_refused(url, told):
    with pytest.raises(SpecError) as refused:
        ArtifactStore.at(url)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_forked_process_is_told_instead_of_waiting_for_ever():
    script = """
        import os, sys
        from plumbline.errors import StoreUnreachable
        from plumbline.store.bucket import Bucket
        bucket = Bucket.at("memory://forked")
        bucket.write("a", iter([b"x"]), 1)
        if os.fork() == 0:
            try:
                bucket.read("a")
            except StoreUnreachable as error:
                os._exit(7 if "forked" in str(error) else 1)
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    told = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, timeout=60)
    assert told.returncode == 7


def test_two_buckets_have_two_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("PLUMBLINE_STORE_CACHE", str(tmp_path))
    urls = ("s3://bucket/a", "s3://bucket/a-b", "s3://bucket-a/b", "gs://bucket/a", "s3://bucket")
    roots = [ArtifactStore.at(url).root for url in urls]
    assert len(set(roots)) == len(urls)
    assert all(root.parent == tmp_path for root in roots)
    assert not any(one.is_relative_to(other) for one, other in itertools.permutations(roots, 2))
