"""PostgreSQL to a verified snapshot, beside draining a COPY, pandas.read_sql and ConnectorX.

    python benchmarks/extract.py [--rounds 3] [--connectorx-python PATH]

One table per size: a bigint key and 20 float8 columns, random but for the last, which is the
label. Each method reads it in key order, in a process of its own, so that its peak memory is
its own; methods take turns, so that a busy moment of the machine hits them alike. The server
is DATABASE_URL, or an embedded one that is thrown away afterwards.
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
SLOWEST_RATE, MOST_MEMORY = 0.5, 1.3
"""What must be shown: of the COPY's rate, at least; of the small table's memory, at most."""

Result = dict[str, float]


def copy(url: str, rows: int) -> Callable[[], int]:
    """Drain a binary COPY of the same ordered query, and throw the bytes away."""
    import psycopg

    statement = f"COPY (SELECT * FROM wide_{rows} ORDER BY id) TO STDOUT (FORMAT binary)"

    def run() -> int:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            with cursor.copy(statement) as stream:  # pyright: ignore
                for _ in stream:
                    pass
            return cursor.rowcount

    return run


def plumbline(url: str, rows: int) -> Callable[[], int]:
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
    (root / "wide.sql").write_text(f"SELECT * FROM wide_{rows}")
    source = {"sql": "wide.sql", "key": ["id"], "label": f"x{FLOATS - 1}"}
    spec = PipelineSpec.model_validate({"name": "wide", "source": source})
    registry, store = Registry.open(postgres), ArtifactStore.at(root / "store")

    def run() -> int:
        snapshot, _ = freeze(
            spec,
            dataset_version=f"{rows}_{time.time_ns()}",
            query=read_query(spec, root),
            postgres=postgres,
            registry=registry,
            store=store,
        )
        scratch.cleanup()
        return snapshot.rows

    return run


def pandas(url: str, rows: int) -> Callable[[], int]:
    """pandas.read_sql over SQLAlchemy and psycopg: a DataFrame in memory, nothing written."""
    import pandas as pd
    import sqlalchemy as sa

    from plumbline.postgres import Postgres

    statement = sa.text(f"SELECT * FROM wide_{rows} ORDER BY id")
    return lambda: len(pd.read_sql(statement, Postgres(url).engine))


def connectorx(url: str, rows: int) -> Callable[[], int]:
    """connectorx.read_sql to Arrow on one connection: in memory, nothing written."""
    import connectorx as cx

    statement = f"SELECT * FROM wide_{rows} ORDER BY id"
    return lambda: cx.read_sql(url, statement, protocol="binary", return_type="arrow").num_rows


METHODS = (copy, plumbline, pandas, connectorx)


def measure(method: str, url: str, rows: int) -> None:
    """In a process of its own: run one method and print what it took."""
    run = globals()[method](url, rows)
    started = time.perf_counter()
    read = run()
    seconds = time.perf_counter() - started
    assert read == rows, f"{method} read {read} rows of {rows}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


def measured(python: str, method: str, url: str, rows: int) -> Result:
    command = [python, __file__, "--measure", method, url, str(rows)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1])
    return json.loads(ran.stdout.splitlines()[-1])


def fill(url: str, rows: int) -> None:
    import psycopg

    names = ", ".join(f"x{i} float8" for i in range(FLOATS))
    values = "random(), " * (FLOATS - 1) + "(random() < 0.3)::int"
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            f"DROP TABLE IF EXISTS wide_{rows}",
            f"CREATE TABLE wide_{rows} (id bigint PRIMARY KEY, {names})",
            "SELECT setseed(0.5)",
            f"INSERT INTO wide_{rows} SELECT i, {values} FROM generate_series(1, {rows}) AS i",
            f"VACUUM ANALYZE wide_{rows}",
        ):
            connection.execute(statement.encode())


def compare(url: str, rounds: int, pythons: dict[str, str]) -> dict[tuple[str, int], list[Result]]:
    results: dict[tuple[str, int], list[Result]] = {}
    for rows in (SMALL, LARGE):
        fill(url, rows)
        for method in [method.__name__ for method in METHODS]:
            try:
                measured(pythons.get(method, sys.executable), method, url, rows)  # warms the cache
            except RuntimeError as error:
                print(f"{method}: skipped: {error}")
                continue
            results[method, rows] = []
        for _ in range(rounds):
            for (method, size), found in results.items():
                if size == rows:
                    found.append(measured(pythons.get(method, sys.executable), method, url, rows))
    return results


def median(results: list[Result], name: str) -> float:
    return statistics.median(result[name] for result in results)


def show(results: dict[tuple[str, int], list[Result]]) -> bool:
    """Print the table and the two lines; True if both limits hold."""
    print(f"\n{'rows':>9}  {'method':<11} {'seconds':>8} {'rows/s':>10} {'of COPY':>8} {'MiB':>9}")
    ratios: dict[tuple[str, int], float] = {}
    for (method, rows), found in results.items():
        pairs = zip(results["copy", rows], found, strict=True)
        ratio = statistics.median(copy["seconds"] / own["seconds"] for copy, own in pairs)
        seconds, peak = median(found, "seconds"), median(found, "peak")
        ratios[method, rows] = ratio
        print(
            f"{rows:>9,}  {method:<11} {seconds:>8.2f} {rows / seconds:>10,.0f} {ratio:>8.2f} "
            f"{peak:>9,.0f}"
        )
    rate = ratios["plumbline", LARGE]
    large, small = (median(results["plumbline", rows], "peak") for rows in (LARGE, SMALL))
    return all(
        [
            limit(f"rate of {LARGE:,} rows to a verified snapshot, of the COPY drain's", rate,
                  "at least", SLOWEST_RATE, rate >= SLOWEST_RATE),
            limit(f"peak memory at {LARGE:,} rows, of that at {SMALL:,}", large / small,
                  "at most", MOST_MEMORY, large / small <= MOST_MEMORY),
        ]
    )  # fmt: skip


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
        method, url, rows = options.measure
        measure(method, url, int(rows))
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
