"""What every trained candidate records."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from assets.recording import materialized
from assets.workbench import Made, Workbench
from plumbline.stages import STAGES


def model_asset(
    bench: Workbench,
    kind: str,
    made: Made,
    training: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    checks: Iterable[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """Record a trained candidate in the registry and in Dagster.

    `training` is the candidate's training.json: rows, seconds, hyperparameters and what it
    does on the validation rows.
    """
    bench.registry.record(
        "model_versions",
        volatile=["training_seconds"],
        model_version=bench.chain.model(kind),
        split_version=bench.chain.split,
        kind=kind,
        hyperparameters=training["hyperparameters"],
        environment=STAGES[kind].options(bench.spec)["environment"],
        training_rows=training["rows"],
        training_seconds=training["seconds"],
        **bench.identity,
    )
    return materialized(
        bench,
        kind,
        folder=made.folder,
        reused=made.reused,
        checks=checks,
        metadata={
            "model_version": bench.chain.model(kind),
            **_validated(training["val"]),
            "training_rows": training["rows"],
            "training_seconds": training["seconds"],
            "hyperparameters": dg.MetadataValue.json(training["hyperparameters"]),
            **_workers(training),
            **metadata,
        },
    )


def _workers(training: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """Where a model was trained, unless it was by the process of its stage."""
    execution = training.get("execution")
    return {"execution": dg.MetadataValue.json(execution)} if execution else {}


def _validated(val: Mapping[str, Any]) -> dict[str, float]:
    """Metrics of the validation rows, the main one with its interval where there is one."""
    found = {f"val_{name}": value for name, value in val.get("metrics", {}).items()}
    found = {name: value for name, value in found.items() if value is not None}
    metric = val.get("metric", "auc")
    if interval := val.get("interval") or val.get("auc"):
        ends = {"": "value", "_low": "low", "_high": "high"}
        found |= {f"val_{metric}{end}": interval[name] for end, name in ends.items()}
    return found
