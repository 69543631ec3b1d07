"""What a bundle was made with: software, and the commit of the project."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from release_bundles import build

from plumbline.environment import keras_backend
from plumbline.errors import BundleError
from plumbline.release import manifest, provenance

pytest_plugins = ["release_fixtures"]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A project in a repository of one commit."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "defs.yaml").write_text("a")
    git(root, "init", "--quiet")
    commit_all(root)
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@x.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", root, *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(root: Path) -> None:
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "m")


def test_the_commit_of_a_clean_checkout(checkout):
    found = provenance.commit(checkout)
    assert found is not None
    assert found.commit == git(checkout, "rev-parse", "HEAD")
    assert found.dirty is False


@pytest.mark.parametrize("name", ["defs.yaml", "new.sql"])
def test_a_changed_or_new_file_makes_it_dirty(checkout, name):
    (checkout / name).write_text("b")
    found = provenance.commit(checkout)
    assert found is not None
    assert found.dirty is True


def test_a_project_in_a_folder_of_a_larger_checkout(checkout):
    inner = checkout / "inner"
    inner.mkdir()
    assert provenance.commit(inner) is None
    (inner / "defs.yaml").write_text("a")
    commit_all(checkout)
    (checkout / "elsewhere").write_text("x")
    found = provenance.commit(inner)
    assert found is not None
    assert found.dirty is False


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path):
    assert provenance.commit(tmp_path) is None


def test_a_checkout_without_a_commit_has_none(tmp_path):
    git(tmp_path, "init", "--quiet")
    assert provenance.commit(tmp_path) is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(checkout) is None


def test_another_repository_named_by_the_environment_is_not_asked(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", os.fspath(tmp_path / "other.git"))
    assert provenance.commit(checkout) is not None


def test_the_environment_names_the_backend():
    found = provenance.environment()
    assert found["keras_backend"] == keras_backend()
    assert {keras_backend(), "cuda", "cudnn"} <= found.keys()
    assert provenance.differences(found) == ""
    assert provenance.otherwise("do this", found) == "do this"


def test_without_a_gpu_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(provenance, "accelerator", lambda: "cpu")
    assert provenance.cuda() == {"cuda": None, "cudnn": None}


class Wheel:
    """An installed distribution."""

    def __init__(self, name: str, version: str):
        self.name, self.version = name, version


WHEELS = [
    Wheel("NVIDIA-cuda-runtime-cu12", "12.5.82"),
    Wheel("nvidia-cuda-runtime-cu12-extras", "9"),
    Wheel("nvidia-cudnn-cu12", "9.3.0.75"),
    Wheel("numpy", "2.4"),
]


def test_with_a_gpu_the_wheels_tell_of_cuda(monkeypatch):
    monkeypatch.setattr(provenance, "accelerator", lambda: "gpu")
    monkeypatch.setattr(provenance.metadata, "distributions", lambda: iter(WHEELS))
    found = provenance.cuda()
    assert found == {"cuda": "12.5.82", "cudnn": "9.3.0.75"}
    recorded = {**found, "cudnn": "8.9"}
    assert provenance.differences(recorded) == "cudnn 8.9 (here 9.3.0.75)"


@pytest.mark.network
@pytest.mark.skipif(
    keras_backend() != "tensorflow", reason="TensorFlow tells what it was built for"
)
def test_without_wheels_tensorflow_tells(monkeypatch):
    from tensorflow import sysconfig

    monkeypatch.setattr(provenance, "accelerator", lambda: "gpu")
    monkeypatch.setattr(provenance.metadata, "distributions", lambda: iter(WHEELS[-1:]))
    built = sysconfig.get_build_info()
    assert provenance.cuda() == {
        "cuda": built.get("cuda_version"),
        "cudnn": built.get("cudnn_version"),
    }


def test_locks_are_told_by_their_hashes(tmp_path):
    assert provenance.locks(tmp_path) == {}
    (tmp_path / "requirements.lock").write_text("numpy==2.4")
    (tmp_path / "requirements-runtime.lock").write_text("")
    (tmp_path / "requirements.txt").write_text("numpy")
    assert provenance.locks(tmp_path) == {
        "requirements-runtime.lock": hashlib.sha256(b"").hexdigest(),
        "requirements.lock": hashlib.sha256(b"numpy==2.4").hexdigest(),
    }


@pytest.mark.parametrize("named", [None, "", f"registry.org/plumbline@sha256:{'0a' * 32}"])
def test_an_image_is_named_with_its_digest(monkeypatch, named):
    monkeypatch.setenv(provenance.IMAGE, named or "")
    assert provenance.image() == (named or None)


@pytest.mark.parametrize("named", ["plumbline:1.2", "plumbline@sha256:0a", f"sha256:{'0a' * 32}"])
def test_an_image_without_a_digest_is_refused(monkeypatch, named):
    monkeypatch.setenv(provenance.IMAGE, named)
    with pytest.raises(BundleError, match=f"PLUMBLINE_IMAGE is '{named}'; expected an image by"):
        provenance.image()


def test_a_bundle_carries_all_of_it(forest, tmp_path, monkeypatch, checkout):
    named = f"plumbline@sha256:{'0a' * 32}"
    monkeypatch.setenv(provenance.IMAGE, named)
    (checkout / "requirements.lock").write_text("numpy==2.4")
    built = build(
        forest.prepared, "random_forest", forest.predictor, tmp_path / "bundle", root=checkout
    )
    found, card = manifest.read(built.folder), (built.folder / "card.md").read_text("utf-8")
    assert (found.image, found.locks) == (named, provenance.locks(checkout))
    assert found.git is not None
    assert found.git.dirty
    for told in (named, found.locks["requirements.lock"], found.git.commit):
        assert f"`{told}`" in card


def test_differences_name_both_versions():
    recorded = {**provenance.environment(), "numpy": "1.0", "no-such-thing": "2"}
    told = provenance.differences(recorded)
    assert "numpy 1.0 (here " in told
    assert "no-such-thing 2 (here absent)" in told
    assert "python" not in told
