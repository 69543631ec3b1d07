"""The audit of a snapshot: what its user should know before a model learns from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plumbline.extract.features import Feature, feature_table
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.extract.tally import DISTINCT, CategoryTally, NumberTally
from plumbline.spec import PipelineSpec

Check = Literal["schema", "finite", "informative", "types"]
Severity = Literal["ERROR", "WARN", "INFO"]

FEW_ROWS = 50
"""Distinct values below which a category is not taken for an identifier (count)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found. An ERROR blocks what comes after."""

    check: Check
    severity: Severity
    column: str | None
    count: int
    """Rows concerned; for the schema, columns."""
    message: str
    remedy: str


def audit(
    snapshot: Snapshot, spec: PipelineSpec, previous: Sequence[Mapping[str, Any]] | None
) -> tuple[Finding, ...]:
    """Findings on the columns against the `previous` version's, then on each feature's values.

    `previous`: name and postgres_type of the columns frozen before; None if there are none.
    The snapshot is read once, block by block.
    """
    features = feature_table(snapshot, spec).features
    tallies: dict[str, NumberTally | CategoryTally] = {
        feature.name: NumberTally() if feature.kind == "numeric" else CategoryTally()
        for feature in features
    }
    for block in snapshot.batches(list(tallies)):
        for name, values in zip(block.schema.names, block.columns, strict=True):
            tallies[name].see(values)
    found = [*_schema(snapshot, spec, previous)]
    for feature in features:
        found += _values(feature, tallies[feature.name], snapshot, spec)
    return tuple(found)


def _schema(
    snapshot: Snapshot, spec: PipelineSpec, previous: Sequence[Mapping[str, Any]] | None
) -> Iterator[Finding]:
    if previous is None:
        return
    broken: Severity = "ERROR" if spec.source.on_schema_change == "error" else "WARN"
    before = {column["name"]: column.get("postgres_type") for column in previous}
    now = {column.name: column.postgres_type for column in snapshot.columns}
    for name, kind in before.items():
        if name not in now:
            yield _changed(name, broken, f"column {name!r} ({kind}) has vanished", spec)
        elif now[name] != kind:
            told = f"column {name!r} was {kind} and is {now[name]}"
            yield _changed(name, broken, told, spec)
    for name in now.keys() - before.keys():
        yield _changed(name, "INFO", f"column {name!r} ({now[name]}) is new", spec)


def _changed(name: str, severity: Severity, told: str, spec: PipelineSpec) -> Finding:
    return Finding(
        check="schema",
        severity=severity,
        column=name,
        count=1,
        message=f"{told} since the previous dataset version",
        remedy=f"select it in {spec.source.sql} as before, or declare "
        "source.on_schema_change: warn",
    )


def _values(
    feature: Feature,
    tally: NumberTally | CategoryTally,
    snapshot: Snapshot,
    spec: PipelineSpec,
) -> Iterator[Finding]:
    column = snapshot.column(feature.name)
    if column.nulls == snapshot.rows:
        yield _uninformative(column, column.nulls, "is NULL in every row", spec)
        return
    if tally.constant:
        beside = f" beside {column.nulls:,} NULLs" if column.nulls else ""
        rows = snapshot.rows - column.nulls
        yield _uninformative(column, rows, f"holds one value only{beside}", spec)
    if isinstance(tally, NumberTally):
        yield from _finite(column, tally, spec)
    else:
        yield from _identifying(column, tally, spec)
        if column.postgres_type != "numeric" and column.arrow_type == "string":
            yield from _mixed(column, tally, spec)


def _uninformative(column: Column, count: int, told: str, spec: PipelineSpec) -> Finding:
    return Finding(
        check="informative",
        severity="WARN",
        column=column.name,
        count=count,
        message=f"feature {column.name!r} {told}",
        remedy=f"list it under source.drop, or look for the reason in {spec.source.sql}",
    )


def _finite(column: Column, tally: NumberTally, spec: PipelineSpec) -> Iterator[Finding]:
    name, file = column.name, spec.source.sql
    if tally.infinite:
        yield Finding(
            check="finite",
            severity="ERROR",
            column=name,
            count=tally.infinite,
            message=f"feature {name!r} is infinite in {tally.infinite:,} rows",
            remedy=f"in {file}, select CASE WHEN abs({name}) < 'Infinity' THEN {name} END, which "
            "makes them NULL, or divide by nullif(..., 0)",
        )
    if tally.nan:
        yield Finding(
            check="finite",
            severity="WARN",
            column=name,
            count=tally.nan,
            message=f"feature {name!r} is NaN in {tally.nan:,} rows, which count as missing",
            remedy=f"in {file}, select nullif({name}, 'NaN')",
        )


def _identifying(column: Column, tally: CategoryTally, spec: PipelineSpec) -> Iterator[Finding]:
    many = tally.distinct > FEW_ROWS and tally.distinct > tally.rows_of_distinct / 2
    told = f"{'over ' if tally.distinct > DISTINCT else ''}{min(tally.distinct, DISTINCT):,}"
    if many:
        yield Finding(
            check="informative",
            severity="WARN",
            column=column.name,
            count=tally.distinct,
            message=f"category {column.name!r} looks like an identifier: {told} different values "
            f"in {tally.rows_of_distinct:,} rows",
            remedy="list it under source.drop, or group its values in the SQL",
        )
    elif tally.distinct > spec.normalization.max_categories:
        yield Finding(
            check="informative",
            severity="INFO",
            column=column.name,
            count=tally.distinct,
            message=f"category {column.name!r} has {told} different values; the rarest share the "
            "unknown slot",
            remedy="raise normalization.max_categories, or group its values in the SQL",
        )


def _mixed(column: Column, tally: CategoryTally, spec: PipelineSpec) -> Iterator[Finding]:
    words = tally.rows - tally.numbers
    if column.name in spec.source.kinds or tally.numbers <= tally.rows / 2:
        return
    if words:
        shown = ", ".join(map(repr, tally.words))
        yield Finding(
            check="types",
            severity="WARN",
            column=column.name,
            count=words,
            message=f"text column {column.name!r} holds numbers in {tally.numbers:,} rows and "
            f"something else in {words:,}, such as {shown}",
            remedy=f"select nullif({column.name}, {tally.words[0]!r})::float8, "
            f"or declare {column.name}: category under source.kinds",
        )
    else:
        yield Finding(
            check="types",
            severity="INFO",
            column=column.name,
            count=tally.rows,
            message=f"text column {column.name!r} holds only numbers, but is read as a category",
            remedy=f"cast it in {spec.source.sql}, or declare {column.name}: category under "
            "source.kinds",
        )
