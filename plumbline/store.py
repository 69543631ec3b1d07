"""The artifact store: content-verified folders, whole or absent.

An artifact lies at `<root>/<pipeline>/<stage>/<fingerprint>/`. It is written under a
temporary name beside its place, listed with the SHA-256 of each file in `artifact.json`,
flushed to disk and renamed. A process that dies in between leaves only a temporary folder,
which the next writer of the same artifact removes.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import ArtifactCorrupt, ArtifactMissing, SpecError, StoreUnwritable

MANIFEST = "artifact.json"

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes (64 hex digits), read in bounded memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class ArtifactStore:
    """Folders addressed by what they were made from, below `root`."""

    root: Path

    @classmethod
    def at(cls, location: str | Path) -> "ArtifactStore":
        """The store at a path.

        Raises:
            SpecError: `location` is a URL; only paths are served yet.
        """
        if "://" in str(location):
            raise SpecError(
                f"the store's location is {location}",
                expected="a path on a file system",
                remedy="set PLUMBLINE_STORE to a path; mount object storage to use it",
            )
        return cls(root=Path(location).resolve())

    def folder(self, pipeline: str, stage: str, fingerprint: str) -> Path:
        return self.root / pipeline / stage / fingerprint

    def find(self, pipeline: str, stage: str, fingerprint: str) -> Path | None:
        """The artifact's folder if it was published, with its bytes verified; else None.

        Raises:
            ArtifactCorrupt: it is there, but a file's bytes have changed.
        """
        folder = self.folder(pipeline, stage, fingerprint)
        if not (folder / MANIFEST).is_file():
            return None
        verify(folder)
        return folder

    def get(self, pipeline: str, stage: str, fingerprint: str) -> Path:
        """Like `find`, but absence is an error.

        Raises:
            ArtifactMissing: nothing was published under this fingerprint.
            ArtifactCorrupt: a file's bytes have changed.
        """
        folder = self.find(pipeline, stage, fingerprint)
        if folder is None:
            raise ArtifactMissing(
                f"no {stage} {fingerprint[:12]} of pipeline {pipeline} is in the store at "
                f"{self.root}",
                expected=f"the {stage} that the declared options and data lead to",
                remedy=f"materialize {pipeline}/{stage} for this dataset version first",
                stage=stage,
                fingerprint=fingerprint,
            )
        return folder

    def publish(
        self, pipeline: str, stage: str, fingerprint: str, write: Callable[[Path], object]
    ) -> Path:
        """Let `write` fill a temporary folder, then publish it under its fingerprint.

        Two writers of the same artifact may race: one rename wins, and the other
        writer's copy is dropped for the winner's.

        Raises:
            StoreUnwritable: the store is read-only, full or not permitted.
        """
        final = self.folder(pipeline, stage, fingerprint)
        with _storage_errors(self.root):
            _sweep(final)
            draft = final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex}")
            draft.mkdir(parents=True)
        try:
            with _storage_errors(self.root):
                write(draft)
                _seal(draft)
                _rename_if_absent(draft, final)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return final


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 by relative path, as recorded when the artifact was published."""
    try:
        return json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (json.JSONDecodeError, KeyError) as error:
        raise ArtifactCorrupt(
            f"{folder / MANIFEST} is not readable: {error}",
            expected="the list of files written at publication",
            remedy="remove the folder and materialize the stage again",
        ) from error


def mismatches(folder: Path) -> dict[str, str]:
    """What is wrong with each file of a published folder; empty when all bytes verify."""
    recorded = files_of(folder)
    found = {path.relative_to(folder).as_posix() for path in _files(folder)}
    problems = dict.fromkeys(found - recorded.keys(), "not part of the artifact")
    for name, digest in recorded.items():
        if name not in found:
            problems[name] = "missing"
        elif (actual := sha256_of(folder / name)) != digest:
            problems[name] = f"sha256 is {actual[:12]}, was {digest[:12]} when published"
    return problems


def verify(folder: Path) -> None:
    """Re-hash a published folder.

    Raises:
        ArtifactCorrupt: a file is missing, added or changed.
    """
    problems = mismatches(folder)
    if problems:
        listed = ", ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
        raise ArtifactCorrupt(
            f"{folder} does not verify ({listed})",
            expected="the bytes that were published",
            remedy="restore the folder from a backup, or remove it and materialize again",
            problems=problems,
        )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _seal(draft: Path) -> None:
    files = {path.relative_to(draft).as_posix(): sha256_of(path) for path in sorted(_files(draft))}
    (draft / MANIFEST).write_text(json.dumps({"files": files}, indent=1), "utf-8")
    for path in [*draft.rglob("*"), draft]:
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_if_absent(draft: Path, final: Path) -> None:
    try:
        draft.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        verify(final)
    _flush(final.parent)


def _sweep(final: Path) -> None:
    """Remove drafts of this artifact whose writer on this machine is gone."""
    for draft in final.parent.glob(f".{final.name}.*"):
        writer = int(draft.name.split(".")[2])
        if not _alive(writer):
            shutil.rmtree(draft, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _storage_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM and error.errno not in _NO_RIGHT:
            raise
        raise StoreUnwritable(
            f"the store at {root} cannot be written: {error.strerror}",
            expected="a writable file system with room for the artifact",
            remedy="free space or fix the rights there, or set PLUMBLINE_STORE to another path",
        ) from error
