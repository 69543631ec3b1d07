"""The network: trained where the gate is open, withheld with its reason where it is closed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets import diagnosis
from assets.models import model_asset
from assets.pictures import pictures
from assets.recording import table, withheld
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
    return withheld(bench, "network", reason, checks=not_asked)


def _train(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("network", lambda folder: bench.train_network(bench.network_options, folder))
    trained = training.load(made.folder, bench.chain.model("network"))
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
            **pictures(bench, [made.folder], {"learning_curves": lambda: _curves(trained)}),
            **_range_test(bench, trained),
            **_classes(trained.training),
        },
        checks=diagnosis.checks(bench.spec, trained.findings),
    )


def _curves(trained: training.TrainedNetwork) -> bytes:
    best = trained.training["best_epoch"]
    return figures.learning_curves(trained.history, best, trained.metric)


def _hyperparameters(bench: Workbench, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the search that they come from, if there was one."""
    given, found = record["hyperparameters"], bench.search
    if found is None:
        return given
    search = {"study": found.study, "trial": found.best + 1, "trials": len(found.trials)}
    return {**given, "search": search}


def _range_test(bench: Workbench, trained: training.TrainedNetwork) -> dict[str, dg.MetadataValue]:
    """Where `network.range_test` was asked for."""
    found = trained.training.get("range_test")
    if not found:
        return {}
    used = trained.training["hyperparameters"]["learning_rate"]
    tried = (found["rates"], found["losses"], found["suggested"])
    draws = {"range_test": lambda: figures.range_test(*tried, used)}
    return pictures(bench, [trained.folder], draws)


def _classes(record: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """How each class of the validation rows is told from the others, and what it weighed."""
    classes, weights = record["val"].get("classes"), record["weights"]["classes"]
    shown = {"classes": table(classes)} if classes else {}
    return {**shown, "class_weights": dg.MetadataValue.json(weights)} if weights else shown
