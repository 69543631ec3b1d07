"""The hyperparameter search: made where the gate is open, withheld where it is closed."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from assets.pictures import pictures
from assets.recording import materialized, table, withheld
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.search import search
from plumbline.search.result import SearchResult
from plumbline.search.study import SCHEMA
from plumbline.spec import PipelineSpec

STAGE = "network_search"


def search_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    """Only for a pipeline that declares `network.search`."""
    trials = spec.network.search.trials if spec.network.search else 0
    return stage_asset(
        spec,
        root,
        STAGE,
        _search_or_withhold,
        after=["normalization", "baseline_gate"],
        kinds={"keras", "optuna"},
        description=f"{trials} networks, trained on the training rows and compared on the "
        "validation rows: the network is trained with the best one's options.",
    )


def _search_or_withhold(bench: Workbench) -> dg.MaterializeResult:
    if bench.gate.decision == "OPEN":
        return _search(bench)
    return withheld(bench, STAGE, bench.gate.reason)


def _search(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        STAGE,
        lambda folder: search.build(
            bench.split.train(),
            bench.split.validation(),
            bench.normalization,
            bench.spec.network,
            folder,
            postgres=bench.postgres,
            name=_study(bench),
            memory=bench.memory_budget,
        ),
    )
    return materialized(
        bench,
        STAGE,
        folder=made.folder,
        reused=made.reused,
        metadata={"status": "searched", **_told(bench, made.folder)},
    )


def _study(bench: Workbench) -> str:
    """Where trials are kept: by the search's version, so that one goes on where it was killed.

    A forced search is another study each time; it would find all its trials done.
    """
    name = f"{bench.spec.name}/{bench.chain.version(STAGE)}"
    return f"{name}/{uuid4().hex[:12]}" if bench.options.force else name


def _told(bench: Workbench, folder: Path) -> dict[str, Any]:
    found = SearchResult.load(folder)
    best = found.trials[found.best]
    return {
        f"best_val_{found.metric}": best.value,
        "best_trial": found.best + 1,
        "best_options": table({"option": k, "value": v} for k, v in found.options.items()),
        "trials": len(found.trials),
        "done": found.count("done"),
        "pruned": found.count("pruned"),
        "failed": found.count("failed"),
        "trial_seconds": round(sum(one.seconds for one in found.trials), 2),
        "importances": table({"option": k, "share": v} for k, v in found.importances.items()),
        **pictures(
            bench,
            [folder],
            {
                "history": lambda: figures.search_history(found),
                "parallel_coordinates": lambda: figures.parallel_coordinates(found),
            },
        ),
        "study": found.study,
        "study_tables": f"schema {SCHEMA} at {bench.postgres.place}",
    }
