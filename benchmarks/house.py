"""What the house costs: loading many pipelines, a stage that has nothing to do, a long history.

    .venv/bin/python benchmarks/house.py [--pipelines 50] [--materializations 10000]

Beside each, a bare Dagster project of as many assets that do nothing. Wall and CPU seconds; on a
busy machine CPU seconds are the ones to go by. The last part needs `make demo`, Playwright and
Chromium, and is left out by --materializations 0.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
EXTRACT = "flights.sql"
REPEATS = 3
LOAD = """
import json, sys, time
import dagster
imported = time.perf_counter(), time.process_time()
{source}
loaded.get_repository_def()
print(json.dumps({{"wall": time.perf_counter() - {zero}, "cpu": time.process_time(),
                  "dagster": imported[1]}}))
"""
OURS = "from pipelines.definitions import defs; loaded = defs()"
BARE = """
def nothing(): return None
loaded = dagster.Definitions(assets=[
    dagster.asset(key=[f"pipeline_{p}", f"stage_{s}"],
        deps=[[f"pipeline_{p}", f"stage_{s - 1}"]] if s else [])(nothing)
    for p in range(%d) for s in range(%d)])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pipelines", type=int, default=50)
    parser.add_argument("--materializations", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plumbline-house-") as folder:
        loading(Path(folder), asked.pipelines)
        stages(Path(folder))
        if asked.materializations:
            import house_page

            house_page.main(Path(folder), asked.materializations)


def loading(folder: Path, pipelines: int) -> None:
    """A fresh process loads the definitions of 2 pipelines, and of many."""
    print("| loading | wall s | CPU s |\n| --- | --- | --- |")
    for count in (2, pipelines):
        project = copy(folder / f"of-{count}", count)
        row(f"{count} pipelines", [_loaded(OURS, project) for _ in range(REPEATS)])
        assets = 18 * count
        bare = [_loaded(BARE % (count, 18), folder) for _ in range(REPEATS)]
        row(f"bare Dagster, {assets} assets that do nothing", bare)


def copy(project: Path, count: int) -> Path:
    """The project, with the flights pipeline under `count` names."""
    for name in ("sql", "plumbline", "assets", "pipelines"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    shutil.rmtree(project / "pipelines" / "defs" / "fraud")
    declared = (ROOT / "pipelines" / "defs" / "flights" / "defs.yaml").read_text()
    for number in range(count - 1):
        name = f"flights_{number:03}"
        (project / "pipelines" / "defs" / name).mkdir()
        named = declared.replace("name: flights", f"name: {name}").replace(EXTRACT, f"{name}.sql")
        query = (ROOT / "sql" / "extracts" / EXTRACT).read_text()
        (project / "sql" / "extracts" / f"{name}.sql").write_text(f"{query}-- {name}\n")
        (project / "pipelines" / "defs" / name / "defs.yaml").write_text(named)
    return project


def _loaded(source: str, project: Path) -> dict[str, float]:
    started = perf_counter()
    # Both clocks count from boot, so a child's reading may be held against ours.
    code = LOAD.format(source=source, zero=started)
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(told.stdout.splitlines()[-1])


def stages(folder: Path) -> None:
    """Runs of the small pipeline in which every stage is there already, by executor."""
    import house_runs

    with house_runs.prepared(folder) as (instance, count):
        print(f"\n| {count} stages with nothing to do, per stage | wall s | CPU s |")
        print("| --- | --- | --- |")
        for name, job in house_runs.JOBS.items():
            row(
                name,
                [
                    timed(lambda job=job: house_runs.run(job, instance), count)
                    for _ in range(REPEATS)
                ],
            )


def timed(call: Callable[[], Any], parts: int = 1) -> dict[str, float]:
    """Seconds of this process and its children, per part."""
    wall, cpu = perf_counter(), _cpu()
    call()
    return {"wall": (perf_counter() - wall) / parts, "cpu": (_cpu() - cpu) / parts}


def _cpu() -> float:
    children = os.times()
    return process_time() + children.children_user + children.children_system


def row(name: str, measured: list[dict[str, float]]) -> None:
    told = [f"{statistics.median(one[clock] for one in measured):.2f}" for clock in ("wall", "cpu")]
    print(f"| {name} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
