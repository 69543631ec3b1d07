"""The network: trained where the gate is open, withheld with its reason where it is closed."""

from pathlib import Path

import dagster as dg

from assets.models import model_asset
from assets.recording import materialized, picture
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.network import training
from plumbline.spec import PipelineSpec
from plumbline.versions import fingerprint


def network_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "network",
        _train_or_withhold,
        after=["normalization", "baseline_gate"],
        kinds={"keras"},
        description=f"A {spec.network.architecture} Keras network, trained only if the gate is "
        "open.",
    )


def _train_or_withhold(bench: Workbench) -> dg.MaterializeResult:
    return _train(bench) if bench.gate.decision == "OPEN" else _withhold(bench)


def _withhold(bench: Workbench) -> dg.MaterializeResult:
    return materialized(
        bench,
        "network",
        folder=bench.folder("baseline_gate"),
        data_version=fingerprint(withheld_by=bench.chain.version("baseline_gate")),
        metadata={"status": "withheld", "reason": bench.gate.reason},
    )


def _train(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "network",
        lambda folder: training.build(
            bench.split.train(),
            bench.split.validation(),
            bench.normalization,
            bench.spec.network,
            folder,
        ),
    )
    trained = training.load(made.folder, bench.chain.model("network"))
    curves = figures.learning_curves(trained.history, trained.training["best_epoch"])
    return model_asset(
        bench,
        "network",
        made,
        trained.training,
        {
            "status": "trained",
            "backend": trained.training["backend"],
            "epochs": trained.training["epochs"],
            "best_epoch": trained.training["best_epoch"],
            "smoke_test": dg.MetadataValue.json(trained.training["smoke_test"]),
            "learning_curves": picture(curves),
        },
    )
