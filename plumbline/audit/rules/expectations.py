"""What the user declared of the data: rules per column, and SQL that selects offenders."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from plumbline.audit.declared import checked
from plumbline.audit.evidence import Evidence, Seen
from plumbline.audit.findings import Finding
from plumbline.audit.offenders import Offenders, offenders
from plumbline.errors import SpecError
from plumbline.extract.snapshot_sql import row_hashes
from plumbline.spec import Expectation


def expectations(evidence: Evidence) -> Iterator[Finding]:
    """Rules of `audit.expectations`, then the files of `audit.sql`."""
    for rule in evidence.spec.audit.expectations:
        yield from _rule(evidence, rule)
    for file in evidence.spec.audit.sql:
        found = offenders(evidence.root, file, evidence.snapshot, evidence.examples)
        if found.count:
            yield _offending(file, found)


def _rule(evidence: Evidence, rule: Expectation) -> Iterator[Finding]:
    _require_column(evidence, rule)
    told = f"{rule.check}({', '.join(f'{k}={v!r}' for k, v in rule.arguments.items())})"
    match rule.check:
        case "not_null":
            seen = evidence.count([rule.column], lambda block: block.column(0).is_null())
        case "unique":
            seen = _repeats(evidence, rule.column)
        case _:
            stored = evidence.snapshot.column(rule.column)
            decimal = (stored.postgres_type, stored.arrow_type) == ("numeric", "string")
            seen = evidence.count(
                [rule.column], lambda block: checked(block.column(0), rule, decimal=decimal)
            )
    if seen.total:
        yield Finding(
            check="expectations",
            severity=rule.severity,
            column=rule.column,
            count=seen.total,
            message=f"{rule.column!r} breaks {told} in {seen.total:,} rows",
            remedy=f"correct these rows at the source, or filter them in "
            f"{evidence.spec.source.sql}; if they are right, correct audit.expectations",
            threshold=told,
            rows=seen.rows,
        )


def _repeats(evidence: Evidence, column: str) -> Seen:
    """Rows whose value an earlier row has; NULLs are all different."""
    hashes = row_hashes(evidence.snapshot, [column])
    order = np.argsort(hashes, kind="stable")
    again = np.sort(order[1:][hashes[order][1:] == hashes[order][:-1]])
    nulls = _nulls(evidence, column)
    again = again[~nulls[again]]
    return Seen(len(again), tuple(again[: evidence.examples].tolist()))


def _nulls(evidence: Evidence, column: str) -> np.ndarray:
    parts: list[Any] = [
        block.column(0).is_null().to_numpy(zero_copy_only=False)
        for block in evidence.snapshot.batches([column])
    ]
    return np.concatenate([np.empty(0, dtype=bool), *parts])


def _offending(file: str, found: Offenders) -> Finding:
    return Finding(
        check="expectations",
        severity=found.severity,
        column=None,
        count=found.count,
        message=f"{file} selects {found.count:,} rows"
        + (f": {found.purpose}" if found.purpose else ""),
        remedy=f"correct these rows at the source; if they are right, correct {file}",
        threshold=f"no row selected by {file}",
        examples=found.examples,
    )


def _require_column(evidence: Evidence, rule: Expectation) -> None:
    names = [column.name for column in evidence.snapshot.columns]
    if rule.column not in names:
        raise SpecError(
            f"audit.expectations names the column {rule.column!r}, which "
            f"{evidence.spec.source.sql} does not select",
            expected=f"a column among {', '.join(names)}",
            remedy="correct its name in defs.yaml, or select it",
            column=rule.column,
        )
