"""The audit: what the split data says before anything is fitted, and whether it may be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.audit import report
from plumbline.audit.findings import CHECKS, Finding
from plumbline.audit.page import verdict
from plumbline.audit.report import Report
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec

STATISTICS = ("mean", "std", "minimum", "maximum")
"""Shown of each numeric column."""


def audit_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "audit",
        _audit,
        after=["split"],
        kinds={"arrow"},
        description="Every column looked through, by side and by label; an ERROR stops the run "
        "before anything is fitted.",
        checks=CHECKS,
    )


def _audit(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("audit", lambda folder: _build(bench, folder))
    found = report.load(made.folder)
    _record(bench, found)
    severity, told = verdict(found.findings)
    return materialized(
        bench,
        "audit",
        folder=made.folder,
        reused=made.reused,
        checks=[_check(bench.spec, name, found.findings) for name in CHECKS],
        metadata={
            "verdict": f"{severity}: {told}",
            "page": dg.MetadataValue.path(found.page),
            "errors": found.errors,
            "warnings": found.warnings,
            "findings": table(_row(finding) for finding in found.findings),
            "columns": table(_described(column) for column in found.profile["columns"]),
            **pictures(bench, [made.folder], {"histograms": lambda: _histograms(found)}),
        },
    )


def _build(bench: Workbench, folder: Path) -> None:
    frozen = bench.registry.one(
        "dataset_versions", pipeline=bench.spec.name, dataset_version=bench.dataset_version
    )
    report.build(
        bench.split,
        bench.spec,
        folder,
        root=bench.root,
        previous=bench.previous,
        frozen_at=frozen["frozen_at"] if frozen else None,
    )


def _record(bench: Workbench, found: Report) -> None:
    version = bench.chain.version("audit")
    bench.registry.record(
        "audits",
        audit_version=version,
        pipeline=bench.spec.name,
        dataset_version=bench.dataset_version,
        split_version=bench.chain.split,
        previous_version=bench.previous["dataset_version"] if bench.previous else None,
        errors=found.errors,
        warnings=found.warnings,
    )
    for row in report.rows(found):
        bench.registry.record("findings", audit_version=version, **row)


def _check(spec: PipelineSpec, name: str, findings: tuple[Finding, ...]) -> dg.AssetCheckResult:
    """Failed where there is an ERROR or a WARN; only an ERROR blocks what comes after."""
    mine = [finding for finding in findings if finding.check == name]
    blocking = any(finding.blocks for finding in mine)
    return checked(
        asset_key=key(spec, "audit"),
        check_name=name,
        passed=not any(finding.blocks or finding.warns for finding in mine),
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        description="; ".join(map(_told, mine)) or CHECKS[name],
        metadata={"findings": table(map(_row, mine)), "rule": CHECKS[name]},
    )


def _told(finding: Finding) -> str:
    if finding.accepted:
        return f"{finding.severity} accepted ({finding.accepted}): {finding.message}"
    return f"{finding.severity}: {finding.message}. To fix: {finding.remedy}"


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "severity": f"{finding.severity}, accepted" if finding.accepted else finding.severity,
        "check": finding.check,
        "column": finding.column or "",
        "rows": finding.count,
        "found": finding.message,
        "rule": finding.threshold,
        "to fix": finding.accepted or finding.remedy,
        "examples": "; ".join(_keys(finding)),
    }


def _keys(finding: Finding) -> Iterator[str]:
    for example in finding.examples:
        yield ", ".join(f"{name} {value}" for name, value in example.items())


def _described(column: dict[str, Any]) -> dict[str, Any]:
    """One line of `describe()`; empty where a column has no such statistic."""
    numbers = column["numbers"] or {}
    distinct = column["distinct"] or {}
    quartiles = column["quantiles"] or ("", "", "")
    return {
        "column": column["name"],
        "type": column["postgres_type"],
        "read as": column["kind"] if column["role"] == "feature" else column["role"],
        "missing": column["nulls"] + numbers.get("nan", 0),
        **{name: _shown(numbers.get(name)) for name in STATISTICS[:3]},
        **dict(zip(("25 %", "median", "75 %"), quartiles, strict=True)),
        "maximum": _shown(numbers.get("maximum")),
        "distinct": f"{'' if distinct['complete'] else 'over '}{distinct['count']:,}"
        if distinct
        else "",
    }


def _shown(value: Any) -> Any:
    return "" if value is None else value


def _histograms(found: Report) -> bytes | None:
    named = {finding.column for finding in found.findings}
    rows = found.profile["sample"]["rows"]
    return figures.histograms(found.profile["columns"], named, rows)
