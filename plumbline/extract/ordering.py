"""The statement that reads a query's rows in total order."""

from collections.abc import Sequence
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql

from plumbline.extract.query import Query
from plumbline.extract.types import SourceColumn


def ordered(
    query: Query,
    columns: Sequence[SourceColumn],
    key: Sequence[str],
    connection: psycopg.Connection[Any],
    after: Sequence[str | None] | None = None,
) -> str:
    """The statement that selects `columns` as the contract of types says, in order of `key`.

    after: the key, as text, of the row that the first one comes after.
    """
    by_name = {column.name: column for column in columns}
    ordering = [by_name[name].ordering for name in key]
    later = sql.SQL("\nWHERE {}").format(_later(ordering, after)) if after else sql.SQL("")
    statement = sql.SQL("SELECT {columns}\nFROM (\n{query}\n) AS q{later}\nORDER BY {key}").format(
        columns=sql.SQL(", ").join(column.selected for column in columns),
        query=sql.SQL(cast(LiteralString, query.bound(connection))),
        later=later,
        key=sql.SQL(", ").join(ordering),
    )
    return statement.as_string(connection)


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
