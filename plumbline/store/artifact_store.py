"""The store on a path; `object_store` has the one in a bucket, which does the same."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from plumbline.errors import ArtifactMissing, StoreUnwritable
from plumbline.store.drafts import draft_of, rename_if_absent, sweep, workplace
from plumbline.store.sealed import MANIFEST, problems_of, seal, verify

SET_ASIDE = ".set_aside"
"""Folder of the store, which no pipeline can be named like, for what did not verify."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, kw_only=True)
class ArtifactStore:
    """Folders addressed by what they were made from, below `root`."""

    root: Path
    """On this machine. What is half done lies here, wherever the store is."""

    purpose: ClassVar[str] = "store"
    set_by: ClassVar[str] = "PLUMBLINE_STORE"
    """What `root` is, and the variable that names it."""

    @classmethod
    def at(cls, location: str | Path) -> "ArtifactStore":
        """The store at a path, or at a URL: s3, gs, az, memory or file.

        Nothing is asked of a bucket yet.

        Raises:
            SpecError: the URL is of another kind, or names credentials.
        """
        if "://" not in str(location):
            return ArtifactStore(root=Path(location).resolve())
        parts = urlsplit(str(location))
        if parts.scheme == "file" and not parts.netloc:
            return ArtifactStore(root=Path(parts.path).resolve())
        from plumbline.store.object_store import ObjectStore

        return ObjectStore.of(str(location))

    @property
    def address(self) -> str:
        """Where the store is, as it is told to people."""
        return str(self.root)

    def folder(self, pipeline: str, stage: str, fingerprint: str) -> Path:
        """The artifact's place on this machine, whether or not it is there."""
        return self.root / pipeline / stage / fingerprint

    def location_of(self, path: Path) -> str:
        """Where something below `root` is in the store, a path or a URL; it need not be there."""
        return str(path)

    def local(self, pipeline: str, stage: str, fingerprint: str) -> Path:
        """The artifact's folder on this machine, not verified on a path; where nothing was
        published, there is no such folder.
        """
        return self.folder(pipeline, stage, fingerprint)

    def has(self, pipeline: str, stage: str, fingerprint: str) -> bool:
        """Whether there is something in the artifact's place, sound or not."""
        return self.folder(pipeline, stage, fingerprint).is_dir()

    def holds(self, location: str) -> bool:
        """Whether there is an artifact, or a file of one, at a path or a URL."""
        return Path(location).exists()

    def published(self, pipeline: str, stage: str) -> list[str]:
        """The fingerprints of a stage that were published, sorted."""
        folders = (self.root / pipeline / stage).glob("*")
        return sorted(folder.name for folder in folders if (folder / MANIFEST).is_file())

    def problems(self, pipeline: str, stage: str, fingerprint: str) -> dict[str, str]:
        """What is wrong with each file in the store, the list of them included; all are read."""
        return problems_of(self.folder(pipeline, stage, fingerprint))

    def find(self, pipeline: str, stage: str, fingerprint: str) -> Path | None:
        """The artifact's folder if it was published, with its bytes verified; else None.

        Raises:
            ArtifactCorrupt: it is there, but a file's bytes have changed.
            StoreUnreachable: the store does not answer, or refuses.
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
            ArtifactCorrupt, StoreUnreachable: as `find`.
        """
        folder = self.find(pipeline, stage, fingerprint)
        if folder is None:
            raise ArtifactMissing(
                f"no {stage} {fingerprint[:12]} of pipeline {pipeline} is in the store at "
                f"{self.address}",
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

        Two writers of the same artifact may race: one is first, and the other writer's copy is
        dropped for the winner's.

        Raises:
            StoreUnwritable: the store is read-only, full or not permitted.
            StoreUnreachable: the store does not answer.
        """
        final = self.folder(pipeline, stage, fingerprint)
        with self.drafted(final, write) as draft:
            self.accept(draft, pipeline, stage, fingerprint)
        return final

    @contextmanager
    def drafted(self, final: Path, write: Callable[[Path], object]) -> Iterator[Path]:
        """What `write` leaves in a folder beside `final`, sealed; gone after the block unless
        renamed. Raises StoreUnwritable, as `publish`.
        """
        with self.receiving(final) as draft:
            sweep(final)
            write(draft)
            seal(draft)
            yield draft
        shutil.rmtree(workplace(draft), ignore_errors=True)

    @contextmanager
    def receiving(self, final: Path) -> Iterator[Path]:
        """An empty folder beside `final`; gone after the block unless renamed."""
        draft = draft_of(final)
        try:
            with self._storage_errors():
                draft.mkdir(parents=True)
                yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def accept(self, draft: Path, pipeline: str, stage: str, fingerprint: str) -> None:
        """Publish a sealed draft, unless another writer was first."""
        rename_if_absent(draft, self.folder(pipeline, stage, fingerprint))

    def keep(self, path: Path) -> None:
        """Have a file below `root` that is part of no artifact in the store, too."""

    def put_aside(self, pipeline: str, stage: str, fingerprint: str) -> str:
        """Free the artifact's place, and tell where what was there is kept."""
        aside = self.root / aside_of(pipeline, stage, fingerprint)
        aside.parent.mkdir(parents=True, exist_ok=True)
        self.folder(pipeline, stage, fingerprint).rename(aside)
        return str(aside)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM and error.errno not in _NO_RIGHT:
                raise
            raise StoreUnwritable(
                f"the {self.purpose} at {self.root} cannot be written: {error.strerror}",
                expected="a writable file system with room for the artifact",
                remedy=f"free space or fix the rights there, or set {self.set_by} to another path",
            ) from error


def aside_of(pipeline: str, stage: str, fingerprint: str) -> str:
    """A place in the store for what is put aside now."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    return f"{SET_ASIDE}/{pipeline}/{stage}/{fingerprint}.{now}"
