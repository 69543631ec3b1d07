"""The statement that reads a query's rows in total order: all, or a range of the key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql

from plumbline.extract.query import Query
from plumbline.extract.types import SourceColumn


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """Rows from the key `start` on, and before the key `stop`: keys as text, without NULLs.

    None: from the first row on, or to the last one.
    """

    start: Sequence[str] | None = None
    stop: Sequence[str] | None = None


def ordered(
    query: Query,
    columns: Sequence[SourceColumn],
    key: Sequence[str],
    connection: psycopg.Connection[Any],
    after: Sequence[str | None] | None = None,
    *,
    within: KeyRange = KeyRange(),
) -> str:
    """The statement that selects `columns` as the contract of types says, in order of `key`.

    after: the key, as text, of the row that the first one comes after.
    """
    ordering = terms(columns, key)
    conditions = [*_limits(ordering, within)]
    if after:
        conditions.append(_later(ordering, after))
    where = sql.SQL("\nWHERE {}").format(sql.SQL(" AND ").join(conditions))
    statement = sql.SQL("SELECT {columns}\nFROM (\n{query}\n) AS q{where}\nORDER BY {key}").format(
        columns=sql.SQL(", ").join(column.selected for column in columns),
        query=bound(query, connection),
        where=where if conditions else sql.SQL(""),
        key=sql.SQL(", ").join(ordering),
    )
    return statement.as_string(connection)


def terms(columns: Sequence[SourceColumn], key: Sequence[str]) -> list[sql.Composed]:
    """What rows are ordered by, a term for each column of the key."""
    by_name = {column.name: column for column in columns}
    return [by_name[name].ordering for name in key]


def bound(query: Query, connection: psycopg.Connection[Any]) -> sql.SQL:
    """The query with its parameters as literals, to stand in a FROM."""
    return sql.SQL(cast(LiteralString, query.bound(connection)))


def _limits(ordering: Sequence[sql.Composed], within: KeyRange) -> list[sql.Composed]:
    # Compared as one row, the way an index over the key finds it.
    key = sql.SQL(", ").join(ordering)
    limits = ((sql.SQL("({}) >= ({})"), within.start), (sql.SQL("({}) < ({})"), within.stop))
    return [
        comparison.format(key, sql.SQL(", ").join(map(sql.Literal, values)))
        for comparison, values in limits
        if values is not None
    ]


def _later(ordering: Sequence[sql.Composed], after: Sequence[str | None]) -> sql.Composed:
    """What holds of the rows behind a key, where NULL comes last, as ORDER BY has it."""
    term, value = ordering[0], after[0]
    known = sql.SQL("{} > {} OR {} IS NULL").format(term, sql.Literal(value), term)
    found = sql.SQL("false") if value is None else known
    if len(ordering) == 1:
        return sql.SQL("({})").format(found)
    same = sql.SQL("IS NULL") if value is None else sql.SQL("= {}").format(sql.Literal(value))
    further = _later(ordering[1:], after[1:])
    return sql.SQL("({} OR ({} {} AND {}))").format(found, term, same, further)
