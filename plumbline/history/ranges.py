"""Ranges of keys with few rows each: matched one after the other, they need little memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import duckdb
import pyarrow as pa

from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.history.pair import Pair

CELLS = 8_000_000
"""Values of one version that are matched at a time (count); 8 bytes each, unless text."""

Bound = tuple[str, ...] | None
"""A key as text, or no bound."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Rows from one key on, up to another one without it, in DuckDB's order of values."""

    lower: Bound
    upper: Bound
    types: tuple[str, ...]
    """DuckDB's types of the key's columns."""

    def of(self, key: list[str]) -> str:
        """SQL that is true for rows in the range, by the terms of their key."""
        conditions = []
        # The first column alone lets DuckDB skip row groups: snapshots are in key order.
        if self.lower is not None:
            conditions += [f"{key[0]} >= {self._value('lower', 0)}", self._from("lower", key)]
        if self.upper is not None:
            conditions += [
                f"{key[0]} <= {self._value('upper', 0)}",
                f"NOT {self._from('upper', key)}",
            ]
        return " AND ".join(conditions) or "true"

    def _from(self, side: str, key: list[str], index: int = 0) -> str:
        """SQL that is true for keys at a bound and after it, column by column."""
        term, value = key[index], self._value(side, index)
        if index == len(key) - 1:
            return f"({term} >= {value})"
        rest = self._from(side, key, index + 1)
        return f"({term} > {value} OR {term} = {value} AND {rest})"

    @property
    def parameters(self) -> dict[str, str]:
        """Values of the parameters in `of`."""
        sides = {"lower": self.lower or (), "upper": self.upper or ()}
        return {f"{side}{i}": text for side, key in sides.items() for i, text in enumerate(key)}

    def _value(self, side: str, index: int) -> str:
        return f"CAST(${side}{index} AS {self.types[index]})"


def ranges(connection: duckdb.DuckDBPyConnection, pair: Pair) -> Iterator[Range]:
    """Ranges in order that hold all rows, and no more than `CELLS` values of a version each."""
    types = connection.sql(
        f"SELECT {', '.join(f'typeof({key.after.term})' for key in pair.key)} FROM after LIMIT 1"
    ).fetchall()[0]
    for lower, upper in pairwise((None, *_bounds(connection, pair), None)):
        yield Range(lower=lower, upper=upper, types=types)


def _bounds(connection: duckdb.DuckDBPyConnection, pair: Pair) -> list[tuple[str, ...]]:
    names = [f"k{i}" for i, _ in enumerate(pair.key)]
    found = [_every(one, pair).rename_columns(names) for one in (pair.before, pair.after)]
    connection.register("bounds", pa.concat_tables(found))
    texts = ", ".join(f"CAST({name} AS VARCHAR)" for name in names)
    ordered = f"SELECT DISTINCT {', '.join(names)} FROM bounds ORDER BY ALL"
    return connection.sql(f"SELECT {texts} FROM ({ordered}) ORDER BY {', '.join(names)}").fetchall()


def _every(snapshot: Snapshot, pair: Pair) -> pa.Table:
    """Keys at even distances, but for the first row's."""
    blocks = max(1, CELLS // len(snapshot.columns) // BLOCK_ROWS)
    batches = snapshot.batches(pair.after.key, blocks * BLOCK_ROWS)
    first = [batch.slice(0, 1) for batch in batches]
    return pa.Table.from_batches(first).slice(1).select(list(pair.after.key))
