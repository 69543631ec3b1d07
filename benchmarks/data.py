"""Audit, split and normalization of a table, beside pandas and scikit-learn in memory.

    python benchmarks/data.py [--rounds 3] [--folder PATH] [--skip-largest]

Tables of a bigint key, 50 float8 features and a boolean label that some of them tell. The one
side works on a frozen snapshot: it splits the rows, audits them and fits the normalization,
each with all that it writes. The other has the features in memory already, and there takes
pandas.DataFrame.describe() and scikit-learn's StandardScaler().fit_transform(). Each side and
size runs in a process of its own, so that its peak memory is its own; the sides take turns, so
that a busy moment of the machine hits them alike. What they import, and a first call on a few
rows, is not counted.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FEATURES = 50
FEW, SMALL, LARGE, LARGEST = 2_000, 100_000, 1_000_000, 5_000_000
LONGEST, MOST_MEMORY = 1.0, 1.2
"""What must be shown: of the peer's time on a large table, at most; of a large table's memory
on the largest, at most."""

STAGES = ("split", "audit", "normalization")
PEER = ("describe", "fit_transform")
PROOFS = ("leakage proof", "independent statistics", "forest's proof", "xgboost's proof")

Result = dict[str, float]


@contextmanager
def timed(result: Result, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    result[name] = time.perf_counter() - started


def plumbline(folder: Path) -> Result:
    """Split, audit and fit a snapshot, with everything that they write; then prove it."""
    from plumbline.audit import report
    from plumbline.extract.features import feature_table
    from plumbline.extract.snapshot import Snapshot
    from plumbline.normalization import apply
    from plumbline.split import split as splits
    from plumbline.versions import NormalizationVersion, SplitVersion

    result: Result = {}
    snapshot, spec = Snapshot.load(folder), declared()
    with tempfile.TemporaryDirectory() as scratch:
        places = {stage: Path(scratch, stage) for stage in STAGES}
        for place in places.values():
            place.mkdir()
        with timed(result, "split"):
            splits.build(snapshot, spec, places["split"])
            split = splits.load(places["split"], snapshot, spec, SplitVersion("benchmark"))
        with timed(result, "audit"):
            report.build(split, spec, places["audit"], root=folder, previous=None, frozen_at=None)
        features, train = feature_table(snapshot, spec), split.train()
        with timed(result, "normalization"):
            version = NormalizationVersion("benchmark")
            apply.build(train, features, spec.normalization, version, places["normalization"])
        result["peak"] = peak()
        normalization = apply.load(places["normalization"])
        prove(result, split, normalization, places["split"])
    return result


def prove(result: Result, split: Any, normalization: Any, folder: Path) -> None:
    """Time the proofs that Dagster runs with the stages."""
    from plumbline.baselines import leakage as baselines
    from plumbline.extract.features import feature_table
    from plumbline.normalization import cross_check, leakage
    from plumbline.split.split import ASSIGNMENT

    spec = declared()
    features = feature_table(split.snapshot, spec)
    with timed(result, "leakage proof"):
        assert leakage.prove(split, features, spec.normalization, normalization).passed
    with timed(result, "independent statistics"):
        found = cross_check.measure(split.snapshot, folder / ASSIGNMENT, normalization)
        assert cross_check.compare(normalization, found).passed
    with timed(result, "forest's proof"):
        assert baselines.prove("random_forest", split, features, normalization, seed=0).passed
    with timed(result, "xgboost's proof"):
        assert baselines.prove("xgboost", split, features, normalization, seed=0).passed


def peer(folder: Path) -> Result:
    """pandas and scikit-learn on the features, which are in memory before the clock starts."""
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    from plumbline.extract.snapshot import DATA

    result: Result = {}
    frame = pd.read_parquet(folder / DATA, columns=[f"x{i}" for i in range(FEATURES)])
    frame = frame.copy()  # in one piece, which is quicker for both
    with timed(result, "describe"):
        frame.describe()
    with timed(result, "fit_transform"):
        StandardScaler().fit_transform(frame)
    result["peak"] = peak()
    return result


SIDES: dict[str, Callable[[Path], Result]] = {"plumbline": plumbline, "peer": peer}


def declared() -> Any:
    from plumbline.spec import PipelineSpec

    source = {"sql": "wide.sql", "key": ["id"], "label": "label"}
    return PipelineSpec.model_validate({"name": "wide", "source": source})


def peak() -> float:
    """Peak memory of this process (MiB); not ru_maxrss, which starts from its parent's."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    ]
    return int(line.split()[1]) / 1024


