"""SQL over frozen snapshots: DuckDB on their Parquet files, and on nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa

from plumbline.extract.snapshot import DATA, Snapshot

MEMORY = "512MB"
"""What DuckDB may hold; beyond, it spills to a temporary folder."""


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


def row_hashes(snapshot: Snapshot, columns: list[str]) -> np.ndarray:
    """A hash over the named columns of each row: uint64, shape (snapshot.rows,).

    Rows that are equal in all of them (NULL equals NULL) have equal hashes. For comparisons
    within one process only: another version of DuckDB may hash otherwise.
    """
    with sql_over(snapshot=snapshot.folder / DATA) as connection:
        hashed = duckdb.FunctionExpression("hash", *map(duckdb.ColumnExpression, columns))
        found: pa.Table = connection.table("snapshot").select(hashed).to_arrow_table()
    return found.column(0).to_numpy()
