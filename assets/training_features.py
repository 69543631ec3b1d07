"""Training features: the rows that models are trained on, where anyone can read them with SQL."""

import json
from pathlib import Path

import dagster as dg

from assets.recording import materialized
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.spec import PipelineSpec
from plumbline.training_features import sink

RECEIPT = "training_features.json"


def training_features_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    table = spec.training_features.table if spec.training_features else ""
    return stage_asset(
        spec,
        root,
        "training_features",
        _write,
        after=["normalization"],
        kinds={"postgres", "table"},
        description=f"Training and validation rows in {table}, raw and scaled, as the models "
        "read them.",
    )


def _write(bench: Workbench) -> dg.MaterializeResult:
    assert bench.spec.training_features is not None
    table = bench.spec.training_features.table
    written = sink.write(bench.split, bench.normalization, table, bench.postgres)
    receipt = json.dumps({"table": table, "rows": written.rows}, indent=1)
    made = bench.make(
        "training_features", lambda folder: (folder / RECEIPT).write_text(receipt, "utf-8")
    )
    if made.reused and bench.options.force:
        state = "holds them already, and was not written" if written.reused else "was written anew"
        bench.recomputed["training_features"] = f"the table {state}"
    return materialized(
        bench,
        "training_features",
        folder=made.folder,
        reused=written.reused,
        metadata={
            "dagster/table_name": table,
            **{f"{side}_rows": count for side, count in written.rows.items()},
            "columns": list(sink.LAYOUT),
        },
    )
