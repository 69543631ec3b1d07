"""Every rule of the audit, by its check: it reads the evidence and yields what it finds."""

from collections.abc import Callable, Iterator, Mapping

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.rules.duplicates import duplicates
from plumbline.audit.rules.expectations import expectations
from plumbline.audit.rules.informative import informative
from plumbline.audit.rules.labels import label, signal
from plumbline.audit.rules.moments import moments
from plumbline.audit.rules.schema import schema
from plumbline.audit.rules.shift import shift
from plumbline.audit.rules.target_leakage import target_leakage
from plumbline.audit.rules.types import types
from plumbline.audit.rules.values import finite, missing, range_

Rule = Callable[[Evidence], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "schema": schema,
    "missing": missing,
    "finite": finite,
    "range": range_,
    "informative": informative,
    "types": types,
    "moments": moments,
    "duplicates": duplicates,
    "label": label,
    "signal": signal,
    "target_leakage": target_leakage,
    "shift": shift,
    "expectations": expectations,
}
"""By check."""
