"""What a split must leave on every side before it is published."""

from collections.abc import Iterator
from typing import Any

from plumbline.errors import SplitError
from plumbline.spec import ColumnSplit, HashSplit, PipelineSpec, StratifiedSplit, TemporalSplit
from plumbline.split.certificate import Certificate
from plumbline.split.label_facts import counted, shortcomings

_EXPECTED = {
    "binary": "rows of both labels in train, val and test",
    "multiclass": "rows of every class in train, and of two classes or more in val and test",
    "multilabel": "rows with and without each label in train, and with and without one of them in "
    "val and test",
    "regression": "rows of two values or more in train, val and test",
}

_UNDONE = {
    "duplicate": "declare split.duplicates: keep if rows with equal features may part",
    "group": "declare a finer source.group",
    "gap": "shorten split.gap",
}
"""What brings excluded rows back, by the reason of their exclusion."""


def require_both_labels(certificate: Certificate, spec: PipelineSpec) -> None:
    """Raises SplitError, with all counts, where a side is empty or teaches nothing.

    Every side needs both labels of a binary task, two classes, both values of one of several
    labels, or two values of a regression's label; train needs every class, and both values of
    every label.
    """
    sides = certificate["sides"]
    wrong = dict(shortcomings(sides))
    if not wrong:
        return
    told = ", ".join(f"{name} {counted(side)}" for name, side in sides.items())
    leaves = ", ".join(f"{name} {what}" for name, what in wrong.items())
    excluded = _excluded(certificate, list(wrong))
    raise SplitError(
        f"policy {certificate['policy']['policy']!r} leaves {leaves} ({told}){_losses(excluded)}",
        expected=_EXPECTED[certificate["task"]],
        remedy=", or ".join([*_undone(excluded), _remedy(certificate, spec)]),
        counts={name: _counts(side) for name, side in sides.items()},
        excluded=excluded,
    )


def _excluded(certificate: Certificate, names: list[str]) -> dict[str, dict[str, int]]:
    """Rows excluded from these sides: by side, then by reason; where there are any."""
    reasons = certificate["excluded"]["reasons"]
    found = {
        name: {reason: counts[name] for reason, counts in reasons.items() if counts[name]}
        for name in names
    }
    return {name: lost for name, lost in found.items() if lost}


def _losses(excluded: dict[str, dict[str, int]]) -> str:
    told = [
        f"; {rows:,} {name} rows are excluded by the rule on {reason}s"
        for name, lost in excluded.items()
        for reason, rows in lost.items()
    ]
    return "".join(told)


def _undone(excluded: dict[str, dict[str, int]]) -> Iterator[str]:
    for reason, remedy in _UNDONE.items():
        if any(reason in lost for lost in excluded.values()):
            yield remedy


def _counts(side: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": side["rows"],
        **({"positives": side["positives"]} if "positives" in side else {}),
    }


def _remedy(certificate: Certificate, spec: PipelineSpec) -> str:
    more = f"select more rows in {spec.source.sql}"
    match spec.split:
        case HashSplit() | StratifiedSplit() if spec.source.group:
            return f"raise split.val and split.test, {more}, or split by a finer source.group"
        case HashSplit():
            return f"choose split.policy 'stratified', raise split.val and split.test, or {more}"
        case StratifiedSplit():
            return f"raise split.val and split.test, or {more} of the rarer label"
        case TemporalSplit():
            ranges = certificate["time"]["ranges"].values()
            first, last = min(r["first"] for r in ranges), max(r["last"] for r in ranges)
            return (
                f"move split.val_from and split.test_from within {first} to {last}, where the "
                f"rows are, or {more}"
            )
        case ColumnSplit(column=column):
            return f"correct the values of {column!r} in {spec.source.sql}"
