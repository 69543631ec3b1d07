"""The store in a bucket, with a folder of verified copies on this machine.

Below `<pipeline>/<stage>/<fingerprint>/` lie an artifact's files, each named by its SHA-256, and
`artifact.json`, which names them. Files go first. The list is written on the condition that there
is none: of writers that race, one is first, and all files that its list names are there, whoever
wrote them, for equal names are equal bytes. Nothing is removed before a list is there, and then
only what it does not name: so no writer takes away what another one is about to name.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from plumbline.environment import store_cache
from plumbline.errors import ArtifactCorrupt, StoreError, StoreUnwritable
from plumbline.store import transfer
from plumbline.store.artifact_store import ArtifactStore, aside_of
from plumbline.store.bucket import Bucket
from plumbline.store.drafts import discard, rename_if_absent
from plumbline.store.sealed import MANIFEST, listed, problems_of, require_sound, told

log = logging.getLogger(__name__)

PROBE = ".conditional_writes"
"""Written once, to learn whether the bucket keeps to conditions."""


@dataclass(frozen=True, kw_only=True)
class ObjectStore(ArtifactStore):
    """Artifacts in a bucket; `root` holds copies, which can be deleted when nothing runs."""

    bucket: Bucket

    purpose: ClassVar[str] = "cache of the store"
    set_by: ClassVar[str] = "PLUMBLINE_STORE_CACHE"

    @classmethod
    def of(cls, url: str) -> "ObjectStore":
        """Raises SpecError: as `Bucket.at`."""
        bucket = Bucket.at(url)
        plain = re.sub("[^a-z0-9]+", "-", bucket.url.lower())
        digest = hashlib.sha256(bucket.url.encode()).hexdigest()[:8]
        return cls(root=store_cache() / f"{plain}-{digest}", bucket=bucket)

    @property
    def address(self) -> str:
        return self.bucket.url

    def location_of(self, path: Path) -> str:
        inside = path.is_relative_to(self.root)
        return f"{self.address}/{path.relative_to(self.root)}" if inside else str(path)

    def local(self, pipeline: str, stage: str, fingerprint: str) -> Path:
        """The artifact's folder on this machine, fetched and verified; where nothing was
        published, there is no such folder. Raises ArtifactCorrupt, StoreUnreachable.
        """
        folder = self.find(pipeline, stage, fingerprint)
        return folder or self.folder(pipeline, stage, fingerprint)

    def has(self, pipeline: str, stage: str, fingerprint: str) -> bool:
        return self.bucket.read(f"{pipeline}/{stage}/{fingerprint}/{MANIFEST}") is not None

    def holds(self, location: str) -> bool:
        """Also of a path on this machine: a bundle may be older than the bucket."""
        if not location.startswith(f"{self.address}/"):
            return super().holds(location)
        *place, rest = f"{location}/".removeprefix(f"{self.address}/").split("/", 3)
        manifest = self.bucket.read(f"{'/'.join(place)}/{MANIFEST}")
        file = rest.rstrip("/")
        return manifest is not None and (not file or file in listed(manifest, location))

    def published(self, pipeline: str, stage: str) -> list[str]:
        keys = self.bucket.keys(f"{pipeline}/{stage}")
        return sorted(key.split("/")[-2] for key in keys if key.endswith(f"/{MANIFEST}"))

    def problems(self, pipeline: str, stage: str, fingerprint: str) -> dict[str, str]:
        prefix, _ = self._places(pipeline, stage, fingerprint)
        manifest = self.bucket.read(f"{prefix}/{MANIFEST}")
        if manifest is None:
            return {MANIFEST: "missing"}
        try:
            files = listed(manifest, f"{self.address}/{prefix}/{MANIFEST}")
        except ArtifactCorrupt as error:
            return {MANIFEST: error.found}
        return transfer.mismatches(self.bucket, prefix, files)

    def find(self, pipeline: str, stage: str, fingerprint: str) -> Path | None:
        prefix, folder = self._places(pipeline, stage, fingerprint)
        manifest = self.bucket.read(f"{prefix}/{MANIFEST}")
        if folder.is_dir() and (problems := _unlike(folder, manifest)):
            log.warning(
                "%s is removed: it is not what %s/%s holds (%s)",
                *(folder, self.address, prefix, told(problems)),
            )
            discard(folder)
        if manifest is not None and not folder.is_dir():
            self._fetch(prefix, manifest, folder)
        return folder if manifest is not None else None

    def _fetch(self, prefix: str, manifest: bytes, folder: Path) -> None:
        place = f"{self.address}/{prefix}"
        files = listed(manifest, f"{place}/{MANIFEST}")
        with self.receiving(folder) as draft:
            require_sound(place, transfer.download(self.bucket, prefix, files, draft))
            (draft / MANIFEST).write_bytes(manifest)
            rename_if_absent(draft, folder)

    @contextmanager
    def drafted(self, final: Path, write: Callable[[Path], object]) -> Iterator[Path]:
        """As on a path. What the bucket would refuse, it refuses before `write` begins."""
        _require_conditional_writes(self.bucket)
        with super().drafted(final, write) as draft:
            yield draft

    def accept(self, draft: Path, pipeline: str, stage: str, fingerprint: str) -> None:
        prefix, folder = self._places(pipeline, stage, fingerprint)
        manifest = (draft / MANIFEST).read_bytes()
        transfer.upload(self.bucket, prefix, draft, listed(manifest, str(draft)))
        first = self.bucket.settle(f"{prefix}/{MANIFEST}", manifest)
        self._sweep(prefix, first)
        if first == manifest:
            discard(folder)
            rename_if_absent(draft, folder)
        else:
            log.warning("another writer of %s/%s was first", self.address, prefix)
            self.get(pipeline, stage, fingerprint)

    def keep(self, path: Path) -> None:
        transfer.send(self.bucket, path.relative_to(self.root).as_posix(), path)

    def put_aside(self, pipeline: str, stage: str, fingerprint: str) -> str:
        prefix, folder = self._places(pipeline, stage, fingerprint)
        aside = aside_of(pipeline, stage, fingerprint)
        # The artifact is there until all of it is kept elsewhere.
        with self.receiving(folder) as draft:
            for key in self.bucket.keys(prefix):
                to = f"{aside}{key.removeprefix(prefix)}"
                transfer.copy(self.bucket, key, to, draft / "object")
        self.bucket.delete([f"{prefix}/{MANIFEST}"])
        discard(folder)
        return f"{self.address}/{aside}"

    def _places(self, pipeline: str, stage: str, fingerprint: str) -> tuple[str, Path]:
        """The artifact's prefix in the bucket, and its folder on this machine."""
        prefix = f"{pipeline}/{stage}/{fingerprint}"
        return prefix, self.folder(pipeline, stage, fingerprint)

    def _sweep(self, prefix: str, manifest: bytes) -> None:
        """Remove what no list names. To be called when there is a list, which is `manifest`."""
        files = listed(manifest, f"{self.address}/{prefix}/{MANIFEST}").values()
        named = {f"{prefix}/{name}" for name in (MANIFEST, *files)}
        try:
            self.bucket.delete(set(self.bucket.keys(prefix)) - named)
        except StoreError as error:
            log.warning(
                "what other writers left below %s/%s stays: %s", self.address, prefix, error
            )


def _unlike(folder: Path, manifest: bytes | None) -> dict[str, str]:
    """What tells a copy from the artifact that has this list; None: nothing is published."""
    if manifest is None:
        return {MANIFEST: "there is none"}
    problems = problems_of(folder)
    if not problems and (folder / MANIFEST).read_bytes() != manifest:
        return {MANIFEST: "is another one"}
    return problems


@cache
def _require_conditional_writes(bucket: Bucket) -> None:
    """Raises StoreUnwritable: it writes an object a second time although told not to."""
    if bucket.create(PROBE, b"") and bucket.create(PROBE, b""):
        raise StoreUnwritable(
            f"{bucket.url} ignores the condition If-None-Match of a write",
            expected="a store that keeps to it, so that of two writers one is first",
            remedy="update the server, or use another: Amazon S3 has conditional writes since 2024",
        )
