"""The artifact store: content-verified folders, whole or absent.

An artifact lies at `<root>/<pipeline>/<stage>/<fingerprint>/`. It is written under a
temporary name beside its place, listed with the SHA-256 of each file in `artifact.json`,
flushed to disk and renamed. A process that dies in between leaves only a temporary folder,
which the next writer of the same artifact removes. What a writer wants to find again after its
death it puts into the draft's workplace, which goes when the artifact is published.
"""

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.errors import ArtifactCorrupt, ArtifactMissing, SpecError, StoreUnwritable

MANIFEST = "artifact.json"

ABANDONED = 7 * 86_400.0
"""Seconds since the last change after which a workplace is swept, whosever it was."""

_WORKPLACE = "work"

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
        with self.drafted(final, write) as draft:
            rename_if_absent(draft, final)
        return final

    @contextmanager
    def drafted(self, final: Path, write: Callable[[Path], object]) -> Iterator[Path]:
        """What `write` leaves in a folder beside `final`, sealed; gone after the block unless
        renamed. Raises StoreUnwritable, as `publish`.
        """
        draft = final.with_name(f".{final.name}.{os.getpid()}.{uuid.uuid4().hex}")
        try:
            with _storage_errors(self.root):
                _sweep(final)
                draft.mkdir(parents=True)
                write(draft)
                _seal(draft)
                yield draft
            shutil.rmtree(workplace(draft), ignore_errors=True)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 by relative path, as recorded when the artifact was published."""
    try:
        return json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (json.JSONDecodeError, KeyError) as error:
        raise ArtifactCorrupt(
            f"{folder / MANIFEST} is not readable: {error}",
            expected="the list of files written at publication",
            remedy="materialize the stage again with the run option force, which puts the folder "
            "aside",
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
            remedy="restore the folder from a backup, or materialize it again with the run option "
            "force, which puts the folder aside",
            problems=problems,
        )


def workplace(draft: Path) -> Path:
    """The folder for what is half done, beside a draft: the same for every draft of an artifact.

    It need not exist. It outlives the writer, unlike the draft, until the artifact is published
    or nothing has changed there for `ABANDONED` seconds.
    """
    fingerprint = draft.name.split(".")[1] if draft.name.startswith(".") else draft.name
    return draft.with_name(f".{fingerprint}.{_WORKPLACE}")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _seal(draft: Path) -> None:
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


def rename_if_absent(draft: Path, final: Path) -> None:
    """Give a sealed draft its name, unless another writer was first and what it left verifies."""
    try:
        draft.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        verify(final)
    flush(final.parent)


def _sweep(final: Path) -> None:
    """Remove drafts of this artifact whose writer on this machine is gone, and workplaces of
    any artifact of the stage that nobody came back to.
    """
    for draft in final.parent.glob(f".{final.name}.*"):
        writer = draft.name.split(".")[2]
        if writer != _WORKPLACE and not alive(int(writer)):
            shutil.rmtree(draft, ignore_errors=True)
    for place in final.parent.glob(f".*.{_WORKPLACE}"):
        if place != workplace(final) and time.time() - _last_change(place) > ABANDONED:
            shutil.rmtree(place, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """Seconds since 1970; now, where the folder goes away meanwhile."""
    try:
        return max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
    except FileNotFoundError:
        return time.time()


def alive(pid: int) -> bool:
    """Whether this machine has a process of that number."""
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
