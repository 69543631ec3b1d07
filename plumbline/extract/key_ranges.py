"""Where to divide a query's rows: ranges of the key with as many rows each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg
from psycopg import sql

from plumbline.extract.ordering import KeyRange, bound, terms
from plumbline.extract.query import Query
from plumbline.extract.types import SourceColumn


@dataclass(frozen=True, kw_only=True)
class Divided:
    """All rows, in ranges that follow each other."""

    ranges: tuple[KeyRange, ...]
    rows: int
    """Rows of all ranges (count)."""


def divide(
    query: Query,
    columns: Sequence[SourceColumn],
    key: Sequence[str],
    parts: int,
    connection: psycopg.Connection[Any],
) -> Divided:
    """Divide the rows that an open transaction sees into `parts` ranges at most.

    They are counted, and the key alone is read in order, so skew makes no difference. A row
    without a key has no place in a range: where there are such, one range has all rows.

    Raises:
        psycopg.Error: PostgreSQL stopped the query.
    """
    named = {"query": bound(query, connection), "ordering": terms(columns, key)}
    rows, missing = _counted(connection, **named)
    places = sorted({rows * part // parts for part in range(1, parts)} - {0})
    starts = [] if missing else _keys_at(places, connection, **named)
    limits = [None, *dict.fromkeys(starts), None]
    ranges = (KeyRange(start=start, stop=stop) for start, stop in pairwise(limits))
    return Divided(ranges=tuple(ranges), rows=rows)


def _counted(
    connection: psycopg.Connection[Any], query: sql.SQL, ordering: Sequence[sql.Composed]
) -> tuple[int, int]:
    """Rows, and those without a key."""
    missing = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(term) for term in ordering)
    statement = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE {missing})\nFROM (\n{query}\n) AS q"
    ).format(missing=missing, query=query)
    found = _executed(connection, statement).fetchone()
    return found if found else (0, 0)


def _keys_at(
    places: Sequence[int],
    connection: psycopg.Connection[Any],
    query: sql.SQL,
    ordering: Sequence[sql.Composed],
) -> list[tuple[str, ...]]:
    """The keys, as text, of rows counted from 0 in the total order."""
    comma = sql.SQL(", ")
    # Nearly all rows are moved over, where PostgreSQL expects a cursor to stop early.
    _executed(connection, sql.SQL("SET LOCAL cursor_tuple_fraction = 1"))
    statement = sql.SQL(
        "DECLARE keys NO SCROLL CURSOR FOR SELECT {keys}\nFROM (\n{query}\n) AS q ORDER BY {key}"
    ).format(
        keys=comma.join(sql.SQL("({})::text").format(term) for term in ordering),
        query=query,
        key=comma.join(ordering),
    )
    _executed(connection, statement)
    return list(_moved(places, connection))


def _moved(places: Sequence[int], connection: psycopg.Connection[Any]) -> Iterator[tuple[str, ...]]:
    for before, place in pairwise([-1, *places]):
        skipped = sql.Literal(place - before - 1)
        _executed(connection, sql.SQL("MOVE FORWARD {} IN keys").format(skipped))
        yield from _executed(connection, sql.SQL("FETCH NEXT IN keys"))


def _executed(
    connection: psycopg.Connection[Any], statement: sql.Composable
) -> psycopg.Cursor[tuple[Any, ...]]:
    return connection.execute(statement.as_string(connection).encode())
