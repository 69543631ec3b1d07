"""Findings: one thing that was seen in the data, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plumbline.errors import SpecError
from plumbline.spec import AuditSpec, Severity

CHECKS: Mapping[str, str] = {
    "schema": "No column vanished or changed its type since the previous dataset version.",
    "missing": "No feature is without values, or has lost more of them than before.",
    "finite": "No feature holds NaN or an infinity.",
    "range": "Raw values are on one scale, or a normalization puts them there.",
    "informative": "No feature is constant, nearly so, or an identifier.",
    "types": "No text is mostly numbers or says 'missing' in words; no number loses digits; "
    "every declared image can be read.",
    "moments": "No date is impossible or lies in the future.",
    "duplicates": "No rows repeat, and none contradict each other.",
    "label": "Every class has enough rows.",
    "signal": "The features say something about the label.",
    "target_leakage": "No feature gives the label away.",
    "shift": "Train, val and test come from one distribution.",
    "expectations": "What was declared of the data holds.",
}
"""Every check of the audit, and what passing means."""

_RANK = {"ERROR": 0, "WARN": 1, "INFO": 2}

_LAST = ("types", "informative", "range")
"""Checks that most tables have findings of: they are told after the others."""


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
    rows: tuple[int, ...] = ()
    """Positions of the first rows concerned, in the snapshot."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Keys of the first rows concerned, as JSON types."""
    accepted: str = ""
    """The reason for which the user accepted it; it then blocks nothing."""

    @property
    def blocks(self) -> bool:
        return self.severity == "ERROR" and not self.accepted

    @property
    def warns(self) -> bool:
        return self.severity == "WARN" and not self.accepted


def accepting(found: Finding, options: AuditSpec) -> Finding:
    """The finding with the user's reason, if one was declared for its check or its column."""
    reason = options.accept.get(f"{found.check}.{found.column}") or options.accept.get(found.check)
    return replace(found, accepted=reason) if reason else found


def require_known(options: AuditSpec) -> None:
    """Raises SpecError where a reason is declared for a check that there is not."""
    unknown = sorted(name for name in options.accept if name.partition(".")[0] not in CHECKS)
    if unknown:
        raise SpecError(
            f"audit.accept names {', '.join(unknown)}",
            expected=f"a check, or check.column; checks are {', '.join(CHECKS)}",
            remedy="correct the name in defs.yaml",
            unknown=unknown,
        )


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, what was accepted last; within, what is seldom found first."""
    checks = [*(check for check in reversed(tuple(CHECKS)) if check not in _LAST), *_LAST]
    return tuple(
        sorted(found, key=lambda f: (bool(f.accepted), _RANK[f.severity], checks.index(f.check)))
    )