def write(folder: Path, rows: int) -> None:
    """A frozen snapshot of `rows` rows, made and written block by block; kept if it is there."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from plumbline.extract.snapshot import BLOCK_ROWS, DATA, RECORD, Column, Snapshot

    if (folder / RECORD).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    writer, types = None, {"int64": "bigint", "double": "double precision", "bool": "boolean"}
    columns: tuple[Column, ...] = ()
    for start in range(0, rows, BLOCK_ROWS):
        draw, count = np.random.default_rng([rows, start]), min(BLOCK_ROWS, rows - start)
        x = draw.normal(size=(FEATURES, count)) * (1 + np.arange(FEATURES)[:, None])
        label = x[0] + x[1] / 2 + x[2] / 3 + draw.normal(scale=2, size=count) > 0
        names = {f"x{i}": pa.array(values) for i, values in enumerate(x)}
        keys = pa.array(np.arange(start, start + count))
        block = pa.record_batch({"id": keys, **names, "label": pa.array(label)})
        writer = writer or pq.ParquetWriter(
            folder / DATA, block.schema, compression="lz4", use_dictionary=False
        )
        writer.write_batch(block, BLOCK_ROWS)
        columns = tuple(
            Column(name=field.name, postgres_type=types[str(field.type)],
                   arrow_type=str(field.type), nulls=0, digest="0" * 64)
            for field in block.schema
        )  # fmt: skip
    if writer:
        writer.close()
    Snapshot(
        pipeline="wide", dataset_version=f"wide_{rows}", digest="0" * 64, rows=rows,
        columns=columns, key=("id",), label="label", query="SELECT * FROM wide", parameters={},
        server_version="none", key_collation="C", postgres_snapshot="none", folder=folder,
    ).save_record()  # fmt: skip


def measured(side: str, folder: Path, few: Path) -> Result:
    command = [sys.executable, __file__, "--measure", side, str(folder), str(few)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{side}: {ran.stderr.strip().splitlines()[-1]}")
    return json.loads(ran.stdout.splitlines()[-1])


def compare(folder: Path, rounds: int, largest: bool) -> dict[tuple[str, int], list[Result]]:
    wanted = [(side, rows) for rows in (SMALL, LARGE) for side in SIDES]
    wanted += [("plumbline", LARGEST)] * largest
    write(folder / str(FEW), FEW)
    for _, rows in wanted:
        write(folder / str(rows), rows)
    results: dict[tuple[str, int], list[Result]] = {one: [] for one in wanted}
    for _ in range(rounds):
        for side, rows in wanted:
            found = measured(side, folder / str(rows), folder / str(FEW))
            results[side, rows].append(found)
            print(f"{rows:>9,}  {side:<10} {total(side, found):>7.2f} s", file=sys.stderr)
    return results


def total(side: str, result: Result) -> float:
    return sum(result[stage] for stage in (STAGES if side == "plumbline" else PEER))


def median(results: list[Result], name: str) -> float:
    return statistics.median(result[name] for result in results)


def show(results: dict[tuple[str, int], list[Result]]) -> bool:
    """Print the tables and the limits; True if they hold."""
    print(f"\n{'rows':>9}  {'side':<10} {'step':<22} {'seconds':>8} {'of peer':>8} {'MiB':>7}")
    for (side, rows), found in results.items():
        for step in STAGES if side == "plumbline" else PEER:
            print(f"{rows:>9,}  {side:<10} {step:<22} {median(found, step):>8.2f}")
        seconds = statistics.median(total(side, one) for one in found)
        ratio = f"{share(results, rows):8.2f}" if side == "plumbline" and rows < LARGEST else ""
        print(
            f"{rows:>9,}  {side:<10} {'all':<22} {seconds:>8.2f} {ratio:>8} "
            f"{median(found, 'peak'):>7,.0f}"
        )
        for proof in PROOFS if side == "plumbline" else ():
            print(f"{rows:>9,}  {side:<10} {proof:<22} {median(found, proof):>8.2f}")
    ratio = share(results, LARGE)
    holds = limit(f"seconds at {LARGE:,} rows, of describe and fit_transform", ratio, LONGEST)
    if ("plumbline", LARGEST) in results:
        low, high = (median(results["plumbline", rows], "peak") for rows in (LARGE, LARGEST))
        told = f"peak memory at {LARGEST:,} rows, of that at {LARGE:,}"
        holds = limit(told, high / low, MOST_MEMORY) and holds
    return holds


def share(results: dict[tuple[str, int], list[Result]], rows: int) -> float:
    """Plumbline's time by the peer's: the median of the rounds' own ratios."""
    pairs = zip(results["plumbline", rows], results["peer", rows], strict=True)
    return statistics.median(total("plumbline", own) / total("peer", it) for own, it in pairs)


def limit(what: str, found: float, most: float) -> bool:
    print(f"{what}: {found:.2f} (at most {most}): {'ok' if found <= most else 'NOT MET'}")
    return found <= most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="measurements per side (count)")
    parser.add_argument("--folder", type=Path, help="where tables are made, and kept")
    parser.add_argument("--skip-largest", action="store_true", help=f"without {LARGEST:,} rows")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        side, folder, few = options.measure
        SIDES[side](Path(few))
        print(json.dumps(SIDES[side](Path(folder))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        results = compare(folder, options.rounds, largest=not options.skip_largest)
    sys.exit(0 if show(results) else 1)


if __name__ == "__main__":
    main()
