"""The normalization: fitted on the training rows, proved not to have seen others."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.normalization import apply, cross_check, leakage, parameters, scaled_range
from plumbline.normalization.cross_check import Measured
from plumbline.spec import PipelineSpec
from plumbline.split.split import ASSIGNMENT

NUMBERS = ("name", "count", "mean", "std", "min", "max", "center", "scale", "fill")
"""Statistics shown of each numeric feature."""

CHECKS = {
    "leakage_proof": "Parameters come out byte-identical when every row that is not for training "
    "is replaced by adversarial values.",
    "independent_statistics": "Counts, means, deviations and ranges are what SQL finds in the "
    "same rows.",
    "scaled_range": f"Warns of training values beyond {scaled_range.LIMIT:g} in size after "
    "scaling.",
}


def normalization_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "normalization",
        _normalize,
        after=["split", "audit"],
        kinds={"numpy"},
        description=f"Parameters of the {spec.normalization.method} scaling, imputation and "
        "vocabularies, from the training rows only.",
        checks=CHECKS,
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
    return materialized(
        bench,
        "normalization",
        folder=made.folder,
        reused=made.reused,
        checks=list(proofs(bench)),
        metadata={
            "training_rows": fitted.row_count,
            "method": fitted.method,
            "numeric_features": table(
                {name: getattr(feature, name) for name in NUMBERS} for feature in fitted.numeric
            ),
            "vocabularies": dg.MetadataValue.json(
                {vocabulary.name: len(vocabulary.values) for vocabulary in fitted.categories}
            ),
            **pictures(
                bench,
                [made.folder],
                {
                    "scaled_features": lambda: figures.scaled_features(
                        fitted.numeric, fitted.row_count, fitted.method
                    )
                },
            ),
            "dropped": dg.MetadataValue.json(fitted.dropped),
        },
    )


def proofs(bench: Workbench) -> Iterator[dg.AssetCheckResult]:
    """What is checked of the parameters on every materialization, reused or not."""
    yield _leakage(bench)
    measured = cross_check.measure(
        bench.snapshot, bench.folder("split") / ASSIGNMENT, bench.normalization
    )
    yield _statistics(bench, measured)
    yield _range(bench, measured)


def _leakage(bench: Workbench) -> dg.AssetCheckResult:
    options = bench.spec.normalization
    proof = leakage.prove(bench.split, bench.features, options, bench.normalization)
    return checked(
        asset_key=key(bench.spec, "normalization"),
        check_name="leakage_proof",
        passed=proof.passed,
        description=proof.told,
        metadata={"evidence": dg.MetadataValue.json(proof.evidence)},
    )


def _statistics(bench: Workbench, measured: Mapping[str, Measured]) -> dg.AssetCheckResult:
    found = cross_check.compare(bench.normalization, measured)
    return checked(
        asset_key=key(bench.spec, "normalization"),
        check_name="independent_statistics",
        passed=found.passed,
        description=found.told,
        metadata={"largest_differences": table(found.largest)},
    )


def _range(bench: Workbench, measured: Mapping[str, Measured]) -> dg.AssetCheckResult:
    found = scaled_range.beyond(bench.normalization)
    rows = ({**vars(one), "values": measured[one.feature].beyond} for one in found)
    return checked(
        asset_key=key(bench.spec, "normalization"),
        check_name="scaled_range",
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=scaled_range.told(found),
        metadata={"beyond": table(rows)},
    )
