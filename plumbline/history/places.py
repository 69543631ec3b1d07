"""Columns by their place in a file: no name that a user chose becomes part of any SQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.extract.snapshot_sql import sql_over

HERE = "here"
"""A column that is true in every row of a view, and so NULL where an outer join found none."""


def place(index: int) -> str:
    """What SQL calls the column at `index` of a file, counted from 0."""
    return f"c{index}"


def either(conditions: Sequence[str]) -> str:
    """SQL that is true where one of the conditions is; false where there is none."""
    return f"({' OR '.join(conditions) or 'false'})"


@contextmanager
def views(**files: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """`sql_over` these Parquet files, with their columns called by place, and `HERE`.

    Of bytes there is the SHA-256 only: images would fill the memory, and nobody reads them.
    """
    with sql_over(**{f"{name}_file": path for name, path in files.items()}) as connection:
        for name, path in files.items():
            schema = pq.read_schema(path)
            places = [place(index) for index in range(len(schema))]
            values = [
                f"sha256({named}) AS {named}" if pa.types.is_binary(kind) else named
                for named, kind in zip(places, schema.types, strict=True)
            ]
            connection.execute(
                f"CREATE VIEW {name} AS SELECT {', '.join([*values, f'true AS {HERE}'])} "
                f"FROM {name}_file AS file({', '.join(places)})"
            )
        yield connection
