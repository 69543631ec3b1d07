"""Keys that somebody asks for, and the rows of stored files that have them."""

import csv
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import HistoryError
from plumbline.extract.types import STORAGE
from plumbline.history.places import place, views
from plumbline.registry import Row
from plumbline.scoring.csv_rows import FALSE, TRUE

ASKED = "asked"
"""Column of what `rows_with` finds: the number of the key, counted from 0."""

Given = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys by their columns, as text; nothing is known of types yet."""

    names: tuple[str, ...]
    given: tuple[tuple[str, ...], ...]

    def to_json(self) -> list[dict[str, str]]:
        return [dict(zip(self.names, key, strict=True)) for key in self.given]

    def typed(self, schema: pa.Schema, types: Mapping[str, str]) -> pa.RecordBatch:
        """The keys in the types that a file stores them in.

        `types` are PostgreSQL's by name: they say which texts stand for the same value.

        Raises:
            HistoryError: the file has another key, or a key's text is not of its column's type.
        """
        if missing := [name for name in self.names if name not in schema.names]:
            raise HistoryError(
                f"the key has a column {', '.join(missing)} that is not there",
                expected=f"a key of {', '.join(self.names)}",
            )
        columns = {
            name: _column(name, texts, schema.field(name).type, types.get(name, ""))
            for name, texts in zip(self.names, zip(*self.given, strict=True), strict=True)
        }
        return pa.RecordBatch.from_pydict(columns)


def keys_of(rows: Sequence[Given], dataset: Row) -> Keys:
    """The keys in `rows`, each once, in the order given.

    Raises:
        HistoryError: there are none, or they have other columns than the dataset's key.
    """
    names = tuple(dataset["key_columns"])
    strange = next((row for row in rows if row.keys() != set(names)), None)
    if strange is not None or not rows:
        raise HistoryError(
            f"the key given is ({', '.join(strange or [])})",
            expected=f"values of ({', '.join(names)}), the key of {dataset['dataset_version']}",
            remedy="; ".join(f"--key {name}=..." for name in names),
        )
    given = dict.fromkeys(tuple(row[name] for name in names) for row in rows)
    return Keys(names=names, given=tuple(given))


def keys_in(path: Path, dataset: Row) -> Keys:
    """The keys in a CSV file with a header; columns that are not of the key are passed over.

    Raises:
        HistoryError: the file cannot be read, or lacks a key column.
    """
    names = list(dataset["key_columns"])
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryError(
            f"{path} cannot be read: {error}", expected="a CSV file in UTF-8 with a header"
        ) from error
    return keys_of([{n: row[n] for n in names if row.get(n) is not None} for row in rows], dataset)


def rows_with(keys: Keys, path: Path, types: Mapping[str, str], wanted: Sequence[str]) -> pa.Table:
    """`ASKED` and the wanted columns of the rows in a Parquet file that have one of the keys.

    Raises:
        HistoryError: the file has no such key, or a key's text is not of its column's type.
    """
    schema = pq.read_schema(path)
    selected = [
        f"file.{place(schema.get_all_field_indices(name)[-1])} AS v{i}"
        for i, name in enumerate(wanted)
    ]
    with views(file=path) as connection:
        connection.register("keys", numbered(keys.typed(schema, types)))
        found = connection.sql(
            f"SELECT {', '.join([f'keys.{ASKED}', *selected])} FROM keys JOIN file "
            f"ON {same_key(keys, schema, 'file')} ORDER BY keys.{ASKED}"
        ).to_arrow_table()
    return found.rename_columns([ASKED, *wanted])


def numbered(typed: pa.RecordBatch) -> pa.Table:
    """Typed keys as a table for SQL: `ASKED`, k0, k1, ..."""
    names = [ASKED, *(f"k{i}" for i in range(typed.num_columns))]
    return pa.table([pa.array(range(typed.num_rows), pa.int64()), *typed.columns], names=names)


def same_key(keys: Keys, schema: pa.Schema, view: str) -> str:
    """SQL that joins `numbered` keys to a view of a file, where the key's columns come first."""
    return " AND ".join(
        f"{view}.{place(schema.get_all_field_indices(name)[0])} = keys.k{i}"
        for i, name in enumerate(keys.names)
    )


def postgres_types(dataset: Row) -> dict[str, str]:
    """PostgreSQL's types of a dataset version's columns, by name."""
    return {column["name"]: column.get("postgres_type", "") for column in dataset["columns"]}


def stored_schema(dataset: Row) -> pa.Schema:
    """Names and Arrow types of a dataset version's columns, as far as keys can have them."""
    known = {str(storage.arrow): storage.arrow for storage in STORAGE.values()}
    return pa.schema(
        [
            (column["name"], known[column["arrow_type"]])
            for column in dataset["columns"]
            if column.get("arrow_type") in known
        ]
    )


def _column(name: str, texts: Sequence[str], kind: pa.DataType, postgres_type: str) -> pa.Array:
    values = []
    for text in texts:
        try:
            values.append(pa.scalar(_value(text, kind, postgres_type), kind))
        except (ValueError, ArithmeticError, pa.ArrowInvalid) as error:
            raise HistoryError(
                f"{name}={text!r} is not a value of {postgres_type or kind}",
                expected=f"what column {name!r} can hold",
                remedy=f"correct the key: {error}",
                column=name,
                value=text,
            ) from error
    return pa.array([value.as_py() for value in values], kind)


def _value(text: str, kind: pa.DataType, postgres_type: str) -> Any:
    """A text as the extract would have stored it (plumbline/extract/types.py)."""
    spelled: dict[str, Callable[[str], Any]] = {
        "numeric": lambda word: _exact(Decimal(word)),
        "uuid": lambda word: str(UUID(word)),
        "int": int,
        "bool": _boolean,
        "date": dt.date.fromisoformat,
        "timestamp[us]": _naive,
        "timestamp[us, tz": _aware,
    }
    for start, read in spelled.items():
        if postgres_type == start or str(kind).startswith(start):
            return read(text.strip())
    return text


def _exact(number: Decimal) -> str:
    """As trim_scale writes it."""
    if not number.is_finite():
        return str(number)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError(f"write one of {', '.join((*TRUE, *FALSE))}")
    return word in TRUE


def _aware(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC)


def _naive(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("write the moment without a time zone")
    return moment
