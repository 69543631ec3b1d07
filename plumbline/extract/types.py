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
    bytea                             binary, where source.kinds declares it an image
    arrays of numbers, pgvector       a column per element (plumbline/extract/arrays.py);
                                      numeric[] as double, vector and halfvec as float
    domain                            as its base type

Anything else is refused with advice. NULL stays NULL, and text such as 'NA' stays text.
docs/types.md says the same with what training and serving make of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from plumbline.errors import ExtractError, KeyViolation, QueryFailed, UnsupportedType
from plumbline.spec import FeatureKind


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How columns of one PostgreSQL type are read."""

    arrow: pa.DataType
    select: LiteralString = "{}"
    order: LiteralString = "{}"
    """What a key column is ordered by; text by its bytes, whatever the database's collation."""
    exact: bool = True
    """Whether equality means identity, as a key needs."""
    element: str = ""
    """The type, among `STORAGE`, that each element of an array is stored as."""


# Arrow's lists have one dimension: a matrix comes as an empty array, which no width allows.
_ARRAY = "CASE WHEN array_ndims({0}) > 1 THEN '{{}}' ELSE {0} END"
_AS_DOUBLE = "CASE WHEN array_ndims({0}) > 1 THEN '{{}}' ELSE {0}::float8[] END"


def _array(element: str, arrow: pa.DataType, select: LiteralString = _ARRAY) -> Storage:
    return Storage(arrow=pa.list_(arrow), select=select, exact=False, element=element)


_VECTOR = _array("real", pa.float32(), "{}::real[]")
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
    "bytea": Storage(arrow=pa.binary()),
    "smallint[]": _array("smallint", pa.int16()),
    "integer[]": _array("integer", pa.int32()),
    "bigint[]": _array("bigint", pa.int64()),
    "real[]": _array("real", pa.float32()),
    "double precision[]": _array("double precision", pa.float64()),
    "numeric[]": _array("double precision", pa.float64(), _AS_DOUBLE),
    "vector": _VECTOR,
    "halfvec": _VECTOR,
}

_ADVICE = {
    "json": "select the fields you need with ->> and cast them",
    "jsonb": "select the fields you need with ->> and cast them",
    "bytea": "declare it an image under source.kinds, select what the bytes say as numbers or "
    "text, or leave the column out",
    "sparsevec": "cast it to vector",
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
    elements: tuple[str, ...] = ()
    """Names of an array's elements."""

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """The columns it is stored as: itself, or an array's elements."""
        if not self.storage.element:
            return (pa.field(self.name, self.storage.arrow),)
        arrow = STORAGE[self.storage.element].arrow
        return tuple(pa.field(name, arrow) for name in self.elements)

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


def source_column(
    name: str,
    postgres_type: str,
    category: str,
    file: str,
    kinds: Mapping[str, FeatureKind] = {},
) -> SourceColumn:
    """A column by its type's name (`format_type`) and category (`pg_type.typcategory`).

    `kinds` are those that are declared. An array's elements are yet to be named.

    Raises:
        UnsupportedType: the type has no place in a feature table.
    """
    bare = postgres_type.rpartition(".")[2] if category == "U" else postgres_type
    storage = STORAGE.get(bare)
    if storage is None and category in ("S", "E"):
        storage = _TEXT
    if storage is None or (bare == "bytea" and kinds.get(name) != "image"):
        raise UnsupportedType(
            f"column {name!r} of {file} is of type {postgres_type}",
            expected="numbers, arrays of them, booleans, text, enums, UUIDs, dates, timestamps or "
            "intervals",
            remedy=_ADVICE.get(bare)
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
            remedy="name them with AS, or under source.vectors, and list the columns of a join "
            "instead of *",
            columns=twice,
        )


def require_exact_key(columns: Sequence[SourceColumn], key: Sequence[str], file: str) -> None:
    """Raises KeyViolation where a key column's values are approximate, or from an array."""
    for column in columns:
        if not {column.name, *column.elements}.isdisjoint(key) and not column.storage.exact:
            raise KeyViolation(
                f"key column {column.name!r} of {file} is {column.postgres_type}",
                expected="a type whose equal values are identical: integers, text, dates, ...",
                remedy="cast it to numeric or bigint in the SQL, or choose another key",
                column=column.name,
            )


def require_contract(batch: pa.RecordBatch, columns: Sequence[SourceColumn], file: str) -> None:
    """Compare a batch, as it came from the driver, with the contract.

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
