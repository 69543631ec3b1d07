"""Exercises of the audit: its findings on a copy in which something is wrong."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from plumbline.drill.exercises import Exercise, Said
from plumbline.drill.ground import ADDED, Ground


def _exercise(
    check: str,
    injection: str,
    inject: Callable[[Ground, Path], Ground],
    column: Callable[[Ground], str | None],
) -> Exercise:
    def injected(ground: Ground, folder: Path) -> Said:
        return _said(inject(ground, folder), check, column(ground))

    return Exercise(
        guard=f"audit: {check}",
        injection=injection,
        injected=injected,
        untouched=partial(_said, check=check),
    )


def _said(ground: Ground, check: str, column: str | None = None) -> Said:
    """The ERROR and WARN findings of a check; of one column where one is named."""
    told = [
        finding.message
        for finding in ground.findings
        if finding.check == check
        and (finding.blocks or finding.warns)
        and column in (None, finding.column)
    ]
    return "; ".join(told) or None


AUDITED = (
    _exercise(
        "target_leakage",
        "the label copied under another name",
        Ground.with_copied_label,
        lambda _: ADDED,
    ),
    _exercise("signal", "the label shuffled", Ground.with_shuffled_label, lambda _: None),
    _exercise(
        "finite",
        "an infinity in a numeric feature",
        Ground.with_infinity,
        lambda ground: ground.number.name,
    ),
    _exercise(
        "shift",
        "a numeric feature of the validation rows in another unit",
        Ground.with_shift,
        lambda ground: ground.number.name,
    ),
)
