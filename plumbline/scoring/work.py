"""A scoring under way: how far it came, and what it may go on from."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from plumbline.release.opened import Bundle
from plumbline.scoring.blocks import Position
from plumbline.scoring.rejects import Rejected, batch, size

log = logging.getLogger(__name__)

Identity = Mapping[str, Any]
"""What a scoring is of, as JSON can say it: the bundle, the source, how it is read. Only where
all of it is equal may half a scoring be gone on with."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Rows up to a position (counts)."""

    position: Position = field(default_factory=Position)
    scored: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        # No row is dropped, whatever became of it.
        if self.position.row != self.scored + self.rejected:
            raise AssertionError(f"{self} does not add up")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Progress":
        row, key = record["position"]
        position = Position(row, None if key is None else tuple(key))
        return cls(position=position, scored=record["scored"], rejected=record["rejected"])


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows that are kept together, or not at all."""

    scored: Sequence[pa.RecordBatch]
    rejected: pa.RecordBatch
    progress: Progress
    """After this part."""


class Gathered:
    """What goes into the next part."""

    def __init__(self, bundle: Bundle, done: Progress) -> None:
        self._bundle = bundle
        self._done = done
        self._begin()

    @property
    def rows(self) -> int:
        """Read since the last part (count)."""
        return self._position.row - self._done.position.row

    def add(self, scored: pa.RecordBatch, rejected: Sequence[Rejected], position: Position) -> None:
        """A block's rows, up to a position."""
        self._scored.append(scored)
        self._rejected += rejected
        self._position = position
        self.bytes += scored.nbytes + sum(map(size, rejected))

    def part(self) -> Part:
        """All of it; nothing is left."""
        progress = Progress(
            position=self._position,
            scored=self._done.scored + sum(map(len, self._scored)),
            rejected=self._done.rejected + len(self._rejected),
        )
        found = Part(
            scored=self._scored, rejected=batch(self._rejected, self._bundle), progress=progress
        )
        self._done = progress
        self._begin()
        return found

    def _begin(self) -> None:
        self._scored: list[pa.RecordBatch] = []
        self._rejected: list[Rejected] = []
        self._position = self._done.position
        self.bytes = 0


class Work(Protocol):
    """A scoring that is open, in one process at a time."""

    @property
    def progress(self) -> Progress:
        """Of what is kept already."""
        ...

    @property
    def finished(self) -> bool:
        """Whether all of it is where it belongs; nothing is left to do then."""
        ...

    def add(self, part: Part) -> None:
        """Keep a part for good."""
        ...

    def finish(self) -> None:
        """Bring what was kept to where it belongs, whole."""
        ...

    def forget(self) -> None:
        """Leave nothing behind: going on would end as it ended now."""
        ...


class Target(Protocol):
    """Where scores go."""

    @property
    def where(self) -> str: ...

    @property
    def rejects(self) -> str:
        """Where rejected rows go."""
        ...

    def opened(
        self, identity: Identity, scored: pa.Schema, rejected: pa.Schema
    ) -> AbstractContextManager[Work]:
        """The scoring of this identity: anew, or where it stopped.

        Raises:
            ScoringError: another process is at it, or the place cannot hold such rows.
        """
        ...


def tell_resumed(where: str, progress: Progress) -> None:
    """Log where a scoring goes on."""
    log.info("%s: going on after row %s", where, f"{progress.position.row:,}")


def tell_anew(where: str, before: Identity, now: Identity) -> None:
    """Log that half a scoring is given up, and why."""
    names = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    changed = ", ".join(sorted(names)) or "how it was kept"
    log.warning("%s: half a scoring is there, but %s changed; starting anew", where, changed)
