"""What a bundle was made with: software versions, and the project's git commit."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from plumbline.environment import installed, keras_backend
from plumbline.release.manifest import Commit

SECONDS = 10
BACKEND = "keras_backend"


def environment(*further: str) -> dict[str, str]:
    """Versions of what trains and scores, by distribution; and Keras' backend.

    further: distributions that this model needs, and others do not.
    """
    backend = keras_backend()
    always = ("keras", backend, "scikit-learn", "xgboost", "numpy", "pyarrow")
    versions = installed(*always, *further)
    return {**versions, BACKEND: backend}


def differences(recorded: Mapping[str, str]) -> str:
    """What is otherwise here than recorded, for a message; empty if nothing is."""
    here = {**installed(), BACKEND: keras_backend()}
    found = {name: here.get(name) or _version(name) for name in recorded}
    return ", ".join(
        f"{name} {version} (here {found[name] or 'absent'})"
        for name, version in recorded.items()
        if found[name] != version
    )


def commit(root: Path) -> Commit | None:
    """The commit checked out at the project's root, and whether files below differ from it.

    None where git tracks nothing there, is absent or refuses.
    """
    head = _git(root, "rev-parse", "--verify", "HEAD")
    tracked = _git(root, "ls-files", "--", ".")
    changes = _git(root, "status", "--porcelain", "--", ".")
    if not head or not tracked or changes is None:
        return None
    return Commit(commit=head, dirty=bool(changes))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # Neither another repository named by the environment, nor a lock on this one's index.
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  # fixed words, no shell
            [program, "-C", str(root), *arguments],
            env={**surroundings, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
