"""The predictions: every row of the snapshot scored by the bundle."""

import json
from pathlib import Path

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.decision.decision import FILE, Decision
from plumbline.release.bundle import load_bundle
from plumbline.scoring import figure
from plumbline.scoring.snapshots import PREDICTIONS, Predicted, score_snapshot, summary
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
        checks={"every_row_is_scored": "No row of the snapshot breaks the bundle's schema."},
        blocking=False,
    )


def _predict(bench: Workbench) -> dg.MaterializeResult:
    bundle = bench.folder("release") / "bundle"
    made = bench.make(
        "predictions",
        lambda folder: score_snapshot(load_bundle(bundle), bench.snapshot, folder),
    )
    decision = Decision.from_json(json.loads((bundle / FILE).read_text("utf-8")))
    predicted, answers = summary(made.folder), made.folder / PREDICTIONS
    return materialized(
        bench,
        "predictions",
        folder=made.folder,
        reused=made.reused,
        checks=[_every_row(bench, predicted)],
        metadata={
            "rejected": predicted.rejected,
            "model_version": bench.winner.model_version,
            "bundle_version": bench.chain.version("release"),
            "answers": ", ".join(f"{one.name} ({one.type})" for one in decision.schema),
            **pictures(
                bench,
                [made.folder, bench.folder("release")],
                {"distribution": lambda: figure.of_predictions(answers, decision)},
            ),
        },
    )


def _every_row(bench: Workbench, predicted: Predicted) -> dg.AssetCheckResult:
    told = f"{predicted.scored:,} rows of {bench.snapshot.rows:,} are scored"
    return checked(
        asset_key=key(bench.spec, "predictions"),
        check_name="every_row_is_scored",
        passed=not predicted.rejected and predicted.scored == bench.snapshot.rows,
        description=f"{told}; {predicted.first}" if predicted.rejected else told,
        metadata={"rejected": predicted.rejected},
    )
