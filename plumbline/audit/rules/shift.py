"""Features that are distributed otherwise on another side of the split."""

from collections.abc import Iterator

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile
from plumbline.audit.sample import BLOCKS
from plumbline.audit.shift import Shift

EFFECT = 0.1
"""Distance between distributions from which a shift matters, however sure it is."""

MARGIN = 0.1
"""How much further than any part of the training rows a later side must lie."""


def shift(evidence: Evidence) -> Iterator[Finding]:
    """Val or test against train: by size of the effect, and beyond what chance would do."""
    for column in evidence.profile.features:
        found = [one for one in column.shifts if one.effect > _limit(one)]
        if found:
            yield _shifted(evidence, column, found)


def _limit(one: Shift) -> float:
    seasons = one.furthest + MARGIN if one.furthest is not None else 0.0
    return max(EFFECT, one.chance, seasons)


def _shifted(evidence: Evidence, column: ColumnProfile, found: list[Shift]) -> Finding:
    distance = "KS distance" if column.kind == "numeric" else "total variation"
    told = " and ".join(f"{one.side} ({distance} {one.effect:.3f})" for one in found)
    worst = max(found, key=lambda one: one.effect)
    counts = evidence.split.counts
    return Finding(
        check="shift",
        severity="WARN",
        column=column.name,
        count=sum(counts[one.side] for one in found),
        message=f"feature {column.name!r} is distributed otherwise in {told} than in train"
        f"{_seasons(worst)}{evidence.profile.sample.told}",
        remedy="look for a change of unit, of source or of meaning; if the world changed, train "
        f"on rows like those to come, and accept shift.{column.name} with the reason",
        threshold=_threshold(evidence, worst, distance),
        rows=worst.typical,
    )


def _seasons(one: Shift) -> str:
    if one.furthest is None:
        return ""
    return (
        f", further than any of {BLOCKS} parts of train in time from the rest ({one.furthest:.3f})"
    )


def _threshold(evidence: Evidence, one: Shift, distance: str) -> str:
    rate = evidence.spec.audit.false_alarm_rate
    seasons = ""
    if one.furthest is not None:
        seasons = f", and {MARGIN} beyond the furthest part of train ({one.furthest:.3f})"
    return (
        f"{distance} up to {EFFECT}, or up to {one.chance:.3f}, which sound data exceeds in any "
        f"feature with a probability of {rate:g} at most{seasons}"
    )
