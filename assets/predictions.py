"""The predictions: every row of the snapshot scored by the bundle."""

from pathlib import Path

import dagster as dg

from assets.recording import materialized
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.release import scoring
from plumbline.release.bundle import load_bundle
from plumbline.spec import PipelineSpec


def predictions_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "predictions",
        _predict,
        after=["release"],
        kinds={"parquet"},
        description="Every row of the snapshot scored by the bundle, with all versions per row.",
    )


def _predict(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "predictions",
        lambda folder: scoring.score_snapshot(
            load_bundle(bench.folder("release") / "bundle"), bench.snapshot, folder
        ),
    )
    return materialized(
        bench,
        "predictions",
        folder=made.folder,
        reused=made.reused,
        metadata={
            "dagster/row_count": bench.snapshot.rows,
            "model_version": bench.winner.model_version,
        },
    )
