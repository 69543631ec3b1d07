"""What a user expects of the data, beside what the audit looks for by itself."""

from typing import Any, Literal

from pydantic import Field

from plumbline.spec.options import Fraction, Options

Severity = Literal["ERROR", "WARN", "INFO"]


class Expectation(Options):
    """A rule that every value of a column keeps. NULL keeps every rule but not_null."""

    column: str
    check: Literal[
        "not_null",
        "unique",
        "in_range",
        "greater_than",
        "greater_than_or_equal_to",
        "less_than",
        "less_than_or_equal_to",
        "isin",
        "notin",
        "str_matches",
        "str_length",
    ]
    """A check of pandera by its own name, or not_null or unique."""
    arguments: dict[str, Any] = {}
    """What the check takes, by name: {min_value: 0, max_value: 120} for in_range."""
    severity: Severity = "ERROR"
    """ERROR stops the run before anything is trained."""


class AuditSpec(Options):
    """How the data is looked through before anything is fitted."""

    expectations: list[Expectation] = []
    """Rules per column."""
    sql: list[str] = []
    """SQL files, relative to the project's root, that select the offending rows of the table
    `snapshot`; none may come. A first line `-- severity: WARN` makes it a warning."""
    accept: dict[str, str] = {}
    """Reasons by finding, as `check` or `check.column`: what is known and accepted is recorded
    with its reason and blocks nothing."""
    false_alarm_rate: Fraction = 0.01
    """Chance that sound data gives a finding of distribution shift, over all features."""
    examples: int = Field(default=5, ge=0, le=100)
    """Keys shown per finding (count)."""
