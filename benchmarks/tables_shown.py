"""What tables.py measured, as a document."""

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

HEAD = """# Networks measured beside trees

Written by `benchmarks/tables.py` from `networks-measured.json`, which holds every run with its
hyperparameters: `python benchmarks/tables.py --show` writes this page anew.

Every table lies in PostgreSQL, is frozen, split as published, and normalized by `quantile`. The
network has Plumbline's own recipe for the task but for what is said to be declared; nothing was
chosen by test rows. XGBoost and the forest have their libraries' defaults. Values are means over
the seeds, ± one standard deviation. Seconds are of one training, and grow with what else the
machine did; CPU seconds are those of all cores together.
"""

METRICS: Mapping[str, tuple[str, ...]] = {
    "binary": ("accuracy", "auc"),
    "multiclass": ("accuracy",),
    "regression": ("rmse",),
}


def document(results: Mapping[str, Any]) -> str:
    """Markdown: a section for each table."""
    return "\n".join([HEAD, *(section(name, found) for name, found in results.items())])


def section(name: str, found: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{side} {found['rows'][side]:,}" for side in ("train", "val", "test"))
    names = METRICS[found["task"]]
    columns = [f"{side} {one}" for side in ("val", "test") for one in names]
    head = ["model", "seeds", *columns, "seconds", "CPU seconds"]
    lines = [
        f"## {name}\n",
        f"{found['task']}, {found['features']} features; rows: {rows}. Keras on "
        f"{found['backend']}, {found['cores']} cores.\n",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for model in dict.fromkeys(run["model"] for run in found["runs"]):
        runs = [run for run in found["runs"] if run["model"] == model]
        told = [spread(runs, side, one) for side in ("val", "test") for one in names]
        times = [f"{mean(run[key] for run in runs):,.1f}" for key in ("seconds", "cpu_seconds")]
        lines.append("| " + " | ".join([model, str(len(runs)), *told, *times]) + " |")
    return "\n".join([*lines, "", *recipe(found), *verdict(found)])


def spread(runs: list[Any], side: str, metric: str) -> str:
    values = [run[side][metric] for run in runs]
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


SHOWN = (
    "architecture", "members", "widths", "dropout", "bins", "embedding_width", "batch_size",
    "learning_rate", "weight_decay", "schedule", "max_epochs", "monitor", "precision",
)  # fmt: skip


def recipe(found: Mapping[str, Any]) -> list[str]:
    """The hyperparameters of the network's runs, and the epochs that were kept."""
    runs = [run for run in found["runs"] if run["model"] == "network"]
    if not runs:
        return []
    chosen = runs[0]["hyperparameters"]
    told = ", ".join(f"{name} {chosen[name]}" for name in SHOWN)
    kept = ", ".join(f"{run['best_epoch']} of {run['epochs']}" for run in runs)
    declared = ", ".join(f"{name} {value}" for name, value in found["options"].items())
    said = f"Declared: {declared}. " if declared else ""
    return [f"{said}Network: {told}; {runs[0]['parameters']:,} weights. Epochs kept: {kept}.\n"]


def verdict(found: Mapping[str, Any]) -> list[str]:
    """The paired comparison on the test rows, and each model's interval, of seed 0."""
    if "verdict" not in found:
        return []
    lines = []
    for run in found["runs"]:
        if run["seed"] == 0:
            one = run["test"]["auc_interval"]
            lines.append(
                f"- {run['model']}, seed 0: test AUC {one['value']:.4f} "
                f"[{one['low']:.4f}, {one['high']:.4f}]"
            )
    told = found["verdict"]
    return [*lines, f"- {told['decision']}: {told['reason']}", ""]
