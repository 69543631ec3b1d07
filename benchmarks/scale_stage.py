"""One stage of the real chain in a process of its own, for scale.py."""

import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

EPOCHS = 2
"""Of the network, whatever the number of rows (count)."""
FOREST_SHARE = 16
"""Of the budget, what the forest's nodes may take: one part in so many."""
BEFORE, NOW = "before", "now"
"""Dataset versions: version_diff compares them, everything else is measured on the second."""

STAGES = (
    "snapshot",
    "split",
    "audit",
    "version_diff",
    "normalization",
    "training_features",
    "floor",
    "random_forest",
    "xgboost",
    "optimism",
    "baseline_gate",
    "network",
    "network_seeds",
    "evaluation",
    "release",
    "promotion",
    "predictions",
)
"""In the order in which each finds what it reads."""

FROZEN = ("snapshot",)
"""Made once for a dataset version, and then only found."""

EXTRACT = """
-- grain: one row per id; key: id; label: label
SELECT * FROM {table} WHERE :shown = 'all' OR id % 100 > 0
"""


def pipeline(rows: int) -> str:
    return f"scale_{rows}"


def declared(rows: int, budget_gib: float, flights: bool) -> Any:
    """The pipeline: everything as it is by default, but for what is named here."""
    from plumbline.spec import PipelineSpec

    return PipelineSpec.model_validate({
        "name": pipeline(rows),
        "source": {
            "sql": f"sql/extracts/scale_{rows}.sql",
            "parameters": {"shown": "all"},
            "key": ["id"],
            "label": "label",
            "timestamp": "happened_at",
            "drop": ["delay"] if flights else [],
        },
        "resources": {"memory_gib": budget_gib},
        "training_features": {"table": f"scale.trained_{rows}"},
        "baselines": {"forest_gib": budget_gib / FOREST_SHARE},
        "network": {
            "architecture": "dense",
            "widths": [64],
            "batch_size": 4096,
            "learning_rate": 0.003,
            "max_epochs": EPOCHS,
        },
        "decision": {"calibration": "isotonic", "conformal": {"coverage": 0.9}},
        "verdict": {"seeds": 1, "slices": ["origin" if flights else "c0"]},
    })  # fmt: skip


def prepare(root: Path, rows: int) -> None:
    """Write the extract's SQL below `root`."""
    extract = root / "sql" / "extracts" / f"scale_{rows}.sql"
    extract.parent.mkdir(parents=True, exist_ok=True)
    extract.write_text(EXTRACT.format(table=f"scale.wide_{rows}"), "utf-8")


def materialize(root: Path, spec: Any, stage: str, version: str, parameters: Any) -> None:
    """One asset, with its checks, figures and records, as a run of that asset alone makes it."""
    import dagster as dg

    from assets.resources import PlumblineResource
    from pipelines.training_pipeline import pipeline_definitions

    definitions = dg.Definitions.merge(
        pipeline_definitions(spec, root),
        dg.Definitions(
            resources={"plumbline": PlumblineResource()}, executor=dg.in_process_executor
        ),
    )
    config = {f"{spec.name}__snapshot": {"config": {"parameters": parameters}}}
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(f"{spec.name}_dataset_versions", [version])
        result = definitions.resolve_job_def(spec.name).execute_in_process(
            instance=instance,
            partition_key=version,
            asset_selection=[dg.AssetKey([spec.name, stage])],
            run_config={"ops": config if stage == "snapshot" else {}},
        )
    failed = [one.check_name for one in result.get_asset_check_evaluations() if not one.passed]
    if failed:
        print(f"{stage}: checks that warn: {', '.join(failed)}")


def measured(task: dict[str, Any]) -> dict[str, Any]:
    """Seconds and CPU seconds of this process, its peak memory and what it left in the store."""
    from plumbline.peak_memory import PeakMemory

    memory, rows = PeakMemory(), task["rows"]
    root, server = Path(task["root"]), Server(Path(task["server"]))
    stored = Path(os.environ["PLUMBLINE_STORE"]) / pipeline(rows) / task["stage"]
    before = _size(stored)
    if task["peer"]:
        import scale_peers

        _, peer = scale_peers.PEERS[task["stage"]]
        peer(os.environ["DATABASE_URL"], rows, _largest(stored.with_name("snapshot")))
    else:
        spec = declared(rows, task["budget_gib"], task["flights"])
        parameters = {"shown": "fewer" if task["version"] == BEFORE else "all"}
        materialize(root, spec, task["stage"], task["version"], parameters)
    (peak,) = memory.measured.values()
    return {
        "seconds": time.perf_counter() - STARTED,
        "cpu": _cpu() + server.cpu(),
        "server_cpu": server.cpu(),
        "peak_mib": peak,
        "bytes": _size(stored) - before,
    }


def _largest(snapshots: Path) -> Path:
    """The rows of the snapshot that has all of them."""
    return max(snapshots.glob("*/data.parquet"), key=lambda one: one.stat().st_size)


class Server:
    """The CPU time of the embedded PostgreSQL since this was made (seconds)."""

    def __init__(self, folder: Path):
        self._postmaster = int((folder / "postmaster.pid").read_text("utf-8").split()[0])
        self._before = self._used()

    def cpu(self) -> float:
        return self._used() - self._before

    def _used(self) -> float:
        """Of all its processes, those that have ended included."""
        processes = [
            stat
            for one in Path("/proc").glob("[0-9]*/stat")
            if (stat := _stat(one)) and self._postmaster in (stat[0], stat[1])
        ]
        ticks = sum(sum(one[2:4]) for one in processes)
        ended = sum(sum(one[4:6]) for one in processes if one[0] == self._postmaster)
        return (ticks + ended) / os.sysconf("SC_CLK_TCK")


def _stat(file: Path) -> Sequence[int] | None:
    """Process, parent, own user and system ticks, and those of children that have ended."""
    try:
        text = file.read_text("utf-8")
    except OSError:  # it has ended meanwhile
        return None
    fields = text.rpartition(")")[2].split()
    return [int(file.parent.name), int(fields[1]), *map(int, fields[11:15])]


def _cpu() -> float:
    used = (resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def run(task: str) -> None:
    """Print what was measured as the last line."""
    print(json.dumps(measured(json.loads(task))))
