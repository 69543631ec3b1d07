"""What a bundle was made with: software, and the commit of the project."""

import os
import subprocess
from pathlib import Path

import pytest

from plumbline.environment import keras_backend
from plumbline.release import provenance


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
    assert keras_backend() in found
    assert provenance.differences(found) == ""


def test_differences_name_both_versions():
    recorded = {**provenance.environment(), "numpy": "1.0", "no-such-thing": "2"}
    told = provenance.differences(recorded)
    assert "numpy 1.0 (here " in told
    assert "no-such-thing 2 (here absent)" in told
    assert "python" not in told
