"""The audit of a split: its columns are profiled, every rule is asked, rows are named by key."""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding, accepting, in_order, require_known
from plumbline.audit.keys import keys_at
from plumbline.audit.profile import Profile
from plumbline.audit.reading import profile
from plumbline.audit.rulebook import RULES
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Audit:
    findings: tuple[Finding, ...]
    """The worst first."""
    profile: Profile


def examine(
    split: Split,
    spec: PipelineSpec,
    *,
    root: Path = Path(),
    previous: Mapping[str, Any] | None = None,
    frozen_at: dt.datetime | None = None,
) -> Audit:
    """Everything that the audit has to say of a split dataset. Nothing is written.

    `root`: what `audit.sql` is relative to. `previous`: the registry's row of the dataset
    version that was frozen before. `frozen_at`: when the rows were read; now, unless given.

    Raises:
        SpecError: an expectation, a SQL file or a reason to accept cannot be.
        LabelViolation: a training row's label is none that was declared.
    """
    require_known(spec.audit)
    started = time.monotonic()
    evidence = Evidence(
        split=split,
        spec=spec,
        profile=profile(split, spec),
        root=root,
        previous=previous,
        frozen_at=frozen_at or dt.datetime.now(dt.UTC),
    )
    found = [accepting(finding, spec.audit) for finding in _asked(evidence)]
    findings = in_order(_with_keys(found, split.snapshot))
    log.info(
        "audited %s rows x %d columns in %.1f s: %d findings",
        f"{split.snapshot.rows:,}",
        len(split.snapshot.columns),
        time.monotonic() - started,
        len(findings),
    )
    return Audit(findings=findings, profile=evidence.profile)


def _asked(evidence: Evidence) -> Iterator[Finding]:
    for rule in RULES.values():
        yield from rule(evidence)


def _with_keys(found: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """Findings with the keys of their rows as examples; each key is read once."""
    keys = keys_at(snapshot, {row for finding in found for row in finding.rows})
    return [
        replace(finding, examples=tuple(keys[row] for row in finding.rows))
        if finding.rows
        else finding
        for finding in found
    ]
