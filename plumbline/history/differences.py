"""Rows of two dataset versions, matched by key: which came, went and changed, and where."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb

from plumbline.history.pair import Pair, Shared
from plumbline.history.places import HERE, either
from plumbline.history.ranges import Range, ranges
from plumbline.history.values import plain

EXAMPLES = 5
"""Rows shown of each kind (count)."""

Example = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What differs, and the first rows of each kind in the order of their keys."""

    added: int
    removed: int
    changed: int
    """Rows in both versions that differ in some column that both have."""
    unchanged: int
    by_column: dict[str, int | None]
    """Rows changed per shared column; None where its types do not compare."""
    examples: dict[str, list[Example]]
    """By kind: {key}, and for changed rows {changes: {column: {before, after}}} too."""


def find(connection: duckdb.DuckDBPyConnection, pair: Pair) -> Differences:
    """Match the rows of the views `before` and `after`, one range of keys after the other.

    Memory is bounded by the range, whatever the versions' sizes.
    """
    compared = [column for column in pair.values if column.differs]
    rows, by_column = Counter[str](), Counter[str]()
    examples: dict[str, list[Example]] = {"added": [], "removed": [], "changed": []}
    for some in ranges(connection, pair):
        _match(connection, pair, compared, some)
        for kind, count, *marked in _counts(connection, compared):
            rows[kind] += count
            by_column.update(dict(zip((one.name for one in compared), marked, strict=True)))
            if len(examples[kind]) < EXAMPLES:
                examples[kind] += _examples(connection, pair, compared, kind)
    return Differences(
        added=rows["added"],
        removed=rows["removed"],
        changed=rows["changed"],
        unchanged=pair.after.rows - rows["added"] - rows["changed"],
        by_column={one.name: by_column[one.name] if one.differs else None for one in pair.values},
        examples={kind: found[:EXAMPLES] for kind, found in examples.items()},
    )


def _match(
    connection: duckdb.DuckDBPyConnection, pair: Pair, compared: list[Shared], some: Range
) -> None:
    """Make the table `differing`: key, kind, and a mark per compared column that differs."""
    keys = [
        f"coalesce({column.before.term}, {column.after.term}) AS {_key(i)}"
        for i, column in enumerate(pair.key)
    ]
    marks = [f"{column.differs} AS {_mark(i)}" for i, column in enumerate(compared)]
    kind = (
        f"CASE WHEN before.{HERE} IS NULL THEN 'added' "
        f"WHEN after.{HERE} IS NULL THEN 'removed' ELSE 'changed' END AS kind"
    )
    differs = either([column.differs or "" for column in compared])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE differing AS SELECT {', '.join([*keys, kind, *marks])} "
        f"FROM (FROM before WHERE {some.of([key.before.term for key in pair.key])}) AS before "
        f"FULL JOIN (FROM after WHERE {some.of([key.after.term for key in pair.key])}) AS after "
        f"ON {pair.same_key} "
        f"WHERE before.{HERE} IS NULL OR after.{HERE} IS NULL OR {differs}",
        some.parameters,
    )


def _counts(connection: duckdb.DuckDBPyConnection, compared: list[Shared]) -> list[tuple]:
    """Kind, rows, and rows that are marked per compared column."""
    marked = [f"count(*) FILTER (kind = 'changed' AND {_mark(i)})" for i, _ in enumerate(compared)]
    counts = ", ".join(["kind", "count(*)", *marked])
    return connection.sql(f"SELECT {counts} FROM differing GROUP BY kind").fetchall()


def _examples(
    connection: duckdb.DuckDBPyConnection, pair: Pair, compared: list[Shared], kind: str
) -> list[Example]:
    """The first rows of a kind; of changed ones the values before and after as well."""
    keys = [f"{key.after.told(f'first.{_key(i)}')} AS told{i}" for i, key in enumerate(pair.key)]
    values = [
        f"{one.before.told()} AS old{i}, {one.after.told()} AS new{i}, first.{_mark(i)}"
        for i, one in enumerate(compared)
    ]
    joins = [
        f"LEFT JOIN {view} ON "
        + " AND ".join(f"{getattr(k, view).term} = first.{_key(i)}" for i, k in enumerate(pair.key))
        for view in ("before", "after")
    ]
    rows = connection.sql(
        f"SELECT {', '.join([*keys, *values])} FROM (FROM differing WHERE kind = $kind "
        f"ORDER BY {_order(pair)} LIMIT {EXAMPLES}) AS first {' '.join(joins)} "
        f"ORDER BY {_order(pair)}",
        params={"kind": kind},
    ).to_arrow_table()
    return [_example(row, pair, compared, kind) for row in rows.to_pylist()]


def _example(row: dict[str, Any], pair: Pair, compared: list[Shared], kind: str) -> Example:
    key = {one.name: plain(row[f"told{i}"]) for i, one in enumerate(pair.key)}
    if kind != "changed":
        return {"key": key}
    changes = {
        one.name: {"before": plain(row[f"old{i}"]), "after": plain(row[f"new{i}"])}
        for i, one in enumerate(compared)
        if row[_mark(i)]
    }
    return {"key": key, "changes": changes}


def _order(pair: Pair) -> str:
    return ", ".join(_key(i) for i, _ in enumerate(pair.key))


def _key(index: int) -> str:
    return f"k{index}"


def _mark(index: int) -> str:
    return f"d{index}"
