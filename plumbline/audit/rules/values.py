"""Values that are missing, infinite or far from zero."""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow.compute as pc

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile
from plumbline.audit.reading import as_float
from plumbline.audit.tallies import Numbers

MOSTLY = 0.5
"""Share of missing values that is worth a word (fraction)."""

RISE = 0.01
"""Smallest rise of a column's share of NULLs that is reported (fraction)."""

SCALE = 10.0
"""Raw values up to which a feature is on the scale that networks learn from."""

WIDEST = 5
"""Features that are named of those beyond (count)."""


def missing(evidence: Evidence) -> Iterator[Finding]:
    """Features without a value, mostly without, or with more NULLs than before."""
    before = _nulls_before(evidence)
    for column in evidence.profile.features:
        if column.missing == column.rows:
            yield _missing(evidence, column, "WARN", "is missing in every row", "any value")
        elif column.missing > MOSTLY * column.rows:
            told = f"is missing in {column.missing:,} of {column.rows:,} rows"
            told += f" ({column.missing / column.rows:.1%})"
            yield _missing(evidence, column, "INFO", told, f"a share up to {MOSTLY:.0%}")
        if column.name in before:
            yield from _rise(evidence, column, *before[column.name])


def _missing(
    evidence: Evidence, column: ColumnProfile, severity: Any, told: str, threshold: str
) -> Finding:
    return Finding(
        check="missing",
        severity=severity,
        column=column.name,
        count=column.missing,
        message=f"feature {column.name!r} {told}",
        remedy=f"list it under source.drop, or look for the reason in {evidence.spec.source.sql}",
        threshold=threshold,
        rows=evidence.first([column.name], lambda block: _absent(block.column(0))),
    )


def _rise(evidence: Evidence, column: ColumnProfile, nulls: int, rows: int) -> Iterator[Finding]:
    """The share of NULLs against the previous version's: one-sided test of two proportions."""
    rate = evidence.spec.audit.false_alarm_rate / len(evidence.profile.features)
    z = NormalDist().inv_cdf(1 - rate)
    then, now = nulls / rows, column.nulls / column.rows
    pooled = (nulls + column.nulls) / (rows + column.rows)
    deviation = sqrt(pooled * (1 - pooled) * (1 / rows + 1 / column.rows))
    if now - then >= RISE and now - then > z * deviation:
        previous = (evidence.previous or {})["dataset_version"]
        yield Finding(
            check="missing",
            severity="WARN",
            column=column.name,
            count=column.nulls,
            message=f"feature {column.name!r} is NULL in {now:.1%} of the rows, and was in "
            f"{then:.1%} of {previous}",
            remedy="ask the source what changed; if it is meant, accept "
            f"missing.{column.name} with the reason under audit.accept",
            threshold=f"a rise below {RISE:.0%} of the rows, or within {z:.1f} standard deviations",
            rows=evidence.first([column.name], lambda block: block.column(0).is_null()),
        )


def _nulls_before(evidence: Evidence) -> dict[str, tuple[int, int]]:
    """NULLs and rows of the previous version, by column."""
    previous = evidence.previous or {}
    rows = previous.get("row_count") or 0
    columns = previous.get("columns", ()) if rows else ()
    return {c["name"]: (c["nulls"], rows) for c in columns if c.get("nulls") is not None}


def finite(evidence: Evidence) -> Iterator[Finding]:
    """Infinities, and NaN that NULL would say better."""
    for column in evidence.profile.features:
        if column.numbers is None:
            continue
        name, file = column.name, evidence.spec.source.sql
        if column.numbers.infinite:
            yield Finding(
                check="finite",
                severity="ERROR",
                column=name,
                count=column.numbers.infinite,
                message=f"feature {name!r} is infinite in {column.numbers.infinite:,} rows",
                remedy=f"in {file}, select CASE WHEN abs({name}) < 'Infinity' THEN {name} END, "
                "which makes them NULL, or divide by nullif(..., 0)",
                threshold="no infinity",
                rows=evidence.first([name], lambda block: np.isinf(as_float(block.column(0)))),
            )
        if column.numbers.nan:
            yield Finding(
                check="finite",
                severity="WARN",
                column=name,
                count=column.numbers.nan,
                message=f"feature {name!r} is NaN in {column.numbers.nan:,} rows, which count as "
                "missing",
                remedy=f"in {file}, select nullif({name}, 'NaN')",
                threshold="no NaN",
                rows=evidence.first([name], lambda block: _nan(block.column(0))),
            )


def range_(evidence: Evidence) -> Iterator[Finding]:
    """Features whose raw values are beyond the scale that networks learn from: one finding."""
    wide = [
        (size, column)
        for column in evidence.profile.features
        if column.numbers and (size := _size(column.numbers)) > SCALE
    ]
    if not wide:
        return
    wide.sort(key=lambda pair: -pair[0])
    told = ", ".join(f"{column.name} ({_ends(column)})" for _, column in wide[:WIDEST])
    more = f" and {len(wide) - WIDEST} more" if len(wide) > WIDEST else ""
    method = evidence.spec.normalization.method
    bare = method == "none"
    size, widest = wide[0]
    yield Finding(
        check="range",
        severity="ERROR" if bare else "WARN",
        column=widest.name,
        count=len(wide),
        message=f"{len(wide)} features have raw values beyond ±{SCALE:g}: {told}{more}; "
        + ("nothing scales them" if bare else f"method {method!r} scales them before training"),
        remedy="declare normalization.method: standard"
        if bare
        else "nothing, as long as models read normalized features; accept range under "
        "audit.accept to say that you know",
        threshold=f"raw values within ±{SCALE:g}",
        rows=evidence.first([widest.name], lambda block: np.abs(as_float(block.column(0))) == size),
    )


def _size(numbers: Numbers) -> float:
    return max(abs(numbers.minimum or 0.0), abs(numbers.maximum or 0.0))


def _ends(column: ColumnProfile) -> str:
    numbers = column.numbers
    return f"{numbers.minimum:.6g} to {numbers.maximum:.6g}" if numbers else ""


def _absent(values: Any) -> Any:
    return pc.is_null(values, nan_is_null=True)


def _nan(values: Any) -> np.ndarray:
    return np.isnan(as_float(values)) & ~np.asarray(values.is_null())
