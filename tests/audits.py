"""Audits of small tables, for tests: one remarkable column beside unremarkable ones."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from snapshots import snapshot_of, spec_of, split_of

from plumbline.audit.examination import Audit, examine
from plumbline.audit.findings import Finding
from plumbline.spec import AuditSpec, PipelineSpec
from plumbline.split.split import Split

ROWS = 2000


def table_of(rows: int = ROWS, **columns: Any) -> pa.Table:
    """A binary label, a feature that tells it a little, and `columns`."""
    rng = np.random.default_rng(0)
    label = rng.random(rows) < 0.5
    plain = {"id": np.arange(rows), "label": label, "fine": rng.normal(size=rows) + label / 2}
    return pa.table(plain | columns)


def split_table(
    table: pa.Table,
    folder: Path,
    *,
    audit: Mapping[str, Any] | None = None,
    assignment: np.ndarray | None = None,
    postgres_types: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[Split, PipelineSpec]:
    """A table frozen and split, and its specification; `assignment` replaces the policy's."""
    spec = spec_of(**options)
    spec = spec.model_copy(update={"audit": AuditSpec(**(audit or {}))})
    snapshot = snapshot_of(
        table, folder, key=spec.source.key, label=spec.source.label, postgres_types=postgres_types
    )
    split = split_of(snapshot, spec)
    return (split if assignment is None else replace(split, assignment=assignment)), spec


def audit_of(
    table: pa.Table,
    folder: Path,
    *,
    previous: Mapping[str, Any] | None = None,
    root: Path = Path(),
    **options: Any,
) -> Audit:
    split, spec = split_table(table, folder, **options)
    return examine(split, spec, previous=previous, root=root)


def findings(table: pa.Table, folder: Path, **options: Any) -> tuple[Finding, ...]:
    return audit_of(table, folder, **options).findings


def of_check(found: tuple[Finding, ...], check: str) -> list[Finding]:
    return [finding for finding in found if finding.check == check]
