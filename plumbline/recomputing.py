"""A stage made again although its artifact is there, and held against what is stored."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.store import ArtifactStore, files_of

log = logging.getLogger(__name__)

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """What came of making a stored artifact again."""

    differing: Mapping[str, str]
    """By file that came out otherwise: how."""
    unsound: Mapping[str, str]
    """By file of the stored artifact that did not verify: what is wrong with it."""
    set_aside: str | None = None
    """Where the stored artifact is now; None: it verified, and stands."""

    @property
    def told(self) -> str:
        """The outcome in a sentence."""
        if self.set_aside:
            return (
                f"the stored artifact did not verify ({_listed(self.unsound)}); it was put aside "
                f"at {self.set_aside}, and what was computed now took its place"
            )
        if self.differing:
            return f"differs, and what was stored stands: {_listed(self.differing)}"
        return "identical"


def recompute(
    store: ArtifactStore,
    pipeline: str,
    stage: str,
    fingerprint: str,
    write: Callable[[Path], object],
) -> Recomputed:
    """Let `write` make a published artifact again, and compare; what verifies is never replaced.

    Whoever calls keeps others from doing the same meanwhile.

    Raises:
        StoreUnwritable: the store is read-only, full or not permitted.
        StoreUnreachable: the store does not answer.
    """
    place = pipeline, stage, fingerprint
    with store.drafted(store.folder(*place), write) as draft:
        unsound = store.problems(*place)
        if not unsound:
            stored = store.local(*place)
            return Recomputed(differing=dict(_differing(stored, draft)), unsound={})
        aside = store.put_aside(*place)
        store.accept(draft, *place)
    made = Recomputed(differing={}, unsound=unsound, set_aside=aside)
    log.warning("%s %s: %s", stage, fingerprint[:12], made.told)
    return made


def _differing(stored: Path, made: Path) -> Iterator[tuple[str, str]]:
    before, now = files_of(stored), files_of(made)
    for name in sorted(before | now):
        if name not in now:
            yield name, "was not made this time"
        elif name not in before:
            yield name, "was not made before"
        elif before[name] != now[name]:
            size = max((folder / name).stat().st_size for folder in (stored, made))
            differing = _bytes_differing(stored / name, made / name)
            yield name, f"{differing:,} of {size:,} bytes differ"


def _bytes_differing(one: Path, other: Path) -> int:
    """Positions at which two files differ, those that only the longer one has included."""
    count = 0
    with one.open("rb") as left, other.open("rb") as right:
        while (pair := (left.read(_CHUNK), right.read(_CHUNK))) != (b"", b""):
            shorter = min(map(len, pair))
            a, b = (np.frombuffer(chunk, np.uint8, shorter) for chunk in pair)
            count += int(np.count_nonzero(a != b)) + max(map(len, pair)) - shorter
    return count


def _listed(files: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {what}" for name, what in sorted(files.items()))
