"""The git commit that the project stands at."""

import os
import shutil
import subprocess
from pathlib import Path

import plumbline
from plumbline.release.manifest import Commit

PROJECT = Path(plumbline.__file__).resolve().parents[1]
SECONDS = 10


def commit(project: Path = PROJECT) -> Commit | None:
    """The commit checked out at `project`, and whether files differ from it.

    None where `project` is not the top of a checkout, or git is absent or refuses.
    """
    top = _git(project, "rev-parse", "--show-toplevel")
    head = _git(project, "rev-parse", "--verify", "HEAD")
    changes = _git(project, "status", "--porcelain")
    if top is None or head is None or changes is None or Path(top).resolve() != project.resolve():
        return None
    return Commit(commit=head, dirty=bool(changes))


def _git(project: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # Neither another repository named by the environment, nor a lock on this one's index.
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  # fixed words, no shell
            [program, "-C", str(project), *arguments],
            env={**surroundings, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
