"""Rows of a query, read once and in the order of a key."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from plumbline.errors import DatabaseUnreachable, KeyViolation, ScoringError
from plumbline.extract.ordering import ordered
from plumbline.extract.proof import equals_next
from plumbline.extract.query import Query, query_file
from plumbline.extract.read import reading, selected
from plumbline.extract.types import SourceColumn, require_exact_key
from plumbline.postgres import Postgres
from plumbline.release.manifest import Input
from plumbline.scoring.blocks import Block, Position, numbered, regrouped
from plumbline.spec import FeatureKind

SUFFIX = ".sql"


@dataclass(frozen=True, kw_only=True)
class QuerySource:
    """The rows of one SELECT, from one transaction each time they are read.

    Arrays stay lists: the model's own columns are taken out of them where rows are scored.
    """

    query: Query
    columns: tuple[SourceColumn, ...]
    key: tuple[str, ...]
    postgres: Postgres

    @classmethod
    def opened(
        cls,
        path: Path,
        parameters: Mapping[str, str],
        key: Sequence[str],
        inputs: Sequence[Input],
        postgres: Postgres,
    ) -> "QuerySource":
        """The query in a file. `inputs` are a bundle's, of which some may be images.

        Raises:
            QueryFailed, UnsupportedType: PostgreSQL or the contract of types refuses it.
            ScoringError, KeyViolation: `key` cannot be its rows' order.
            DatabaseUnreachable: nothing answers.
        """
        query = query_file(path, parameters)
        kinds: dict[str, FeatureKind] = {one.name: one.kind for one in inputs if one.image}
        with postgres.connect(client_encoding="UTF8") as connection:
            connection.read_only = True
            found = selected(query, kinds, connection)
        columns = tuple(replace(one, storage=replace(one.storage, element="")) for one in found)
        _require_key(key, columns, query)
        return cls(query=query, columns=columns, key=tuple(key), postgres=postgres)

    @property
    def where(self) -> str:
        return self.query.file

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([field for column in self.columns for field in column.fields])

    @property
    def identity(self) -> dict[str, object]:
        return {"query": self.query.identity, "key": self.key, "database": self.postgres.place}

    def blocks(self, rows: int, after: Position) -> Iterator[Block]:
        """Rows with a key behind that of `after`, whatever came before it meanwhile.

        Raises:
            KeyViolation: two rows have the same key.
            DatabaseUnreachable: the connection was lost.
        """
        statement = self._statement(after.key)
        before: pa.Table | None = None
        with (
            _going_on(),
            reading(statement, self.columns, self.query, self.postgres, self.key) as read,
        ):
            for block in numbered(regrouped(read.batches, rows), after.row):
                before = self._require_distinct(before, block.rows)
                key = tuple(before.column(name).cast(pa.string())[0].as_py() for name in self.key)
                yield replace(block, end=Position(block.end.row, key))

    def place(self, row: int) -> str:
        return f"row {row} in the order of {', '.join(self.key)}"

    def expected(self) -> int | None:
        """As PostgreSQL's planner has it."""
        explained = sql.SQL("EXPLAIN (FORMAT JSON) ").as_string() + self._statement(None)
        with self.postgres.connect(client_encoding="UTF8") as connection:
            try:
                ((plan,),) = connection.execute(explained.encode()).fetchall()
            except psycopg.Error:
                return None
        return int(plan[0]["Plan"]["Plan Rows"])

    def _statement(self, after: Sequence[str | None] | None) -> str:
        with self.postgres.connect(client_encoding="UTF8") as connection:
            return ordered(self.query, self.columns, self.key, connection, after)

    def _require_distinct(self, before: pa.Table | None, rows: pa.RecordBatch) -> pa.Table:
        """The last row's key, for the next block."""
        keys: Any = pa.Table.from_batches([rows]).select(list(self.key))
        seen = keys if before is None else pa.concat_tables([before, keys])
        repeated = equals_next(seen).nonzero()[0]
        if len(repeated):
            (row,) = seen.slice(repeated[0], 1).to_pylist()
            written = ", ".join(f"{name} {value}" for name, value in row.items())
            raise KeyViolation(
                f"the key ({', '.join(self.key)}) of {self.query.file} repeats: {written}",
                expected="a key that names one row: only so is there one order to go on in",
                remedy="add the column that tells these rows apart to --key",
            )
        return keys.slice(len(keys) - 1)


def _require_key(key: Sequence[str], columns: Sequence[SourceColumn], query: Query) -> None:
    names = [column.name for column in columns]
    missing = [name for name in key if name not in names]
    if missing or not key:
        found = f"no column {', '.join(map(repr, missing))}" if missing else "no declared key"
        raise ScoringError(
            f"{query.file} has {found}",
            expected=f"a key among {', '.join(names)}, so that its rows have an order",
            remedy="name its columns with --key",
            missing=missing,
        )
    require_exact_key(columns, key, query.file)


@contextmanager
def _going_on() -> Iterator[None]:
    """A lost connection, told as what it is here: nothing that was scored is lost with it."""
    try:
        yield
    except DatabaseUnreachable as error:
        raise DatabaseUnreachable(
            error.found,
            expected=error.expected,
            remedy="look into the server's log, then give the same command: it goes on where it "
            "stopped",
        ) from None
