"""Every rule of the diagnosis, by its check: it reads the evidence and yields what it finds."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import CHECKS, Finding
from plumbline.network.diagnosis.rules.course import learning, pace, stability
from plumbline.network.diagnosis.rules.machine import feeding, hardware, smoke_test, units
from plumbline.network.diagnosis.rules.quality import (
    minority,
    overfitting,
    predictions,
    underfitting,
)

Rule = Callable[[Evidence], Iterator[Finding]]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "smoke_test": smoke_test,
        "learning": learning,
        "stability": stability,
        "pace": pace,
        "underfitting": underfitting,
        "overfitting": overfitting,
        "predictions": predictions,
        "minority": minority,
        "units": units,
        "feeding": feeding,
        "hardware": hardware,
    }
)
"""By check. `shapes` and `finite` end the training when they find something: see
`shapes.require_shapes` and `rules.finite`."""


def diagnosed(evidence: Evidence) -> tuple[Finding, ...]:
    """What is wrong, errors first, then in the order of the checks."""
    found = [finding for rule in RULES.values() for finding in rule(evidence)]
    order = tuple(CHECKS)
    return tuple(sorted(found, key=lambda f: (f.severity != "ERROR", order.index(f.check))))
