"""The optimism report: what the same trees would score if the rows were split at random."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.baselines import optimism
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec


def optimism_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "optimism",
        _measure,
        after=["xgboost"],
        kinds={"xgboost"},
        description="XGBoost once more, with the train and val rows split at random.",
        checks={"optimism": "A random split would not show a better score than the declared one."},
    )


def _measure(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "optimism",
        lambda folder: optimism.build(
            bench.split,
            bench.baseline("xgboost"),
            bench.features,
            bench.spec,
            folder,
            memory=bench.memory_budget,
        ),
    )
    report = optimism.load(made.folder)
    return materialized(
        bench,
        "optimism",
        folder=made.folder,
        reused=made.reused,
        checks=[
            checked(
                asset_key=key(bench.spec, "optimism"),
                check_name="optimism",
                passed=not report.flatters,
                severity=dg.AssetCheckSeverity.WARN,
                description=report.told,
                metadata={"rule": report.rule, "confidence": report.confidence},
            )
        ],
        metadata={
            "told": report.told,
            **({"feeding": dg.MetadataValue.json(report.feeding)} if report.feeding else {}),
            **_numbers(report),
            f"val_{report.metric}": table(_scores(report)),
            **pictures(bench, [made.folder], {"scores": lambda: figures.optimism(vars(report))}),
        },
    )


def _numbers(report: optimism.Optimism) -> dict[str, float]:
    measured = {"declared": report.declared, "random": report.random, "flattery": report.difference}
    return {f"val_{report.metric}_{name}": one["value"] for name, one in measured.items() if one}


def _scores(report: optimism.Optimism) -> Iterator[dict[str, Any]]:
    for split in ("declared", "random", "difference"):
        if score := getattr(report, split):
            yield {"split": split, **score}
