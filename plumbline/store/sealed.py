"""A folder that is sealed: its files, with the SHA-256 of each in `artifact.json`."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from plumbline.errors import ArtifactCorrupt

MANIFEST = "artifact.json"

_SHA256 = re.compile("[0-9a-f]{64}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes (64 hex digits), read in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(draft: Path) -> None:
    """List a folder's files in its manifest, and have all of it on the disk."""
    files = {path.relative_to(draft).as_posix(): sha256_of(path) for path in sorted(_files(draft))}
    (draft / MANIFEST).write_text(json.dumps({"files": files}, indent=1), "utf-8")
    for path in [*draft.rglob("*"), draft]:
        flush(path)


def flush(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk before what follows."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 by relative path, as recorded when the artifact was published.

    Raises:
        ArtifactCorrupt: the list is not readable.
    """
    return listed((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))


def listed(manifest: bytes, place: str) -> dict[str, str]:
    """SHA-256 by relative path that a manifest's bytes name. place: where they are from.

    Raises:
        ArtifactCorrupt: they are no such list, or one that leads out of the artifact's folder.
    """
    try:
        files = json.loads(manifest)["files"]
        foreign = [name for name, digest in files.items() if not _belongs(name, digest)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(place, f"{type(error).__name__}: {error}") from error
    if foreign:
        raise _unreadable(place, f"{foreign[0]!r} is no file of an artifact with its SHA-256")
    return files


def mismatches(folder: Path) -> dict[str, str]:
    """What is wrong with each file of a published folder; empty when all bytes verify."""
    recorded = files_of(folder)
    found = {path.relative_to(folder).as_posix() for path in _files(folder)}
    problems = dict.fromkeys(found - recorded.keys(), "not part of the artifact")
    for name, digest in recorded.items():
        if name not in found:
            problems[name] = "missing"
        elif (actual := sha256_of(folder / name)) != digest:
            problems[name] = changed(actual, digest)
    return problems


def problems_of(folder: Path) -> dict[str, str]:
    """What is wrong with each file of a published folder, the list of them included."""
    if not (folder / MANIFEST).is_file():
        return {MANIFEST: "missing"}
    try:
        return mismatches(folder)
    except ArtifactCorrupt as error:
        return {MANIFEST: error.found}


def changed(actual: str, published: str) -> str:
    """What is wrong with a file whose SHA-256 is another."""
    return f"sha256 is {actual[:12]}, was {published[:12]} when published"


def verify(folder: Path) -> None:
    """Re-hash a published folder.

    Raises:
        ArtifactCorrupt: a file is missing, added or changed.
    """
    require_sound(str(folder), mismatches(folder))


def require_sound(place: str, problems: Mapping[str, str]) -> None:
    """Raises ArtifactCorrupt where something is wrong with a file of the artifact at `place`."""
    if problems:
        raise ArtifactCorrupt(
            f"{place} does not verify ({told(problems)})",
            expected="the bytes that were published",
            remedy="restore it from a backup, or materialize it again with the run option force, "
            "which puts what is there aside",
            problems=dict(problems),
        )


def told(problems: Mapping[str, str]) -> str:
    """Files with what is wrong with each, in a line."""
    return ", ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))


def _belongs(name: str, digest: str) -> bool:
    path = PurePosixPath(name)
    inside = name not in ("", ".") and not path.is_absolute() and ".." not in path.parts
    return inside and _SHA256.fullmatch(digest) is not None


def _unreadable(place: str, why: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{place} is not readable: {why}",
        expected="the list of files written at publication",
        remedy="materialize the stage again with the run option force, which puts what is there "
        "aside",
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
