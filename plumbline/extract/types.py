"""The contract of types: how a PostgreSQL column is selected, and what Arrow type it becomes.

    smallint, integer, bigint         int16, int32, int64
    real, double precision            float, double (NaN and infinities as they are)
    numeric                           exact text without trailing zeros: equal values, equal text
    boolean                           bool
    text, varchar, char, name, enum   string (char without its padding, as PostgreSQL casts it)
    uuid                              string
    date                              date32
    timestamp, timestamptz            timestamp[us]; timestamptz in UTC
    interval                          double: seconds, with a month of 30 days and a year of
                                      365.25 days, as extract(epoch FROM ...) has it
    domain                            as its base type

Anything else is refused with advice. NULL stays NULL, and text such as 'NA' stays text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from plumbline.errors import ExtractError, KeyViolation, QueryFailed, UnsupportedType


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How columns of one PostgreSQL type are read."""

    arrow: pa.DataType
    select: LiteralString = "{}"
    order: LiteralString = "{}"
    """What a key column is ordered by; text by its bytes, whatever the database's collation."""
    exact: bool = True
    """Whether equality means identity, as a key needs."""


_TEXT = Storage(arrow=pa.string(), select="{}::text", order='{}::text COLLATE "C"')

STORAGE: Mapping[str, Storage] = {
    "smallint": Storage(arrow=pa.int16()),
    "integer": Storage(arrow=pa.int32()),
    "bigint": Storage(arrow=pa.int64()),
    "real": Storage(arrow=pa.float32(), exact=False),
    "double precision": Storage(arrow=pa.float64(), exact=False),
    "numeric": Storage(arrow=pa.string(), select="trim_scale({})::text"),
    "boolean": Storage(arrow=pa.bool_()),
    "text": _TEXT,
    "character varying": _TEXT,
    "character": _TEXT,
    '"char"': _TEXT,
    "name": _TEXT,
    "uuid": Storage(arrow=pa.string(), select="{}::text"),
    "date": Storage(arrow=pa.date32()),
    "timestamp without time zone": Storage(arrow=pa.timestamp("us")),
    "timestamp with time zone": Storage(arrow=pa.timestamp("us", tz="UTC")),
    "interval": Storage(arrow=pa.float64(), select="extract(epoch FROM {})::float8", exact=False),
}

_ADVICE = {
    "json": "select the fields you need with ->> and cast them",
    "jsonb": "select the fields you need with ->> and cast them",
    "bytea": "select what the bytes say as numbers or text, or leave the column out",
    "money": "cast it to numeric",
    "oid": "cast it to bigint",
    "time without time zone": "select extract(epoch FROM ...) for seconds since midnight",
    "time with time zone": "select extract(epoch FROM ...) for seconds since midnight",
}
_ADVICE_BY_CATEGORY = {
    "A": "select its elements, or numbers made from them, as columns of their own",
    "R": "select lower(...) and upper(...)",
    "C": "select its fields as columns of their own",
}
_UNNAMED = "?column?"
_EARLIEST_DAY, _DAY_US = -2_440_588, 86_400_000_000
"""24 November 4714 BC, PostgreSQL's earliest day; the driver wraps infinities to before it."""


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of the query, before it is read."""

    name: str
    postgres_type: str
    storage: Storage

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.storage.arrow)

    @property
    def selected(self) -> sql.Composed:
        """As a term of the SELECT over the query `q`."""
        name = sql.Identifier(self.name)
        value = sql.SQL(self.storage.select).format(sql.SQL("q.{}").format(name))
        return sql.SQL("{} AS {}").format(value, name)

    @property
    def ordering(self) -> sql.Composed:
        """As a term of its ORDER BY."""
        return sql.SQL(self.storage.order).format(sql.Identifier("q", self.name))


def source_column(name: str, postgres_type: str, category: str, file: str) -> SourceColumn:
    """A column by its type's name (`format_type`) and category (`pg_type.typcategory`).

    Raises:
        UnsupportedType: the type has no place in a feature table.
    """
    storage = STORAGE.get(postgres_type)
    if storage is None and category in ("S", "E"):
        storage = _TEXT
    if storage is None:
        raise UnsupportedType(
            f"column {name!r} of {file} is of type {postgres_type}",
            expected="numbers, booleans, text, enums, UUIDs, dates, timestamps or intervals",
            remedy=_ADVICE.get(postgres_type)
            or _ADVICE_BY_CATEGORY.get(category)
            or "cast it to a number or to text in the SQL, or leave it out",
            column=name,
        )
    return SourceColumn(name=name, postgres_type=postgres_type, storage=storage)


def require_names(names: Sequence[str], file: str) -> None:
    """Raises QueryFailed where a column has no name, or two have the same."""
    unnamed = names.count(_UNNAMED)
    twice = sorted({name for name in names if name != _UNNAMED and names.count(name) > 1})
    if not names or unnamed or twice:
        found = [f"{unnamed} without a name"] if unnamed else []
        found += [f"{names.count(name)} called {name!r}" for name in twice]
        raise QueryFailed(
            f"among the columns of {file} are {', '.join(found)}"
            if names
            else f"{file} selects no column",
            expected="columns with a name each, all different",
            remedy="name them with AS, and list the columns of a join instead of *",
            columns=twice,
        )


def require_exact_key(columns: Sequence[SourceColumn], key: Sequence[str], file: str) -> None:
    """Raises KeyViolation where a key column's values are approximate."""
    for column in columns:
        if column.name in key and not column.storage.exact:
            raise KeyViolation(
                f"key column {column.name!r} of {file} is {column.postgres_type}",
                expected="a type whose equal values are identical: integers, text, dates, ...",
                remedy="cast it to numeric or bigint in the SQL, or choose another key",
                column=column.name,
            )


def conform(batch: pa.RecordBatch, columns: Sequence[SourceColumn], file: str) -> pa.RecordBatch:
    """A batch as it came from the driver, under the contract's schema.

    Raises:
        UnsupportedType: a column came in another type than the contract's.
        ExtractError: a date or timestamp is infinite, or text is not UTF-8.
    """
    for column, values in zip(columns, batch.columns, strict=True):
        if values.type != column.storage.arrow:
            raise UnsupportedType(
                f"column {column.name!r} of {file} ({column.postgres_type}) came as {values.type}",
                expected=str(column.storage.arrow),
                remedy="cast it in the SQL to the type that is wanted",
                column=column.name,
            )
        _require_moments(column, values, file)
        _require_utf8(column, values, file)
    return pa.RecordBatch.from_arrays(
        batch.columns, schema=pa.schema([column.field for column in columns])
    )


def _require_moments(column: SourceColumn, values: pa.Array, file: str) -> None:
    kind = values.type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return
    days = pa.types.is_date(kind)
    earliest = pc.min(values.view(pa.int32() if days else pa.int64())).as_py()
    if earliest is not None and earliest < _EARLIEST_DAY * (1 if days else _DAY_US):
        raise ExtractError(
            f"column {column.name!r} of {file} holds an infinite or far-off moment",
            expected="moments between 4714 BC and the year 290,000, or NULL",
            remedy=f"select nullif({column.name}, 'infinity')",
            column=column.name,
        )


def _require_utf8(column: SourceColumn, values: pa.Array, file: str) -> None:
    if not pa.types.is_string(values.type):
        return
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        raise ExtractError(
            f"column {column.name!r} of {file} holds text that is not UTF-8",
            expected="text that the database can give as UTF-8",
            remedy="clean it in the SQL, or convert the database from SQL_ASCII to UTF8",
            column=column.name,
        ) from None
