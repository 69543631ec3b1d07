"""The network: trained where the gate is open, withheld with its reason where it is closed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets import diagnosis
from assets.models import model_asset
from assets.recording import picture, table, withheld
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.network import training
from plumbline.network.diagnosis.findings import CHECKS
from plumbline.spec import PipelineSpec


def network_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    """Behind the gate."""
    return stage_asset(
        spec,
        root,
        "network",
        _train_or_withhold,
        after=[
            "normalization",
            "baseline_gate",
            *(["network_search"] if spec.network.search else []),
        ],
        kinds={"keras"},
        description=f"A Keras network ({spec.network.architecture}), trained only if the gate is "
        "open.",
        checks=CHECKS,
        blocking=False,
    )


def _train_or_withhold(bench: Workbench) -> dg.MaterializeResult:
    if bench.gate.decision == "OPEN":
        return _train(bench)
    reason = bench.gate.reason
    not_asked = diagnosis.not_asked(bench.spec, reason)
    return withheld(bench, "network", "baseline_gate", reason, checks=not_asked)


def _train(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "network",
        lambda folder: training.build(
            bench.split.train(),
            bench.split.validation(),
            bench.normalization,
            bench.network_options,
            folder,
        ),
    )
    trained = training.load(made.folder, bench.chain.model("network"))
    curves = figures.learning_curves(
        trained.history, trained.training["best_epoch"], trained.metric
    )
    return model_asset(
        bench,
        "network",
        made,
        {**trained.training, "hyperparameters": _hyperparameters(bench, trained.training)},
        {
            "status": "trained",
            "backend": trained.training["backend"],
            "epochs": trained.training["epochs"],
            "best_epoch": trained.training["best_epoch"],
            "smoke_test": dg.MetadataValue.json(trained.training["smoke_test"]),
            "learning_curves": picture(curves),
            **_range_test(trained.training),
            **_classes(trained.training),
        },
        checks=diagnosis.checks(bench.spec, trained.findings),
    )


def _hyperparameters(bench: Workbench, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the search that they come from, if there was one."""
    given, found = record["hyperparameters"], bench.search
    if found is None:
        return given
    search = {"study": found.study, "trial": found.best + 1, "trials": len(found.trials)}
    return {**given, "search": search}


def _range_test(record: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """Where `network.range_test` was asked for."""
    found = record.get("range_test")
    if not found:
        return {}
    used = record["hyperparameters"]["learning_rate"]
    drawn = figures.range_test(found["rates"], found["losses"], found["suggested"], used)
    return {"range_test": picture(drawn)}


def _classes(record: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """How each class of the validation rows is told from the others, and what it weighed."""
    classes, weights = record["val"].get("classes"), record["weights"]["classes"]
    shown = {"classes": table(classes)} if classes else {}
    return {**shown, "class_weights": dg.MetadataValue.json(weights)} if weights else shown
