"""The network under further seeds: how much of its gain is luck."""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.models import model_asset
from assets.recording import table, withheld
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import further_networks
from plumbline.spec import PipelineSpec

STAGE = "network_seeds"


def network_seeds_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    """Behind the network."""
    return stage_asset(
        spec,
        root,
        STAGE,
        _train_or_withhold,
        after=["network"],
        kinds={"keras"},
        description=f"The network under {spec.verdict.seeds - 1} further seeds, none of which is "
        "released: how much of its gain is luck.",
    )


def _train_or_withhold(bench: Workbench) -> dg.MaterializeResult:
    if bench.gate.decision == "CLOSED":
        return withheld(bench, STAGE, bench.gate.reason, reused=True)
    if not bench.further_seeds:
        told = "verdict.seeds is 1: no further seed is asked for"
        return withheld(bench, STAGE, told, reused=True)
    return _train(bench)


def _train(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        STAGE,
        lambda folder: further_networks.build(
            bench.train_network, bench.network_options, bench.further_seeds, folder
        ),
    )
    trained = further_networks.load(made.folder, bench.chain.model(STAGE))
    every = [bench.network, *trained] if bench.network else trained
    return model_asset(
        bench,
        STAGE,
        made,
        further_networks.record(trained),
        {"status": "trained", "networks": table(_line(one.training) for one in every)},
    )


def _line(training: dict[str, Any]) -> dict[str, Any]:
    return {
        "seed": training["hyperparameters"]["seed"],
        "best epoch": training["best_epoch"],
        "seconds": training["seconds"],
        **training["val"]["metrics"],
    }
