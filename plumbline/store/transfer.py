"""Files between folders and buckets: some at once, hashed on the way, in bounded memory."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TypeVar

from plumbline.store.bucket import PART, Bucket
from plumbline.store.sealed import changed

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Files in transfer (count)."""

TOLD_EVERY = 10.0
"""Seconds."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class Progress:
    """Tells how far a long transfer is."""

    def __init__(self, what: str, total: int | None = None):
        self._what, self._total, self._done = what, total, 0
        self._begun = self._told = time.monotonic()
        self._lock = Lock()

    def counted(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts as they are, counted."""
        for part in parts:
            with self._lock:
                self._done += len(part)
                if (now := time.monotonic()) - self._told > TOLD_EVERY:
                    self._told = now
                    log.info("%s", self._line(now))
            yield part

    def _line(self, now: float) -> str:
        of = f" of {self._total / 1e6:,.0f}" if self._total else ""
        rate = self._done / 1e6 / (now - self._begun)
        return f"{self._what}: {self._done / 1e6:,.0f}{of} MB, {rate:,.1f} MB/s"


def upload(bucket: Bucket, prefix: str, folder: Path, files: Mapping[str, str]) -> None:
    """Write files, {relative path: SHA-256}, below a prefix by their SHA-256.

    Raises:
        StoreUnwritable, StoreUnreachable: as `Bucket.write`.
    """
    # Equal files are one object.
    paths = {digest: folder / name for name, digest in files.items()}
    sizes = {digest: path.stat().st_size for digest, path in paths.items()}
    progress = Progress(f"uploading {prefix}", sum(sizes.values()))

    def send(digest: str) -> None:
        parts = progress.counted(_parts(paths[digest]))
        bucket.write(f"{prefix}/{digest}", parts, sizes[digest])

    at_once(send, paths)


def send(bucket: Bucket, key: str, path: Path) -> None:
    """Write a file. Raises StoreUnwritable, StoreUnreachable: as `Bucket.write`."""
    bucket.write(key, _parts(path), path.stat().st_size)


def copy(bucket: Bucket, key: str, to: str, scratch: Path) -> None:
    """Copy an object through a file: a server copies no more than 5 GB at once.

    Raises:
        StoreUnwritable, StoreUnreachable: as `Bucket.write`.
    """
    with scratch.open("wb") as file:
        file.writelines(bucket.stream(key))
    send(bucket, to, scratch)


def download(bucket: Bucket, prefix: str, files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Fetch files, {relative path: SHA-256}, into a folder; what is wrong with each, by path.

    Raises:
        StoreUnreachable: as `Bucket.stream`.
    """
    progress = Progress(f"fetching {prefix}")

    def fetch(item: tuple[str, str]) -> tuple[str, str]:
        name, digest = item
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            return name, _hashed(bucket, f"{prefix}/{digest}", digest, progress, file.write)

    return {name: problem for name, problem in at_once(fetch, files.items()) if problem}


def mismatches(bucket: Bucket, prefix: str, files: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the objects of files, {relative path: SHA-256}, by path; all are read.

    Raises:
        StoreUnreachable: as `Bucket.stream`.
    """
    progress = Progress(f"verifying {prefix}")

    def check(item: tuple[str, str]) -> tuple[str, str]:
        name, digest = item
        return name, _hashed(bucket, f"{prefix}/{digest}", digest, progress)

    return {name: problem for name, problem in at_once(check, files.items()) if problem}


def at_once(do: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """`do` of every item, `AT_ONCE` at a time; after the first error, what waits is not begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return list(pool.map(do, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _hashed(
    bucket: Bucket,
    key: str,
    digest: str,
    progress: Progress,
    take: Callable[[bytes], object] | None = None,
) -> str:
    """Read an object, and hand its bytes to `take`; what is wrong with them, or nothing."""
    hashed = hashlib.sha256()
    try:
        for part in progress.counted(bucket.stream(key)):
            hashed.update(part)
            if take:
                take(part)
    except FileNotFoundError:
        return "missing"
    actual = hashed.hexdigest()
    return "" if actual == digest else changed(actual, digest)


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(PART):
            yield part
