"""Images that cannot be read as they are declared."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.extract.features import feature_table
from plumbline.extract.images import Fault, ImageColumn, faults, told


def unreadable(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each declared column with such images; every image is decoded once."""
    for column in feature_table(evidence.snapshot, evidence.spec).images:
        yield from _column(evidence, column)


def _column(evidence: Evidence, column: ImageColumn) -> Iterator[Finding]:
    reasons: dict[Fault, None] = {}

    def chosen(block: pa.RecordBatch) -> np.ndarray:
        wrong = faults(block.column(0), column)
        reasons.update(dict.fromkeys(wrong.values()))
        return np.isin(np.arange(block.num_rows), list(wrong))

    seen = evidence.count([column.name], chosen)
    if not seen.total:
        return
    shown = ", ".join(one.found for one in list(reasons)[: evidence.examples])
    yield Finding(
        check="types",
        severity="ERROR",
        column=column.name,
        count=seen.total,
        message=f"image {column.name!r} cannot be read in {seen.total:,} rows: {shown}",
        remedy="; ".join(dict.fromkeys(one.remedy for one in reasons)),
        threshold=told(column),
        rows=seen.rows,
    )
