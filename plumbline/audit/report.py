"""The audit as an artifact: findings and profile as JSON, and a page to read."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from plumbline.audit import page
from plumbline.audit.examination import Audit, examine
from plumbline.audit.findings import Finding
from plumbline.audit.keys import json_value
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

FINDINGS, PROFILE = "findings.json", "profile.json"
PAGE, TEXT = "audit.html", "audit.md"

_NOT_RECORDED = ("rows",)
"""Fields of a finding that its row in the registry does not hold."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `build` wrote."""

    folder: Path
    findings: tuple[Finding, ...]
    profile: dict[str, Any]
    """As JSON types: dataset, sample, label, and a list of columns."""

    @property
    def page(self) -> Path:
        return self.folder / PAGE

    @property
    def errors(self) -> int:
        """Findings that block (count)."""
        return sum(finding.blocks for finding in self.findings)

    @property
    def warnings(self) -> int:
        return sum(finding.warns for finding in self.findings)


def build(
    split: Split,
    spec: PipelineSpec,
    folder: Path,
    *,
    root: Path,
    previous: Mapping[str, Any] | None,
    frozen_at: dt.datetime | None,
) -> None:
    """Examine, and write findings, profile and pages into an existing folder.

    Raises:
        SpecError, LabelViolation: see `examine`.
    """
    audit = examine(split, spec, root=root, previous=previous, frozen_at=frozen_at)
    facts = _facts(audit, split, previous, frozen_at)
    found = [asdict(finding) for finding in audit.findings]
    _write(folder / FINDINGS, found)
    _write(folder / PROFILE, facts)
    (folder / PAGE).write_text(page.html(audit, facts, spec), "utf-8")
    (folder / TEXT).write_text(page.markdown(audit, facts, spec), "utf-8")


def load(folder: Path) -> Report:
    """The report that `build` wrote."""
    found = json.loads((folder / FINDINGS).read_text("utf-8"))
    return Report(
        folder=folder,
        findings=tuple(map(_finding, found)),
        profile=json.loads((folder / PROFILE).read_text("utf-8")),
    )


def rows(report: Report) -> list[dict[str, Any]]:
    """The findings as rows of the registry's table `findings`, numbered from 1."""
    names = [field.name for field in fields(Finding) if field.name not in _NOT_RECORDED]
    return [
        {"finding": number, **{name: _plain(getattr(finding, name)) for name in names}}
        for number, finding in enumerate(report.findings, 1)
    ]


def _finding(facts: dict[str, Any]) -> Finding:
    listed: dict[str, Any] = {name: tuple(facts[name]) for name in ("rows", "examples")}
    return Finding(**{**facts, **listed})


def _plain(value: Any) -> Any:
    return [dict(one) for one in value] if isinstance(value, tuple) else value


def _facts(
    audit: Audit, split: Split, previous: Mapping[str, Any] | None, frozen_at: dt.datetime | None
) -> dict[str, Any]:
    """What the page shows beside the findings."""
    profile, snapshot = audit.profile, split.snapshot
    sample = profile.sample
    return {
        "dataset": {
            "pipeline": snapshot.pipeline,
            "dataset_version": snapshot.dataset_version,
            "digest": snapshot.digest,
            "previous_version": previous["dataset_version"] if previous else None,
            "frozen_at": json_value(frozen_at),
            "rows": snapshot.rows,
            "split_version": split.version,
            "sides": {**split.counts, "none": snapshot.rows - sum(split.counts.values())},
        },
        "sample": {"rows": len(sample.positions), "complete": sample.complete},
        "label": {
            "name": snapshot.label,
            "task": sample.labels.coding.task,
            "classes": dict(zip(sample.labels.coding.classes, sample.labels.counts, strict=True)),
        },
        "columns": [json_value(asdict(column)) for column in profile.columns],
    }


def _write(path: Path, facts: Any) -> None:
    text = json.dumps(json_value(facts), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text, "utf-8")
