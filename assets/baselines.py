"""The untuned trees, and the gate that says whether a network is worth its cost."""

from pathlib import Path

import dagster as dg

from assets.models import model_asset
from assets.recording import materialized, picture, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.baselines import gate, leakage, training
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec

TITLES = {"random_forest": "Random forest", "xgboost": "XGBoost"}


def baseline_asset(spec: PipelineSpec, root: Path, kind: training.Kind) -> dg.AssetsDefinition:
    def train(bench: Workbench) -> dg.MaterializeResult:
        return _train(bench, kind)

    return stage_asset(
        spec,
        root,
        kind,
        train,
        after=["normalization"],
        kinds={"scikitlearn" if kind == "random_forest" else "xgboost"},
        description=f"{TITLES[kind]} with untuned defaults on the training rows.",
        checks={
            "leakage_proof": "A sample of the training rows gives a byte-identical model when the "
            "other rows are replaced by adversarial values and labels."
        },
    )


def _train(bench: Workbench, kind: training.Kind) -> dg.MaterializeResult:
    made = bench.make(
        kind,
        lambda folder: training.build(
            kind,
            bench.split.train(),
            bench.split.validation(),
            bench.normalization,
            bench.spec.baselines,
            folder,
        ),
    )
    baseline = bench.baseline(kind)
    return model_asset(
        bench,
        kind,
        made,
        baseline.training,
        {"importances": picture(figures.importances(baseline.importances()))},
        checks=[proof(bench, kind)],
    )


def proof(bench: Workbench, kind: training.Kind, *, full: bool = False) -> dg.AssetCheckResult:
    """The leakage proof, on a sample of the rows; with `full` on all of them."""
    found = leakage.prove(
        kind,
        bench.split,
        bench.features,
        bench.normalization,
        seed=bench.spec.baselines.seed,
        full=full,
    )
    return dg.AssetCheckResult(
        asset_key=key(bench.spec, kind),
        check_name="leakage_proof",
        passed=found.passed,
        description=found.told,
        metadata={"evidence": dg.MetadataValue.json(found.evidence)},
    )


def gate_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "baseline_gate",
        _decide,
        after=["random_forest", "xgboost"],
        kinds={"gate"},
        description="OPEN: train a network. CLOSED: a baseline already meets the requirement.",
    )


def _decide(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "baseline_gate",
        lambda folder: gate.build(bench.baselines, bench.spec.baselines, folder),
    )
    decided = bench.gate
    bench.record_verdict("baseline_gate", decided, decided.evidence)
    return materialized(
        bench,
        "baseline_gate",
        folder=made.folder,
        reused=made.reused,
        metadata={
            "decision": decided.decision,
            "reason": decided.reason,
            "candidates": table(
                {"candidate": baseline.kind, **baseline.training["val"]["auc"]}
                for baseline in bench.baselines
            ),
        },
    )
