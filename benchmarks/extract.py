"""PostgreSQL to a verified snapshot, beside draining a COPY, pandas.read_sql and ConnectorX.

    python benchmarks/extract.py [--rounds 3] [--connectorx-python PATH]

Two tables: a bigint key and 20 float8 columns, random but for the last, which is the label. And
a view on the small one with a column that costs the server some work per row. Each method reads
in key order, in a process of its own, so that its peak memory is its own; methods take turns, so
that a busy moment of the machine hits them alike. The server is DATABASE_URL, or an embedded one
that is thrown away afterwards and shares this machine's processors with what reads from it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

FLOATS = 20
SMALL, LARGE = 100_000, 1_000_000
ROWS = {"small": SMALL, "costly": SMALL, "large": LARGE}
"""Rows by table or view (count)."""
SLOWEST_RATE, MOST_MEMORY = 0.5, 1.3
"""What must be shown: of the COPY's rate, at least; of the small table's memory, at most."""

Result = dict[str, float]


def copy(url: str, table: str) -> Callable[[], int]:
    """Drain a binary COPY of the same ordered query, and throw the bytes away."""
    import psycopg

    statement = f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT (FORMAT binary)"

    def run() -> int:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            with cursor.copy(statement) as stream:  # pyright: ignore
                for _ in stream:
                    pass
            return cursor.rowcount

    return run


def plumbline(url: str, table: str, connections: int = 1) -> Callable[[], int]:
    """Freeze: typed, ordered, checked, hashed, written, read back, published, registered."""
    import adbc_driver_postgresql.dbapi  # noqa: F401  (freeze imports it when it needs it)

    from plumbline.extract.freeze import freeze
    from plumbline.extract.query import read_query
    from plumbline.postgres import Postgres
    from plumbline.registry import Registry
    from plumbline.spec import PipelineSpec
    from plumbline.store import ArtifactStore

    scratch = tempfile.TemporaryDirectory()
    root, postgres = Path(scratch.name), Postgres(url)
    (root / "wide.sql").write_text(f"SELECT * FROM {table}")
    source = {"sql": "wide.sql", "key": ["id"], "label": f"x{FLOATS - 1}"}
    source |= {"connections": connections}
    spec = PipelineSpec.model_validate({"name": "wide", "source": source})
    registry, store = Registry.open(postgres), ArtifactStore.at(root / "store")

    def run() -> int:
        snapshot, _ = freeze(
            spec,
            dataset_version=f"{table}_{time.time_ns()}",
            query=read_query(spec, root),
            postgres=postgres,
            registry=registry,
            store=store,
        )
        scratch.cleanup()
        return snapshot.rows

    return run


def plumbline_2(url: str, table: str) -> Callable[[], int]:
    """The same by two connections."""
    return plumbline(url, table, connections=2)


def pandas(url: str, table: str) -> Callable[[], int]:
    """pandas.read_sql over SQLAlchemy and psycopg: a DataFrame in memory, nothing written."""
    import pandas as pd
    import sqlalchemy as sa

    from plumbline.postgres import Postgres

    statement = sa.text(f"SELECT * FROM {table} ORDER BY id")
    return lambda: len(pd.read_sql(statement, Postgres(url).engine))


def connectorx(url: str, table: str) -> Callable[[], int]:
    """connectorx.read_sql to Arrow on one connection: in memory, nothing written."""
    import connectorx as cx

    statement = f"SELECT * FROM {table} ORDER BY id"
    return lambda: cx.read_sql(url, statement, protocol="binary", return_type="arrow").num_rows


METHODS = (copy, plumbline, plumbline_2, pandas, connectorx)


def measure(method: str, url: str, table: str) -> None:
    """In a process of its own: run one method and print what it took."""
    run = globals()[method](url, table)
    started = time.perf_counter()
    read = run()
    seconds = time.perf_counter() - started
    assert read == ROWS[table], f"{method} read {read} rows of {ROWS[table]}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


def measured(python: str, method: str, url: str, table: str) -> Result:
    command = [python, __file__, "--measure", method, url, table]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1])
    return json.loads(ran.stdout.splitlines()[-1])


def fill(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP VIEW IF EXISTS costly")
        for table in ("small", "large"):
            for statement in _table(table):
                connection.execute(statement.encode())
        connection.execute(
            "CREATE VIEW costly AS SELECT s.*, (SELECT sum(sqrt(n * s.x0)) "
            "FROM generate_series(1, 200) AS n) AS worked FROM small AS s"
        )


def _table(name: str) -> tuple[str, ...]:
    columns = ", ".join(f"x{i} float8" for i in range(FLOATS))
    values = "random(), " * (FLOATS - 1) + "(random() < 0.3)::int"
    return (
        f"DROP TABLE IF EXISTS {name}",
        f"CREATE TABLE {name} (id bigint PRIMARY KEY, {columns})",
        "SELECT setseed(0.5)",
        f"INSERT INTO {name} SELECT i, {values} FROM generate_series(1, {ROWS[name]}) AS i",
        f"VACUUM ANALYZE {name}",
    )


def compare(url: str, rounds: int, pythons: dict[str, str]) -> dict[tuple[str, str], list[Result]]:
    results: dict[tuple[str, str], list[Result]] = {}
    fill(url)
    for table in ROWS:
        for method in [method.__name__ for method in METHODS]:
            try:
                measured(pythons.get(method, sys.executable), method, url, table)  # warms the cache
            except RuntimeError as error:
                print(f"{method}: skipped: {error}")
                continue
            results[method, table] = []
        for _ in range(rounds):
            for (method, of), found in results.items():
                if of == table:
                    found.append(measured(pythons.get(method, sys.executable), method, url, table))
    return results


def median(results: list[Result], name: str) -> float:
    return statistics.median(result[name] for result in results)


def show(results: dict[tuple[str, str], list[Result]]) -> bool:
    """Print the table and the two lines; True if both limits hold."""
    print(
        f"\n{'table':<7} {'rows':>9}  {'method':<11} {'seconds':>8} {'rows/s':>10} {'of COPY':>8} "
        f"{'MiB':>9}"
    )
    ratios: dict[tuple[str, str], float] = {}
    for (method, table), found in results.items():
        ratio = faster(results["copy", table], found)
        seconds, peak = median(found, "seconds"), median(found, "peak")
        ratios[method, table] = ratio
        print(
            f"{table:<7} {ROWS[table]:>9,}  {method:<11} {seconds:>8.2f} "
            f"{ROWS[table] / seconds:>10,.0f} {ratio:>8.2f} {peak:>9,.0f}"
        )
    for table in ROWS:
        gain = faster(results["plumbline", table], results["plumbline_2", table])
        print(f"two connections, of the rate of one, {table}: {gain:.2f}")
    rate = ratios["plumbline", "large"]
    large, small = (median(results["plumbline", table], "peak") for table in ("large", "small"))
    return all(
        [
            limit(f"rate of {LARGE:,} rows to a verified snapshot, of the COPY drain's", rate,
                  "at least", SLOWEST_RATE, rate >= SLOWEST_RATE),
            limit(f"peak memory at {LARGE:,} rows, of that at {SMALL:,}", large / small,
                  "at most", MOST_MEMORY, large / small <= MOST_MEMORY),
        ]
    )  # fmt: skip


def faster(before: list[Result], after: list[Result]) -> float:
    """How many times the rate, round by round (median)."""
    pairs = zip(before, after, strict=True)
    return statistics.median(one["seconds"] / other["seconds"] for one, other in pairs)


def limit(what: str, found: float, bound: str, value: float, holds: bool) -> bool:
    print(f"{what}: {found:.2f} ({bound} {value}): {'ok' if holds else 'NOT MET'}")
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="measurements per method (count)")
    parser.add_argument("--connectorx-python", help="an interpreter that has ConnectorX")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    python = options.connectorx_python or sys.executable
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("DATABASE_URL") or embedded_below(Path(folder))
        results = compare(url, options.rounds, {"connectorx": python})
    sys.exit(0 if show(results) else 1)


def embedded_below(folder: Path) -> str:
    from plumbline.postgres import embedded

    return embedded(folder / "postgres")


if __name__ == "__main__":
    main()
