"""How often the test rows were opened, and what follows from it."""

from typing import Any

import dagster as dg

from assets.checks import checked
from assets.stage import key
from assets.workbench import Workbench
from plumbline.split import ledger

CHECKS = {"test_reads": "The test rows were opened no more often than verdict.max_test_reads."}


def told(bench: Workbench) -> dict[str, Any]:
    """For the evaluation's materialization: how often, and what that does to its interval."""
    reads = bench.evaluation.reads
    return {
        "test_reads": ledger.test_reads(bench.registry, *_dataset(bench)),
        "readings": len(ledger.readings(bench.registry, *_dataset(bench))),
        "reading": reads["reading"],
        "deciding_confidence": reads["confidence"],
    }


def check(bench: Workbench) -> dg.AssetCheckResult:
    """Warns from the first reading on that is beyond those allowed."""
    spec, found = bench.spec, told(bench)
    allowed = spec.verdict.max_test_reads
    return checked(
        asset_key=key(spec, "evaluation"),
        check_name="test_reads",
        passed=found["readings"] <= allowed,
        severity=dg.AssetCheckSeverity.WARN,
        description=_description(bench, found, allowed),
        metadata={**found, "max_test_reads": allowed},
    )


def _description(bench: Workbench, found: dict[str, Any], allowed: int) -> str:
    counted = (
        f"the test rows of {bench.dataset_version} were opened {found['test_reads']} time(s), for "
        f"{found['readings']} reading(s) by evaluations; verdict.max_test_reads is {allowed}"
    )
    if found["readings"] <= allowed:
        return counted
    declared, wide = bench.evaluation.confidence, found["deciding_confidence"]
    return (
        f"{counted}. This is reading {found['reading']}: what decides has an interval of "
        f"{100 * wide:.4g} %, where {100 * declared:g} % are declared. To fix: freeze rows "
        f"that nobody has tested on: plumbline run {bench.spec.name} --dataset-version NEW"
    )


def _dataset(bench: Workbench) -> tuple[str, str]:
    return bench.spec.name, bench.dataset_version
