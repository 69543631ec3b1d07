"""The untuned trees, the floor below them, and the gate: is a network worth its cost?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.models import model_asset
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline import training_cost
from plumbline.baselines import gate, leakage, training
from plumbline.baselines.feeding import Room
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec
from plumbline.store import workplace

TITLES = {"random_forest": "Random forest", "xgboost": "XGBoost"}

PROOF = {
    "leakage_proof": "A sample of the training rows gives a byte-identical model when the "
    "other rows are replaced by adversarial values and labels."
}


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
        checks=PROOF,
    )


def _train(bench: Workbench, kind: training.Kind) -> dg.MaterializeResult:
    made = bench.make(kind, lambda folder: _fit(bench, kind, folder))
    baseline = bench.baseline(kind)
    listed = baseline.importances()
    return model_asset(
        bench,
        kind,
        made,
        baseline.training,
        {
            **_cost(baseline.training),
            **pictures(bench, [made.folder], {"importances": lambda: figures.importances(listed)}),
            "importances_table": table(_shown(listed[:20])),
            **_early_stopping(baseline),
        },
        checks=[proof(bench, kind, full=bench.options.full_leakage_proof)],
    )


def _shown(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in listed:
        yield {name: "" if value is None else value for name, value in one.items()}


def _fit(bench: Workbench, kind: training.Kind, folder: Path) -> None:
    """XGBoost where the declaration says, with others perhaps; the forest in this process."""
    if kind == "xgboost":
        bench.train("xgboost", bench.spec, folder)
        return
    training.build(
        kind,
        bench.split.train(),
        bench.split.validation(),
        bench.normalization,
        bench.spec.baselines,
        folder,
        memory=bench.memory_budget,
    )


def _cost(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the model costs to keep and to ask, and where its rows lay while it was fitted."""
    feeding = dg.MetadataValue.json(record["feeding"])
    return {"bytes": record["bytes"], **record["latency"], "feeding": feeding}


def _early_stopping(baseline: training.Baseline) -> dict[str, dg.MetadataValue]:
    """Beside the untuned model, where it was asked for."""
    found = baseline.training.get("early_stopping")
    if not found:
        return {}
    untuned = {"trees": baseline.training["hyperparameters"]["n_estimators"], **baseline.training}
    rows = (("as released", untuned), ("stopped by the validation rows", found))
    return {"early_stopping": table({"xgboost": name, **_line(one)} for name, one in rows)}


def _line(record: Mapping[str, Any]) -> dict[str, Any]:
    trees = {"trees": record["trees"]} if "trees" in record else {}
    return {**trees, "seconds": record["seconds"], **record["val"]["metrics"]}


def proof(bench: Workbench, kind: training.Kind, *, full: bool) -> dg.AssetCheckResult:
    """The leakage proof, on a sample of the rows; with `full` on all of them."""
    stage = "floor" if kind in training.FLOOR else kind
    folder = bench.store.folder(bench.spec.name, stage, bench.chain.version(stage))
    found = leakage.prove(
        kind,
        bench.split,
        bench.features,
        bench.normalization,
        seed=bench.spec.baselines.seed,
        full=full,
        room=Room(bench.memory_budget, workplace(folder)),
    )
    return checked(
        asset_key=key(bench.spec, stage),
        check_name="leakage_proof",
        passed=found.passed,
        description=found.told,
        metadata={"evidence": dg.MetadataValue.json(found.evidence)},
    )


def floor_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "floor",
        _lay_floor,
        after=["normalization"],
        kinds={"scikitlearn"},
        description="What anything has to beat: the labels' shares or mean, and a linear model.",
        checks=PROOF,
    )


def _lay_floor(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "floor",
        lambda folder: training.build_floor(
            bench.split.train(),
            bench.split.validation(),
            bench.normalization,
            bench.spec.baselines,
            folder,
            memory=bench.memory_budget,
        ),
    )
    records = {one.kind: one.training for one in bench.floor}
    linear = records["linear"]
    both = {
        **linear,
        "seconds": sum(one["seconds"] for one in records.values()),
        "hyperparameters": {kind: one["hyperparameters"] for kind, one in records.items()},
    }
    return model_asset(
        bench,
        "floor",
        made,
        both,
        {
            **_cost(linear),
            "converged": linear["converged"],
            "models": table({"model": kind, **_line(one)} for kind, one in records.items()),
        },
        checks=[proof(bench, "linear", full=bench.options.full_leakage_proof)],
    )


def gate_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "baseline_gate",
        _decide,
        after=["random_forest", "xgboost"],
        kinds={"gate"},
        description="OPEN: train a network. CLOSED: a rule says that none is worth its cost.",
    )


def _decide(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("baseline_gate", lambda folder: _write_decision(bench, folder))
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
            "rules": table(_rules(decided)),
            "candidates": table(_candidates(decided)),
            **_scores(bench, decided, made.folder),
            **_override(decided),
        },
    )


def _write_decision(bench: Workbench, folder: Path) -> None:
    spec, val = bench.spec, bench.split.validation()
    baselines = [
        gate.judged_by(one, spec.evaluation.metric, val, spec.baselines) for one in bench.baselines
    ]
    gate.build(baselines, spec.baselines, spec.gate, folder, _estimate(bench))


def _estimate(bench: Workbench) -> gate.Cost | None:
    """Of the network, where the gate asks for it."""
    if bench.spec.gate.max_network_cost is None:
        return None
    spec = bench.spec
    return training_cost.estimated(
        bench.split.train(), bench.normalization, spec.network, seeds=spec.verdict.seeds
    )


def _rules(decided: gate.Gate) -> Iterator[dict[str, Any]]:
    for one in decided.evidence["rules"]:
        declared, found = (
            "none" if one[name] is None else one[name] for name in ("declared", "found")
        )
        yield {
            "rule": one["rule"],
            "declared": declared,
            "found": found,
            "says": "CLOSED" if one["closes"] else "OPEN",
            "told": one["told"],
        }


def _candidates(decided: gate.Gate) -> Iterator[dict[str, Any]]:
    metric = decided.evidence["metric"]
    for kind, one in decided.evidence["candidates"].items():
        ends = {name: one[name] for name in ("value", "low", "high")}
        yield {"candidate": kind, "metric": metric, **ends}


def _scores(bench: Workbench, decided: gate.Gate, folder: Path) -> dict[str, Any]:
    """The baselines' scores as numbers, and as a picture beside what would be enough."""
    metric, candidates = decided.evidence["metric"], decided.evidence["candidates"]
    numbers = {f"val_{metric}_{kind}": one["value"] for kind, one in candidates.items()}
    draws = {"scores": lambda: figures.gate(decided.evidence)}
    return {**numbers, **pictures(bench, [folder], draws)}


def _override(decided: gate.Gate) -> dict[str, dg.MetadataValue]:
    signed = decided.evidence["override"]
    return {"override": dg.MetadataValue.json(signed)} if signed else {}
