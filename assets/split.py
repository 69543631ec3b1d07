"""The split: every row to train, val or test, with its certificate."""

from pathlib import Path

import dagster as dg

from assets.recording import materialized, picture, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec
from plumbline.split import certificate, split


def split_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "split",
        _split,
        after=["snapshot"],
        kinds={"parquet"},
        description=f"Each row to train, val or test by the {spec.split.policy} policy.",
        checks={"certificate": "Sides cover all rows, keep groups whole and follow in time."},
    )


def _split(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("split", lambda folder: split.build(bench.snapshot, bench.spec, folder))
    bench.registry.record("split_versions", **split.row(bench.split, bench.spec))
    problems = certificate.problems(bench.split.certificate)
    return materialized(
        bench,
        "split",
        folder=made.folder,
        reused=made.reused,
        checks=[
            dg.AssetCheckResult(
                asset_key=key(bench.spec, "split"),
                check_name="certificate",
                passed=not problems,
                description="; ".join(problems) or "the certificate holds",
                metadata={"certificate": dg.MetadataValue.json(bench.split.certificate)},
            )
        ],
        metadata={
            **{f"{side}_rows": count for side, count in bench.split.counts.items()},
            "sides": table(
                {"side": side, **facts} for side, facts in bench.split.certificate["sides"].items()
            ),
            "picture": picture(figures.split_bars(bench.split.certificate)),
        },
    )
