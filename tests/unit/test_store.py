"""Artifacts are whole or absent, and changed bytes never pass."""

import errno
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from plumbline import store as artifacts
from plumbline.errors import ArtifactCorrupt, ArtifactMissing, StoreUnwritable
from plumbline.store import MANIFEST, ArtifactStore

VERSION = "f" * 64


def _write(folder: Path) -> None:
    (folder / "a.txt").write_text("alpha")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.txt").write_text("beta")


@pytest.fixture
def published(store: ArtifactStore) -> Path:
    return store.publish("p", "split", VERSION, _write)


def test_what_was_published_is_found_and_verifies(store, published):
    assert store.find("p", "split", VERSION) == published
    assert set(artifacts.files_of(published)) == {"a.txt", "deep/b.txt"}


def test_absence_names_the_stage_to_materialize(store):
    assert store.find("p", "split", VERSION) is None
    with pytest.raises(ArtifactMissing, match="materialize p/split"):
        store.get("p", "split", VERSION)


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (lambda f: (f / "a.txt").write_text("alphb"), "a.txt: sha256"),
        (lambda f: (f / "deep" / "b.txt").unlink(), "deep/b.txt: missing"),
        (lambda f: (f / "c.txt").touch(), "c.txt: not part"),
        (lambda f: (f / MANIFEST).write_text("{"), "not readable"),
    ],
)
def test_every_change_is_refused(store, published, tamper, problem):
    tamper(published)
    with pytest.raises(ArtifactCorrupt, match=problem):
        store.find("p", "split", VERSION)


def test_a_failed_write_leaves_nothing(store):
    def fail(folder: Path) -> None:
        _write(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store.publish("p", "split", VERSION, fail)
    assert list((store.root / "p" / "split").iterdir()) == []


def test_the_first_of_two_writers_wins(store, published):
    before = (published / "a.txt").stat().st_ino
    assert store.publish("p", "split", VERSION, _write) == published
    assert (published / "a.txt").stat().st_ino == before


def test_a_killed_writer_leaves_a_draft_that_the_next_one_removes(store, tmp_path):
    script = f"""
        import os, signal
        from pathlib import Path
        from plumbline.store import ArtifactStore
        def write(folder: Path) -> None:
            (folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        ArtifactStore.at({str(store.root)!r}).publish("p", "split", {VERSION!r}, write)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert killed.returncode == -9
    assert store.find("p", "split", VERSION) is None
    assert len(list((store.root / "p" / "split").iterdir())) == 1
    final = store.publish("p", "split", VERSION, _write)
    assert [path.name for path in final.parent.iterdir()] == [VERSION]


def test_a_workplace_outlives_its_writer_until_the_artifact_is_published(store):
    places: list[Path] = []

    def dies(draft: Path) -> None:
        places.append(artifacts.workplace(draft))
        places[-1].mkdir(exist_ok=True)
        (places[-1] / "half").write_text("half")
        raise RuntimeError("died")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            store.publish("p", "split", VERSION, dies)
    assert len(set(places)) == 1
    assert (places[0] / "half").read_text() == "half"
    assert store.find("p", "split", VERSION) is None
    final = store.publish("p", "split", VERSION, _write)
    assert [path.name for path in final.parent.iterdir()] == [VERSION]


def test_a_workplace_that_nobody_comes_back_to_is_swept(store, tmp_path):
    stage = store.folder("p", "split", VERSION).parent
    old, new = (artifacts.workplace(stage / (letter * 64)) for letter in "ab")
    for place in (old, new):
        place.mkdir(parents=True)
        (place / "half").write_text("half")
    past = time.time() - artifacts.ABANDONED - 60
    for path in (old / "half", old):
        os.utime(path, (past, past))
    store.publish("p", "split", VERSION, _write)
    assert {path.name for path in stage.iterdir()} == {VERSION, new.name}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_store_that_cannot_be_written_says_so(store, code):
    def full(folder: Path) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(StoreUnwritable, match="PLUMBLINE_STORE") as caught:
        store.publish("p", "split", VERSION, full)
    assert os.strerror(code) in str(caught.value)
    assert list((store.root / "p" / "split").iterdir()) == []


def test_a_file_url_is_a_path(tmp_path):
    assert ArtifactStore.at(f"file://{tmp_path}") == ArtifactStore.at(tmp_path)


@pytest.mark.parametrize(
    "manifest",
    [
        {"../../outside": "0" * 64},
        {"/outside": "0" * 64},
        {"": "0" * 64},
        {"a.txt": "../../other"},
        {"a.txt": None},
        ["a.txt"],
    ],
)
def test_a_list_that_leads_out_of_the_artifact_is_refused(store, published, manifest):
    (published / MANIFEST).write_text(json.dumps({"files": manifest}))
    with pytest.raises(ArtifactCorrupt, match="not readable"):
        store.find("p", "split", VERSION)
