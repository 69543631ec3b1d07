"""The table that scale.py measures on: generated in PostgreSQL, or flights repeated with jitter."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, LiteralString, cast

from psycopg import sql

from plumbline.postgres import Postgres

SCHEMA = "scale"
OTHERS = 9
"""Columns that are no floating-point numbers: key, moment, label, three integers and three
categories (count)."""
JITTER = 0.001
"""Standard deviation of what repeated flights differ by, in that of their column."""
COPIED_ROWS = 250_000
"""Flights in memory at a time (count)."""

_UNIFORM = "hashint8extended(g, {seed}) / 9223372036854775807.0::float8"
"""Between -1 and 1, of the row's number alone: the same on every server."""


def table_name(rows: int) -> sql.Identifier:
    return sql.Identifier(SCHEMA, f"wide_{rows}")


def generate(postgres: Postgres, rows: int, columns: int) -> None:
    """Fill a table of `rows` rows inside the server: numbers, of which some are NULL, categories
    of 5, 50 and 500 values, a moment a second, and a label that some of them tell."""
    numbers = {f"x{one}": f"{_of(2 * one)} + {_of(2 * one + 1)}" for one in range(columns - OTHERS)}
    last = f"x{columns - OTHERS - 1}"
    numbers[last] = f"CASE WHEN g % 10 > 0 THEN {numbers[last]} END"
    others = {
        "i0": "(hashint8extended(g, 101) % 1000)::int",
        "i1": "(hashint8extended(g, 102) % 7)::int",
        "i2": "CASE WHEN g % 20 > 0 THEN (hashint8extended(g, 103) % 100)::int END",
        **{f"c{one}": f"'v' || abs(hashint8extended(g, {110 + one}) % {values})"
           for one, values in enumerate((5, 50, 500))},
    }  # fmt: skip
    told = f"({numbers['x0']}) + ({numbers['x1']}) * ({numbers['x2']}) + {_of(201)} + {_of(202)}"
    made = {
        "id": "g",
        "happened_at": "timestamptz '2024-01-01 UTC' + g * interval '1 second'",
        **numbers,
        **others,
        "label": f"{told} + 0.3 * (hashint8extended(g, 101) % 1000 > 0)::int > 0",
    }
    _filled(postgres, rows, made, source="generate_series(1::bigint, {rows}) AS g")


def replicate(postgres: Postgres, rows: int, folder: Path) -> None:
    """Fill a table with the flights in `folder`, repeated until they are `rows`; numbers of the
    repetitions differ by a little."""
    name = table_name(rows)
    with postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        connection.execute(
            sql.SQL(
                "CREATE UNLOGGED TABLE {} (id bigint, happened_at timestamptz, delay float8, "
                "distance float8, origin text, destination text, label boolean)"
            ).format(name)
        )
        copying = sql.SQL("COPY {} FROM STDIN").format(name)
        with connection.cursor() as cursor, cursor.copy(copying) as copy:
            for row in _flights(folder / "data.parquet", rows):
                copy.write_row(row)
    _keyed(postgres, rows)


def drop(postgres: Postgres, rows: int) -> None:
    with postgres.connect() as connection:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table_name(rows)))


def _own(text: str) -> sql.SQL:
    """SQL of this module, which no user had a hand in."""
    return sql.SQL(cast(LiteralString, text))


def _of(seed: int) -> str:
    return _UNIFORM.format(seed=seed)


def _filled(postgres: Postgres, rows: int, made: Mapping[str, str], source: str) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(_own(text), sql.Identifier(name)) for name, text in made.items()
    )
    with postgres.connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} AS SELECT {} FROM ").format(table_name(rows), columns)
            + _own(source).format(rows=sql.Literal(rows))
        )
    _keyed(postgres, rows)


def _keyed(postgres: Postgres, rows: int) -> None:
    """A primary key, statistics and visibility, as a table that is in use has them."""
    with postgres.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table_name(rows)))
        connection.execute(sql.SQL("VACUUM ANALYZE {}").format(table_name(rows)))


def _flights(file: Path, rows: int) -> Iterator[tuple[Any, ...]]:
    import numpy as np
    import pyarrow.parquet as pq

    written = repetition = 0
    random = np.random.default_rng(0)
    while written < rows:
        for batch in pq.ParquetFile(file).iter_batches(min(COPIED_ROWS, rows - written)):
            block = batch.slice(0, rows - written).to_pydict()
            jitter = random.normal(0, JITTER * (repetition > 0), (2, len(block["date"])))
            late = [one > 0 for one in block["late15"]]
            delay, distance = (np.asarray(block[name]) for name in ("delay", "distance"))
            yield from zip(
                range(written + 1, written + 1 + len(late)),
                block["date"],
                (delay + jitter[0] * delay.std()).tolist(),
                (distance + jitter[1] * distance.std()).tolist(),
                block["origin"],
                block["destination"],
                late,
                strict=True,
            )
            written += len(late)
            if written >= rows:
                break
        repetition += 1
