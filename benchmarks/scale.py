"""How time and memory of every stage grow with the rows, each stage in a process of its own.

    .venv/bin/python benchmarks/scale.py [--rows 100000 300000 1000000 3000000 10000000]
        [--columns 20] [--stages split audit] [--budget-gib 2] [--folder PATH] [--repeats 1]
        [--table flights FOLDER]

A table is generated in an embedded PostgreSQL, and every stage of a pipeline on it is
materialized by Dagster, one asset per process, with its checks, figures and records: what a run
with `run.processes` does. The numbers are of the whole process. CPU seconds are those of the
process and of the PostgreSQL server together; on a machine that others use they are the ones to
go by, and the exponent is theirs. Of each stage its CPU seconds at --tiny rows, where all is
start-up (the interpreter, imports, Dagster), are taken off; what is left is fitted against the
rows by least squares of the logarithms. Sizes at which less than half a second is left
say nothing of growth and are left out. Peak memory is the process' resident memory, without the
server's.

Exits with 1 where an exponent is above 1.05, or a peak above the budget. The results go to
docs/scale-measured.json, and `python benchmarks/scale.py --show` writes docs/scale-measured.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import scale_stage

ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
DOCS = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "scale-measured.json", DOCS / "scale-measured.md"

Points = dict[int, dict[str, float]]
"""What was measured, by number of rows."""


class Measuring:
    """Tables, store and Dagster's home below one folder, and a process per stage."""

    def __init__(self, folder: Path, asked: argparse.Namespace):
        from plumbline.postgres import Postgres, embedded

        self.folder, self.asked = folder, asked
        self.server = folder / "postgres"
        self.postgres = Postgres(embedded(self.server))
        home = folder / "dagster"
        home.mkdir(exist_ok=True)
        self.environment = {
            **os.environ,
            "DATABASE_URL": self.postgres.url,
            "PLUMBLINE_STORE": str(folder / "store"),
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def stage(
        self, stage: str, rows: int, version: str = scale_stage.NOW, *, peer: bool = False
    ) -> dict[str, Any]:
        """One stage of one size, or its peer, in a process of its own."""
        task = {
            "stage": stage,
            "rows": rows,
            "version": version,
            "peer": peer,
            "root": str(self.folder),
            "server": str(self.server),
            "budget_gib": self.asked.budget_gib,
            "flights": bool(self.asked.table),
        }
        done = subprocess.run(
            [sys.executable, __file__, "--task", json.dumps(task)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{stage} of {rows:,} rows failed:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def table(self, rows: int) -> Iterator[None]:
        """The table, with an earlier snapshot of it that version_diff compares with."""
        import scale_table

        if not self.stored(rows).exists():
            scale_stage.prepare(self.folder, rows)
            if self.asked.table:
                scale_table.replicate(self.postgres, rows, Path(self.asked.table[1]))
            else:
                scale_table.generate(self.postgres, rows, self.asked.columns)
            self.stage("snapshot", rows, scale_stage.BEFORE)
            self.stage("split", rows, scale_stage.BEFORE)
        yield
        if not self.asked.folder:
            scale_table.drop(self.postgres, rows)
            shutil.rmtree(self.stored(rows))

    def stored(self, rows: int, stage: str = "") -> Path:
        """Where the artifacts of a size lie, or those of one of its stages."""
        return self.folder / "store" / scale_stage.pipeline(rows) / stage


def measure(measuring: Measuring) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Every stage at every size, with how long it may still take on the error stream.

    What a stage reads of one that was not asked for is made where it is not there.
    """
    asked = measuring.asked
    sizes = sorted({asked.tiny, *asked.rows})
    found: dict[str, Points] = {stage: {} for stage in asked.stages}
    for rows in sizes:
        with measuring.table(rows):
            for stage in scale_stage.STAGES[: _last(asked.stages) + 1]:
                if stage in asked.stages and stage not in scale_stage.FROZEN:
                    shutil.rmtree(measuring.stored(rows, stage), ignore_errors=True)
                    if stage == "split":  # that of the earlier snapshot is there, too
                        measuring.stage(stage, rows, scale_stage.BEFORE)
                one = measuring.stage(stage, rows)
                found_again = stage in scale_stage.FROZEN and not one["bytes"]
                if stage not in asked.stages or found_again:
                    continue
                found[stage][rows] = one
                left = _left(found, sizes) / 60
                print(
                    f"{stage} of {rows:,} rows: {one['seconds']:,.1f} s, {one['cpu']:,.1f} CPU s, "
                    f"{one['peak_mib']:,.0f} MiB; about {left:,.0f} min left",
                    file=sys.stderr,
                    flush=True,
                )
                yield stage, rows, one


def measure_peers(measuring: Measuring) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """What people use instead of a stage, at sizes that memory holds."""
    from scale_peers import PEERS

    asked = measuring.asked
    for rows in sorted({asked.tiny, *asked.peers}):
        with measuring.table(rows):
            measuring.stage("snapshot", rows)
            for stage in (one for one in asked.stages if one in PEERS):
                yield stage, rows, measuring.stage(stage, rows, peer=True)


def _last(stages: Sequence[str]) -> int:
    return max(map(scale_stage.STAGES.index, stages))


def _left(found: Mapping[str, Points], sizes: Sequence[int]) -> float:
    """Seconds: of what is to come, in proportion to the rows of the last size that is known."""
    left = 0.0
    for known in filter(None, found.values()):
        start, last = known[min(known)]["seconds"], max(known)
        above = max(known[last]["seconds"] - start, 0.1)
        left += sum(start + above * rows / last for rows in sizes if rows > last)
    return left


def main() -> int:
    asked = _asked()
    if asked.task:
        scale_stage.run(asked.task)
        return 0
    import scale_shown

    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if not asked.show:
        with _folder(asked.folder) as folder:
            measuring = Measuring(folder, asked)
            kinds = {"stages": measure(measuring), "peers": measure_peers(measuring)}
            for kind, measured in kinds.items():
                for one in measured:
                    results = scale_shown.merged(results, asked, kind, *one)
                    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    text = scale_shown.document(results)
    PAGE.write_text(text, "utf-8")
    broken = scale_shown.broken(results)
    print(text, *(broken or ["every stage keeps to its limits"]), sep="\n")
    return int(bool(broken))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--peers", type=int, nargs="*", default=[1_000_000],
                        help="rows that pandas and scikit-learn are given")  # fmt: skip
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--stages", nargs="+", choices=scale_stage.STAGES,
                        default=scale_stage.STAGES)  # fmt: skip
    parser.add_argument("--budget-gib", type=float, default=2.0)
    parser.add_argument("--tiny", type=int, default=5_000, help="rows where all is start-up")
    parser.add_argument("--table", nargs=2, metavar=("flights", "FOLDER"))
    parser.add_argument("--folder", type=Path, help="where tables are made, and kept")
    parser.add_argument("--note", default="", help="what to know of the machine")
    parser.add_argument("--show", action="store_true", help="write the page anew")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="plumbline-scale-") as made:
        yield Path(made)


if __name__ == "__main__":
    sys.exit(main())
