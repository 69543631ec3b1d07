"""Findings of a diagnosis: what is wrong, what shows it, why, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["ERROR", "WARN"]

CHECKS: Mapping[str, str] = {
    "shapes": "Rows, labels and weights have the shapes and types that the network reads.",
    "smoke_test": "The untrained network's loss on random rows is that of an even guess.",
    "finite": "No loss and no weight became NaN or infinite.",
    "learning": "The loss fell below that of a constant answer.",
    "stability": "The loss neither diverged nor swung from epoch to epoch.",
    "pace": "The weights moved, and the loss was not still falling steeply at the end.",
    "underfitting": "The network beats chance, and is not behind a linear model.",
    "overfitting": "What was learned of the training rows holds on the validation rows.",
    "predictions": "Predictions are not all alike.",
    "minority": "A rare class is predicted at all.",
    "units": "Most hidden units answer to some row.",
    "feeding": "Steps compute longer than they wait for rows.",
    "hardware": "A GPU that is there is used.",
}
"""Every check of the diagnosis, and what passing means."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that went wrong."""

    check: str
    """One of `CHECKS`."""
    severity: Severity
    """ERROR: the network is of no use. Neither stops the run: the evaluation decides."""
    evidence: str
    """What was seen, with its numbers."""
    cause: str
    """The likeliest."""
    remedies: tuple[str, ...]
    """In the order to try them."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the evidence was judged by, and the limits, by name."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "remedies": list(self.remedies), "numbers": dict(self.numbers)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Finding":
        return cls(**{**record, "remedies": tuple(record["remedies"])})


def told(findings: Iterable[Finding]) -> str:
    """A block of text for the terminal; what several have in common is told once."""
    lines, known = [], set()
    for one in findings:
        lines.append(f"{one.severity} {one.check}: {one.evidence}")
        if one.cause in known:
            lines.append("  likeliest cause: as above")
            continue
        known.add(one.cause)
        lines += [f"  likeliest cause: {one.cause}", f"  to fix: {one.remedies[0]}"]
    return "\n".join(lines)
