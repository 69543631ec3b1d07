"""The diagnosis of a network as asset checks: one per rule, none of which blocks."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.recording import table
from assets.stage import key
from plumbline.network.diagnosis.findings import CHECKS, Finding
from plumbline.spec import PipelineSpec


def checks(spec: PipelineSpec, findings: Iterable[Finding]) -> list[dg.AssetCheckResult]:
    """A result for every check; failed where there is a finding."""
    found = list(findings)
    return [
        _check(spec, name, text, [one for one in found if one.check == name])
        for name, text in CHECKS.items()
    ]


def not_asked(spec: PipelineSpec, reason: str) -> list[dg.AssetCheckResult]:
    """Where there is no network to judge."""
    return [
        checked(
            asset_key=key(spec, "network"),
            check_name=name,
            passed=True,
            description=f"not asked: no network was trained ({reason})",
        )
        for name in CHECKS
    ]


def _check(
    spec: PipelineSpec, name: str, text: str, findings: list[Finding]
) -> dg.AssetCheckResult:
    error = any(one.severity == "ERROR" for one in findings)
    return checked(
        asset_key=key(spec, "network"),
        check_name=name,
        passed=not findings,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description="; ".join(map(_told, findings)) or text,
        metadata={"findings": table(map(_row, findings)), "rule": text},
    )


def _told(finding: Finding) -> str:
    return f"{finding.evidence}. Likeliest cause: {finding.cause}. To fix: {finding.remedies[0]}"


def _row(finding: Finding) -> dict[str, Any]:
    remedies = "; ".join(f"{at}. {one}" for at, one in enumerate(finding.remedies, 1))
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in finding.numbers.items())
    return {
        "severity": finding.severity,
        "found": finding.evidence,
        "likeliest cause": finding.cause,
        "to fix, in this order": remedies,
        "numbers": numbers,
    }
