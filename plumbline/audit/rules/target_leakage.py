"""Features that know the label: copies of it, and what is known only after the event."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile
from plumbline.audit.rules.labels import score_name
from plumbline.audit.skill import Skill
from plumbline.split.rows import TRAIN

CERTAIN = 0.99
"""Skill of a single feature that no honest feature has (AUC or R²)."""

DOMINANT, AHEAD = 0.75, 0.1
"""Skill of a single feature, and its lead over the second best, that ask for a second look."""

ORDERED = 0.95
"""Spearman correlation with the row order from which a feature counts the rows."""

DRIFT = 0.65
"""AUC of a row's place in the key's order from which the label drifts with it."""

DEVIATIONS = 4.0
"""Standard deviations from chance that a relation to the label must have at least."""


def target_leakage(evidence: Evidence) -> Iterator[Finding]:
    """Copies of the label, features that are too good, order that tells it, and later moments."""
    ranked = sorted(
        ((column, column.skill) for column in evidence.profile.features if column.skill),
        key=lambda pair: -pair[1].score,
    )
    for column, skill in ranked:
        if skill.copies or skill.score >= CERTAIN:
            yield _certain(evidence, column, skill)
    honest = [(column, s) for column, s in ranked if not s.copies and s.score < CERTAIN]
    yield from _dominant(evidence, honest)
    for column, skill in honest:
        if abs(column.order) >= ORDERED and skill.z >= DEVIATIONS:
            yield _in_row_order(evidence, column, skill)
    yield from _drift(evidence)
    yield from _later(evidence)


def _certain(evidence: Evidence, column: ColumnProfile, skill: Skill) -> Finding:
    told = (
        f"feature {column.name!r} is the label under another name: each of its values goes with "
        "one label, and each label with one value"
        if skill.copies
        else f"feature {column.name!r} alone gives the label away: {score_name(evidence)} "
        f"{skill.score:.4f} on training rows"
    )
    return _leak(evidence, column, told + evidence.profile.sample.told, f"below {CERTAIN}", "ERROR")


def _dominant(evidence: Evidence, ranked: list[tuple[ColumnProfile, Skill]]) -> Iterator[Finding]:
    if len(ranked) < 2:
        return
    (best, skill), (second, other) = ranked[:2]
    if skill.score >= DOMINANT and skill.score >= other.score + AHEAD:
        yield _leak(
            evidence,
            best,
            f"feature {best.name!r} alone has {score_name(evidence)} {skill.score:.3f}, far ahead "
            f"of the second best, {second.name!r} with {other.score:.3f}: often a feature that "
            f"is known only after the event{evidence.profile.sample.told}",
            f"below {DOMINANT}, or less than {AHEAD} ahead of the second best",
            "WARN",
        )


def _in_row_order(evidence: Evidence, column: ColumnProfile, skill: Skill) -> Finding:
    return _leak(
        evidence,
        column,
        f"feature {column.name!r} counts the rows in the order of the key (Spearman correlation "
        f"{column.order:.3f}) and tells the label ({score_name(evidence)} {skill.score:.3f}): a "
        "model learns the order of this table, which new rows do not continue",
        f"Spearman correlation within ±{ORDERED}, or no relation to the label",
        "WARN",
    )


def _leak(
    evidence: Evidence, column: ColumnProfile, told: str, threshold: str, severity: str
) -> Finding:
    return Finding(
        check="target_leakage",
        severity="ERROR" if severity == "ERROR" else "WARN",
        column=column.name,
        count=column.rows - column.missing,
        message=told,
        remedy=f"if {column.name} is not known when the prediction is wanted, list it under "
        f"source.drop; if it is, accept target_leakage.{column.name} with the reason under "
        "audit.accept",
        threshold=threshold,
        rows=evidence.first([column.name], lambda block: block.column(0).is_valid(), TRAIN),
    )


def _drift(evidence: Evidence) -> Iterator[Finding]:
    auc, z = evidence.profile.drift
    if auc < DRIFT or z < DEVIATIONS:
        return
    key = ", ".join(evidence.snapshot.key)
    yield Finding(
        check="target_leakage",
        severity="WARN",
        column=evidence.snapshot.label,
        count=len(evidence.profile.sample.labels.sampled),
        message=f"the label drifts with the order of the key ({key}): {_placed(evidence, auc)}"
        f"{evidence.profile.sample.told}",
        remedy="keep key columns and counters out of the features; if the order is one of time, "
        "declare source.timestamp and split.policy: temporal",
        threshold=f"AUC of the place below {DRIFT}; Spearman correlation below {2 * DRIFT - 1:.1f}",
    )


def _placed(evidence: Evidence, auc: float) -> str:
    if evidence.spec.source.task == "regression":
        return f"its Spearman correlation with the place of a row is ±{2 * auc - 1:.3f}"
    return f"the place of a row tells it with AUC {auc:.3f}"


def _later(evidence: Evidence) -> Iterator[Finding]:
    """Moments after the row's own: what is made from them was not known then."""
    timestamp = evidence.spec.source.timestamp
    for column in evidence.profile.columns:
        if column.kind != "moment" or timestamp is None or column.name == timestamp:
            continue
        seen = evidence.count([timestamp, column.name], _after)
        if seen.total:
            yield Finding(
                check="target_leakage",
                severity="WARN",
                column=column.name,
                count=seen.total,
                message=f"{column.name!r} lies after {timestamp!r} in {seen.total:,} rows: it is "
                "known only after the event, and so is every feature made from it",
                remedy=f"leave out what the SQL derives from {column.name}, or correct "
                "source.timestamp",
                threshold=f"no moment after {timestamp}",
                rows=seen.rows,
            )


def _after(block: pa.RecordBatch) -> pa.Array:
    """Whether the second column is after the first; by days where one of them holds days."""
    event, other = (_in_utc(column) for column in block.columns)
    if any(pa.types.is_date(column.type) for column in block.columns):
        event, other = event.cast(pa.date32(), safe=False), other.cast(pa.date32(), safe=False)
    return pc.greater(other, event)


def _in_utc(values: pa.Array) -> pa.Array:
    """Moments without a time zone, which count as UTC."""
    if pa.types.is_date(values.type):
        return values
    return (
        values.cast(pa.timestamp("us", tz=values.type.tz)).view(pa.int64()).view(pa.timestamp("us"))
    )
