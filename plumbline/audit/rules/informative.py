"""Features that say nothing, or name the row instead of describing it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile
from plumbline.audit.reading import as_float
from plumbline.audit.tallies import Distinct

NEARLY = 0.999
"""Share of the rows with one value above which a feature is nearly constant (fraction)."""

FEW_ROWS = 50
"""Distinct values up to which a feature is not taken for an identifier (count)."""

UNIQUE = 0.99
"""Distinct integers per row from which they look like an identifier (fraction)."""


def informative(evidence: Evidence) -> Iterator[Finding]:
    """Constant and nearly constant features, identifiers, and vocabularies that are too long."""
    for column in evidence.profile.features:
        distinct = column.distinct
        if distinct is None or not distinct.count:
            continue
        if distinct.complete and distinct.count == 1:
            yield _constant(evidence, column, distinct)
        elif distinct.complete and distinct.commonest_rows > NEARLY * distinct.rows:
            yield _nearly(evidence, column, distinct)
        elif _identifies(column, distinct):
            yield _identifier(column, distinct)
        elif column.texts and distinct.count > evidence.spec.normalization.max_categories:
            yield _long(evidence, column, distinct)


def _constant(evidence: Evidence, column: ColumnProfile, distinct: Distinct) -> Finding:
    beside = f" beside {column.missing:,} missing ones" if column.missing else ""
    return Finding(
        check="informative",
        severity="WARN",
        column=column.name,
        count=distinct.rows,
        message=f"feature {column.name!r} holds one value only, {distinct.commonest!r}{beside}",
        remedy=f"list it under source.drop, or look for the reason in {evidence.spec.source.sql}",
        threshold="two different values",
    )


def _nearly(evidence: Evidence, column: ColumnProfile, distinct: Distinct) -> Finding:
    others = distinct.rows - distinct.commonest_rows
    share = distinct.commonest_rows / distinct.rows
    return Finding(
        check="informative",
        severity="WARN",
        column=column.name,
        count=distinct.commonest_rows,
        message=f"feature {column.name!r} is {distinct.commonest!r} in {share:.3%} of its rows, "
        f"and something else in {others:,}",
        remedy="list it under source.drop, unless these few rows are what matters",
        threshold=f"one value in at most {NEARLY:.1%} of the rows",
        rows=evidence.first(
            [column.name], lambda block: _differs(block.column(0), column, distinct)
        ),
    )


def _differs(values: pa.Array, column: ColumnProfile, distinct: Distinct) -> Any:
    """Whether a value is another than the commonest one; NULL and NaN are not."""
    if column.kind == "category":
        return pc.not_equal(values.cast(pa.string()), pa.scalar(distinct.commonest))
    numbers = as_float(values)
    return (numbers != float(distinct.commonest)) & ~np.isnan(numbers)


def _identifies(column: ColumnProfile, distinct: Distinct) -> bool:
    if distinct.count <= FEW_ROWS:
        return False
    if column.kind == "category":
        # Text that is mostly numbers belongs to another check, which says how to read it.
        numbers = column.texts.numbers if column.texts else 0
        return distinct.count > distinct.rows / 2 and numbers <= column.rows / 2
    whole = column.postgres_type in ("smallint", "integer", "bigint")
    return whole and distinct.count >= UNIQUE * distinct.rows


def _identifier(column: ColumnProfile, distinct: Distinct) -> Finding:
    words = "category" if column.kind == "category" else "integer"
    share = f"{0.5:.0%}" if words == "category" else f"{UNIQUE:.0%}"
    return Finding(
        check="informative",
        severity="WARN",
        column=column.name,
        count=distinct.count,
        message=f"{words} {column.name!r} looks like an identifier: {distinct.count:,} different "
        f"values in {distinct.rows:,} rows",
        remedy="list it under source.drop, or group its values in the SQL",
        threshold=f"different values in at most {share} of the rows",
    )


def _long(evidence: Evidence, column: ColumnProfile, distinct: Distinct) -> Finding:
    limit = evidence.spec.normalization.max_categories
    over = "" if distinct.complete else "over "
    return Finding(
        check="informative",
        severity="INFO",
        column=column.name,
        count=distinct.count,
        message=f"category {column.name!r} has {over}{distinct.count:,} different values; the "
        "rarest share the unknown slot",
        remedy="raise normalization.max_categories, or group its values in the SQL",
        threshold=f"normalization.max_categories: {limit:,}",
    )
