"""Findings: one thing that was seen in the data, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from plumbline.spec import AuditSpec, Severity

CHECKS: Mapping[str, str] = {
    "schema": "No column vanished or changed its type since the previous dataset version.",
    "missing": "No column is without values, or has lost more of them than before.",
    "finite": "No feature holds NaN or an infinity.",
    "range": "Raw values are on one scale, or a normalization puts them there.",
    "informative": "No feature is constant, nearly so, or an identifier.",
    "types": "No text column is mostly numbers, or says 'missing' in words.",
    "moments": "No date is impossible or lies in the future.",
    "duplicates": "No rows repeat, and none contradict each other.",
    "label": "Every class has enough rows.",
    "signal": "The features say something about the label.",
    "target_leakage": "No feature gives the label away.",
    "shift": "Train, val and test come from one distribution.",
    "expectations": "What was declared of the data holds.",
}
"""Every check of the audit, and what passing means."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found. An ERROR blocks what comes after."""

    check: str
    """One of `CHECKS`."""
    severity: Severity
    column: str | None
    """The column it is about; None for the whole table."""
    count: int
    """Rows concerned; columns, for schema and range."""
    message: str
    remedy: str
    threshold: str = ""
    """The rule that was broken, with its number."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Keys of the first rows concerned, as JSON types."""
    accepted: str = ""
    """The reason for which the user accepted it; it then blocks nothing."""


def accepting(found: Finding, options: AuditSpec) -> Finding:
    """The finding with the user's reason, if one was declared for its check or its column."""
    reason = options.accept.get(f"{found.check}.{found.column}") or options.accept.get(found.check)
    return replace(found, accepted=reason) if reason else found
