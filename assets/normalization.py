"""The normalization: fitted on the training rows, proved not to have seen others."""

from pathlib import Path

import dagster as dg

from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.normalization import apply, leakage, parameters
from plumbline.spec import PipelineSpec

NUMBERS = ("name", "count", "mean", "std", "min", "max", "center", "scale", "fill")
"""Statistics shown of each numeric feature."""


def normalization_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "normalization",
        _normalize,
        after=["split"],
        kinds={"numpy"},
        description=f"Parameters of the {spec.normalization.method} scaling, imputation and "
        "vocabularies, from the training rows only.",
        checks={
            "leakage_proof": "Parameters come out byte-identical when validation and test rows "
            "are replaced by adversarial values."
        },
    )


def _normalize(bench: Workbench) -> dg.MaterializeResult:
    options = bench.spec.normalization
    made = bench.make(
        "normalization",
        lambda folder: apply.build(
            bench.split.train(), bench.features, options, bench.chain.normalization, folder
        ),
    )
    fitted = bench.normalization
    bench.registry.record(
        "normalization_params",
        **parameters.row(fitted, bench.spec.name, bench.dataset_version, bench.chain.split),
    )
    proof = leakage.prove(bench.split, bench.features, options, fitted)
    return materialized(
        bench,
        "normalization",
        folder=made.folder,
        reused=made.reused,
        checks=[
            dg.AssetCheckResult(
                asset_key=key(bench.spec, "normalization"),
                check_name="leakage_proof",
                passed=proof.passed,
                metadata={"evidence": dg.MetadataValue.json(proof.evidence)},
            )
        ],
        metadata={
            "training_rows": fitted.row_count,
            "method": fitted.method,
            "numeric_features": table(
                {name: getattr(feature, name) for name in NUMBERS} for feature in fitted.numeric
            ),
            "vocabularies": dg.MetadataValue.json(
                {vocabulary.name: len(vocabulary.values) for vocabulary in fitted.categories}
            ),
            "dropped": dg.MetadataValue.json(fitted.dropped),
        },
    )
