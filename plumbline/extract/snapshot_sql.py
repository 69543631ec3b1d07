"""SQL over frozen snapshots: DuckDB on their Parquet files, and on nothing else."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
from duckdb.sqltypes import DOUBLE, INTEGER

from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Column, Snapshot

MEMORY = "512MB"
"""What DuckDB may hold; beyond, it spills to a temporary folder."""

SIGNIFICANT_DIGITS = 3
"""Of numbers that are nearly equal (count)."""

_TEXT = ("string", "large_string")


@contextmanager
def sql_over(**files: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which each name is a view of a Parquet file, its rows in the file's order.

    It can read these files and write its own temporary folder; no other file, no network, and
    no setting can be changed, whatever the SQL says.
    """
    with TemporaryDirectory(prefix="plumbline-sql-") as spill, duckdb.connect() as connection:
        connection.execute("SET memory_limit = $1", [MEMORY])
        connection.execute("SET temp_directory = $1", [spill])
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET allowed_paths = $1", [[str(path) for path in files.values()]])
        connection.execute("SET enable_external_access = false")
        for name, path in files.items():
            connection.read_parquet(str(path)).create_view(name)
        connection.execute("SET lock_configuration = true")
        yield connection


def row_hashes(
    snapshot: Snapshot, columns: Sequence[str], near: Collection[str] = ()
) -> np.ndarray:
    """A hash over the named columns of each row: uint64, shape (snapshot.rows,).

    Rows that are equal in all of them (NULL equals NULL, NaN equals NaN) have equal hashes; in
    the columns of `near`, rows that are nearly equal as `comparable` has it. For comparisons
    within one process only: another version of DuckDB may hash otherwise.
    """
    hashes = np.empty(snapshot.rows, dtype=np.uint64)
    start = 0
    for block in hash_blocks(snapshot, columns, near):
        hashes[start : start + len(block)] = block
        start += len(block)
    return hashes


def hash_blocks(
    snapshot: Snapshot, columns: Sequence[str], near: Collection[str] = ()
) -> Iterator[np.ndarray]:
    """What `row_hashes` holds, some rows at a time, in order."""
    with sql_over(snapshot=snapshot.folder / DATA) as connection:
        hashed = duckdb.FunctionExpression(
            "hash", *(comparable(snapshot.column(name), near=name in near) for name in columns)
        )
        for block in connection.table("snapshot").select(hashed).to_arrow_reader(BLOCK_ROWS):
            yield block.column(0).to_numpy()


def comparable(column: Column, *, near: bool = False) -> duckdb.Expression:
    """A column's values, or what stands for all values near them.

    near: numbers are rounded to 3 significant digits; text is without case, and its runs of
    white space are one space, none at its ends.
    """
    value = duckdb.ColumnExpression(column.name)
    if not near or column.arrow_type == "bool":
        return value
    text = column.arrow_type in _TEXT and column.postgres_type != "numeric"
    return _folded(value) if text else _rounded(value.cast(DOUBLE))


def _rounded(value: duckdb.Expression) -> duckdb.Expression:
    digits = _call("floor", _call("log10", _call("abs", value)))
    places = (duckdb.ConstantExpression(SIGNIFICANT_DIGITS - 1) - digits).cast(INTEGER)
    regular = _call("isfinite", value) & (value != duckdb.ConstantExpression(0))
    return duckdb.CaseExpression(regular, _call("round", value, places)).otherwise(value)


def _folded(value: duckdb.Expression) -> duckdb.Expression:
    pattern, space, everywhere = map(duckdb.ConstantExpression, (r"\s+", " ", "g"))
    return _call("trim", _call("regexp_replace", _call("lower", value), pattern, space, everywhere))


def _call(name: str, *arguments: duckdb.Expression) -> duckdb.Expression:
    return duckdb.FunctionExpression(name, *arguments)
