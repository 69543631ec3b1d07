"""Hold the drill: every guard must fire on its injection, and be silent on the data as it is."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from plumbline.drill.audited import AUDITED
from plumbline.drill.exercises import EXERCISES, Exercise
from plumbline.drill.ground import Ground
from plumbline.extract.snapshot import Snapshot
from plumbline.registry import Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one guard did."""

    guard: str
    injection: str
    fired: bool
    silent_on_sound_data: bool
    told: str
    """Its words: of the injection; or, where it cried wolf, of the data as it is."""

    @property
    def passed(self) -> bool:
        return self.fired and self.silent_on_sound_data


def drill(
    ground: Ground, exercises: Sequence[Exercise] = (*AUDITED, *EXERCISES)
) -> Iterator[Outcome]:
    """Hold each exercise on copies in a temporary folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="plumbline-drill-") as folder:
        for number, exercise in enumerate(exercises):
            outcome = _held(exercise, ground, Path(folder, str(number)))
            log.info(
                "drill: %s: %s", exercise.guard, "as it should" if outcome.passed else "FAILED"
            )
            yield outcome


def record(registry: Registry, snapshot: Snapshot, outcome: Outcome) -> None:
    """Append an outcome to `guard_drills`."""
    registry.append(
        "guard_drills",
        pipeline=snapshot.pipeline,
        dataset_version=snapshot.dataset_version,
        **vars(outcome),
    )


def _held(exercise: Exercise, ground: Ground, folder: Path) -> Outcome:
    said = exercise.injected(ground, folder)
    alarm = exercise.untouched(ground)
    return Outcome(
        guard=exercise.guard,
        injection=exercise.injection,
        fired=said is not None,
        silent_on_sound_data=alarm is None,
        told=alarm or said or "",
    )
