"""Values that are not what their column's type says."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.audit.distributions import EDGE
from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.audit.profile import ColumnProfile, Edge
from plumbline.audit.reading import as_float
from plumbline.audit.rules.images import unreadable
from plumbline.audit.tallies import NUMBER, Texts
from plumbline.extract.precision import precision_lost

SENTINELS = frozenset(
    [-1.0, *(sign * (10.0**digits - 1) for digits in range(2, 8) for sign in (-1, 1))]
)
"""Numbers that often stand for a missing value: -1, 99, -99, 999, -999, and so on."""


def types(evidence: Evidence) -> Iterator[Finding]:
    """Numbers in text, words and numbers for nothing, digits that no model will see, and
    images that cannot be read.
    """
    for column in evidence.profile.features:
        if column.texts is not None:
            yield from _text(evidence, column, column.texts)
        if column.numbers is not None and column.numbers.imprecise:
            yield _imprecise(evidence, column)
        for edge in column.edges:
            if edge.value in SENTINELS and _alone(edge):
                yield _sentinel(evidence, column, edge)
    yield from unreadable(evidence)


def _text(evidence: Evidence, column: ColumnProfile, texts: Texts) -> Iterator[Finding]:
    present = column.rows - column.nulls
    declared = column.name in evidence.spec.source.kinds
    stored_as_text = evidence.snapshot.column(column.name).arrow_type == "string"
    if texts.numbers > present / 2 and not declared and stored_as_text:
        yield _numbers(evidence, column, texts, present - texts.numbers)
        return
    for words, severity, told in (
        (texts.absent, "WARN", "which is usually a missing value"),
        (texts.unsure, "INFO", "which may be a missing value or an answer"),
    ):
        if words:
            yield _words(evidence, column, words, severity, told)


def _numbers(evidence: Evidence, column: ColumnProfile, texts: Texts, others: int) -> Finding:
    name = column.name
    if not others:
        return Finding(
            check="types",
            severity="INFO",
            column=name,
            count=texts.numbers,
            message=f"text column {name!r} holds only numbers, but is read as a category",
            remedy=f"cast it in {evidence.spec.source.sql}, or declare {name}: category under "
            "source.kinds",
            threshold="text that is numbers in at most half of the rows",
        )
    shown = ", ".join(map(repr, texts.others))
    return Finding(
        check="types",
        severity="WARN",
        column=name,
        count=others,
        message=f"text column {name!r} holds numbers in {texts.numbers:,} rows and something "
        f"else in {others:,}, such as {shown}",
        remedy=f"select nullif({name}, {_quoted(texts.others[0])})::float8, or declare "
        f"{name}: category under source.kinds",
        threshold="text that is numbers in all rows, or in at most half of them",
        rows=evidence.first(
            [name], lambda block: pc.invert(pc.match_substring_regex(block.column(0), NUMBER))
        ),
    )


def _words(
    evidence: Evidence, column: ColumnProfile, words: dict[str, int], severity: str, told: str
) -> Finding:
    name = column.name
    shown = ", ".join(f"{word!r} in {rows:,} rows" for word, rows in words.items())
    commonest = max(words, key=lambda word: words[word])
    wanted = pa.array(list(words))
    return Finding(
        check="types",
        severity="WARN" if severity == "WARN" else "INFO",
        column=name,
        count=sum(words.values()),
        message=f"category {name!r} says {shown}, {told}",
        remedy=f"select nullif({name}, {_quoted(commonest)}), or accept types.{name} with the "
        "reason under audit.accept",
        threshold="no value that says 'missing' in words",
        rows=evidence.first(
            [name], lambda block: pc.is_in(block.column(0).cast(pa.string()), value_set=wanted)
        ),
    )


def _imprecise(evidence: Evidence, column: ColumnProfile) -> Finding:
    name, numbers = column.name, column.numbers
    assert numbers is not None
    return Finding(
        check="types",
        severity="WARN",
        column=name,
        count=numbers.imprecise,
        message=f"numeric column {name!r} has up to {numbers.digits} significant digits; float64 "
        f"does not give back those of {numbers.imprecise:,} rows, and float32, in which networks "
        "compute, keeps about 7",
        remedy=f"round or split it in {evidence.spec.source.sql}, or accept types.{name} if the "
        "last digits mean nothing",
        threshold="digits that float64 gives back",
        rows=evidence.first([name], lambda block: _losing(block.column(0), evidence.examples)),
    )


def _losing(values: pa.Array, enough: int) -> np.ndarray:
    """Marks the first rows that lose digits, `enough` at most: bool, shape (n,)."""
    marked = np.zeros(len(values), dtype=bool)
    found, parts = 0, [(0, len(values))]
    # By halves, because what a row loses is only told for rows together.
    while parts and found < enough:
        start, stop = parts.pop()
        if not precision_lost(values.slice(start, stop - start)).rows:
            continue
        if stop - start == 1:
            marked[start] = True
            found += 1
        else:
            middle = (start + stop) // 2
            parts += [(middle, stop), (start, middle)]
    return marked


def _alone(edge: Edge) -> bool:
    """Whether nothing else is near: a negative one below numbers from 0 on, or far above all."""
    if edge.value < 0:
        return edge.nearest >= 0 or edge.nearest > edge.value / 2
    return edge.value > 0 and edge.nearest < edge.value / 2


def _sentinel(evidence: Evidence, column: ColumnProfile, edge: Edge) -> Finding:
    name, value = column.name, f"{edge.value:.0f}"
    seen = evidence.count([name], lambda block: as_float(block.column(0)) == edge.value)
    return Finding(
        check="types",
        severity="INFO",
        column=name,
        count=seen.total,
        message=f"feature {name!r} is {value} in {seen.total:,} rows, while the nearest other "
        f"value is {edge.nearest:g}: it may stand for a missing value",
        remedy=f"if it does, select nullif({name}, {value})",
        threshold=f"a lone number such as {value} at the end of the range in fewer than "
        f"{EDGE:.0%} of the rows",
        rows=seen.rows,
    )


def _quoted(text: str) -> str:
    """As a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
