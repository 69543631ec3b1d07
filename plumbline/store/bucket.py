"""Objects in a bucket, and what its answers mean.

What passes (throttling, 5xx, a connection that is refused or cut) is tried again with growing
pauses for `PATIENCE`; what is refused is not. No answer is told whole: it may hold signatures.
"""

import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plumbline.errors import SpecError, StoreUnreachable, StoreUnwritable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "gs", "az", "memory")
"""memory: objects of this process, for tests."""

PATIENCE = timedelta(minutes=2)
"""From a request's first try to its last."""

TRIES = 12

PART = 8 << 20
"""Of an upload in parts, and of what is read at once (bytes)."""

PARTS = 10_000
"""S3 takes no more of them (count)."""

PARTS_AT_ONCE = 3

_PAUSES = (0.2, 1.0, 5.0)
"""Seconds."""

_ENDPOINTS = (
    *("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    *("GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT"),
)
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_STATUS = re.compile(r"status code: (\d{3}[^:<\n]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Bucket:
    """Objects below a URL, by key."""

    url: str

    @classmethod
    def at(cls, url: str) -> "Bucket":
        """Raises SpecError: of another kind than `SCHEMES`, without a bucket, with credentials."""
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise SpecError(
                f"the store's location {shown} comes with more than a bucket and a prefix",
                expected="no user, password, signature or option in it",
                remedy="give credentials by the environment: docs/object-storage.md",
            )
        if parts.scheme not in SCHEMES or not parts.netloc:
            raise SpecError(
                f"the store's location is {shown}",
                expected="a path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
                remedy="set PLUMBLINE_STORE to one of these",
            )
        return cls(url.rstrip("/"))

    @property
    def _objects(self) -> "ObjectStore":
        if _first_user() != os.getpid():
            raise StoreUnreachable(
                f"{self.url} was opened by the process that this one was forked from",
                expected="a process of its own: the client's threads are not forked, too",
                remedy="start processes with spawn or forkserver",
            )
        return _client(self.url)

    def read(self, key: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        try:
            return b"".join(self.stream(key))
        except FileNotFoundError:
            return None

    def stream(self, key: str) -> Iterator[bytes]:
        """An object's bytes, a part after the other.

        Raises:
            FileNotFoundError: there is none.
            StoreUnreachable: the bucket does not answer, or refuses.
        """
        with self._answers(StoreUnreachable):
            for part in self._objects.get(key).stream(min_chunk_size=PART):
                yield bytes(part)

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix. Raises StoreUnreachable."""
        with self._answers(StoreUnreachable):
            return [one["path"] for page in self._objects.list(prefix) for one in page]

    def write(self, key: str, parts: Iterator[bytes], size: int) -> None:
        """An object of `size` bytes, whole or not at all; what was there goes.

        parts: not from a bucket, whose client cannot be called within a call.

        Raises:
            StoreUnwritable: it is refused.
            StoreUnreachable: the bucket does not answer.
        """
        whole = b"".join(parts) if size <= PART else None
        with self._answers(StoreUnwritable):
            if whole is not None:
                self._objects.put(key, whole)
            else:
                part = max(PART, -(-size // PARTS))
                self._objects.put(key, parts, chunk_size=part, max_concurrency=PARTS_AT_ONCE)

    def settle(self, key: str, content: bytes) -> bytes:
        """Write an object where there is none; the bytes that are there then, whoever was first.

        Raises:
            StoreUnwritable, StoreUnreachable: as `write`.
        """
        for pause in _PAUSES:
            self.create(key, content)
            if (stored := self.read(key)) is not None:
                return stored
            time.sleep(pause)  # S3 answers 409 while others write or delete it: neither was first.
        raise self._unreachable(f"{key} is neither there nor can it be written")

    def create(self, key: str, content: bytes) -> bool:
        """Write an object where there is none; whether it was. A write that had to be repeated
        may find itself. Raises StoreUnwritable, StoreUnreachable: as `write`.
        """
        from obstore.exceptions import AlreadyExistsError

        with self._answers(StoreUnwritable):
            try:
                self._objects.put(key, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def delete(self, keys: Collection[str]) -> None:
        """Raises StoreUnwritable, StoreUnreachable: as `write`."""
        with self._answers(StoreUnwritable), suppress(FileNotFoundError):
            if keys:
                self._objects.delete(sorted(keys))

    @contextmanager
    def _answers(self, refused: type[StoreUnreachable] | type[StoreUnwritable]) -> Iterator[None]:
        """Raises what an answer means; `refused` where a permission is missing."""
        from obstore import exceptions

        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise refused(
                f"{self.url} refuses: {_cause(error)}",
                expected="credentials that may read, list, write and delete below it; to score, "
                "read and list",
                remedy="docs/object-storage.md names the permissions and where credentials come "
                "from",
            ) from None
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._unreachable(_cause(error)) from None
            raise
        except exceptions.BaseError as error:
            raise self._unreachable(_cause(error)) from None

    def _unreachable(self, cause: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"{self.url} cannot be used: {cause}",
            expected="a bucket that answers, and credentials for it",
            remedy="see that the bucket is there, and look at endpoint, region, credentials and "
            "network; then run again: what was published is whole, and is not redone",
        )


@cache
def _first_user() -> int:
    return os.getpid()


@cache
def _client(url: str) -> "ObjectStore":
    """Endpoint, region and credentials are those of the environment."""
    from obstore.store import MemoryStore, from_url

    if url.startswith("memory:"):
        return MemoryStore()
    plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
    return from_url(
        url,
        client_options={"connect_timeout": "10s", "timeout": "15m", "allow_http": plain},
        retry_config={"max_retries": TRIES, "retry_timeout": PATIENCE},
    )


def _cause(error: Exception) -> str:
    """What an answer says, without what it quotes of the request."""
    text = str(error).partition("Debug source")[0]
    status, code = _STATUS.search(text), _CODE.search(text)
    if status or code:
        return " ".join(found[1].strip() for found in (status, code) if found)
    return re.sub(r"\?\S*", "", text).strip()
