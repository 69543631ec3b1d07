"""What a bundle was made with: software versions, locks, image, and the project's git commit."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from plumbline.environment import accelerator, installed, keras_backend
from plumbline.errors import BundleError
from plumbline.release.manifest import Commit
from plumbline.store import sha256_of

SECONDS = 10
BACKEND = "keras_backend"
IMAGE = "PLUMBLINE_IMAGE"
"""Environment variable with the name and digest of the container image that runs."""

_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")

_LIBRARIES = {"cuda": "nvidia-cuda-runtime", "cudnn": "nvidia-cudnn"}
"""NVIDIA's wheels, whose names may go on with the version of CUDA."""


def environment(*further: str) -> dict[str, str | None]:
    """Versions of what trains and scores, by distribution; Keras' backend; CUDA and cuDNN.

    further: distributions that this model needs, and others do not.
    """
    backend = keras_backend()
    always = ("keras", backend, "scikit-learn", "xgboost", "numpy", "pyarrow")
    versions = installed(*always, *further)
    return {**versions, BACKEND: backend, **cuda()}


def cuda() -> dict[str, str | None]:
    """Versions of CUDA and cuDNN: of their wheels, else those that TensorFlow was built for.

    None without a GPU, or where nothing tells: CUDA of the system, under JAX.
    """
    if accelerator() == "cpu":
        return dict.fromkeys(_LIBRARIES)
    built = {}
    found = {name: _wheel(begins) for name, begins in _LIBRARIES.items()}
    if None in found.values() and keras_backend() == "tensorflow":
        from tensorflow import sysconfig

        built = sysconfig.get_build_info()
    return {name: found[name] or built.get(f"{name}_version") for name in _LIBRARIES}


def otherwise(remedy: str, recorded: Mapping[str, str | None]) -> str:
    """The remedy, and what is otherwise here than where the bundle was built."""
    found = differences(recorded)
    return f"{remedy}, or score where it was built: {found}" if found else remedy


def differences(recorded: Mapping[str, str | None]) -> str:
    """What is otherwise here than recorded, for a message; empty if nothing is."""
    here = {**installed(), BACKEND: keras_backend(), **cuda()}
    found = {name: here[name] if name in here else _version(name) for name in recorded}
    return ", ".join(
        f"{name} {version or 'absent'} (here {found[name] or 'absent'})"
        for name, version in recorded.items()
        if found[name] != version
    )


def locks(root: Path) -> dict[str, str]:
    """SHA-256 of the project's files of pinned requirements, by name; empty where it has none."""
    return {path.name: sha256_of(path) for path in sorted(root.glob("requirements*.lock"))}


def image() -> str | None:
    """The container image that `PLUMBLINE_IMAGE` names, or None.

    Raises:
        BundleError: it is not a name with a digest; a tag may mean another image tomorrow.
    """
    named = os.environ.get(IMAGE) or None
    if named is not None and not _DIGEST.fullmatch(named):
        raise BundleError(
            f"{IMAGE} is {named!r}",
            expected="an image by its digest: NAME@sha256: and 64 hexadecimal digits",
            remedy=f"set {IMAGE} to what the registry gave for the image, or leave it unset",
        )
    return named


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


def _wheel(begins: str) -> str | None:
    """The version of an installed wheel called so, with a version of CUDA behind it or without."""
    known = re.compile(re.escape(begins) + r"(-cu\d+)?")
    named = {one.name.lower(): one.version for one in metadata.distributions() if one.name}
    return next((named[name] for name in sorted(named) if known.fullmatch(name)), None)


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
