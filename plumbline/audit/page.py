"""The audit as a page: one HTML file without scripts, and the same in Markdown."""

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from plumbline.audit.drawing import WIDTH, picture, printable, series_names
from plumbline.audit.examination import Audit
from plumbline.audit.findings import CHECKS, Finding
from plumbline.audit.tallies import DISTINCT, Distinct
from plumbline.spec import PipelineSpec

if TYPE_CHECKING:
    from jinja2 import Environment

_SCORES = {
    "binary": "AUC",
    "multiclass": "mean AUC",
    "multilabel": "best AUC",
    "regression": "R²",
}
"""What a feature's skill is called, by task."""


def html(audit: Audit, facts: dict[str, Any], spec: PipelineSpec) -> str:
    """The page, self-contained."""
    return _environment().get_template("page.html").render(**_content(audit, facts, spec))


def markdown(audit: Audit, facts: dict[str, Any], spec: PipelineSpec) -> str:
    """Findings and columns as Markdown."""
    return _environment().get_template("page.md").render(**_content(audit, facts, spec))


def _series(audit: Audit) -> tuple[list[str], list[str]]:
    return series_names([c.histogram for c in audit.profile.features if c.histogram])


def _content(audit: Audit, facts: dict[str, Any], spec: PipelineSpec) -> dict[str, Any]:
    sides, groups = _series(audit)
    return {
        "findings": audit.findings,
        "checks": [(name, told, outcome(audit.findings, name)) for name, told in CHECKS.items()],
        "verdict": verdict(audit.findings),
        "columns": audit.profile.columns,
        "features": audit.profile.features,
        "named": _by_column(audit.findings),
        "picture": picture,
        "width": WIDTH,
        "sides": sides,
        "groups": groups,
        "score": _SCORES[spec.source.task],
        "description": spec.description,
        **{name: facts[name] for name in ("dataset", "sample", "label")},
    }


def outcome(findings: Iterable[Finding], check: str) -> str:
    """What became of a check: ERROR, WARN, ACCEPTED, INFO or PASS."""
    mine = [finding for finding in findings if finding.check == check]
    if any(finding.blocks for finding in mine):
        return "ERROR"
    if any(finding.warns for finding in mine):
        return "WARN"
    if any(finding.accepted for finding in mine):
        return "ACCEPTED"
    return "INFO" if mine else "PASS"


def verdict(findings: Iterable[Finding]) -> tuple[str, str]:
    """The worst severity, and the sentence that heads the page."""
    found = list(findings)
    errors, warnings = (sum(getattr(f, name) for f in found) for name in ("blocks", "warns"))
    accepted = sum(bool(finding.accepted) for finding in found)
    beside = f" {accepted} accepted with a reason." if accepted else ""
    if errors:
        more = f", and {_counted(warnings, 'warning')}" if warnings else ""
        told = f"{_counted(errors, 'error')}{more}: nothing is fitted on this data."
        return "ERROR", told + beside
    if warnings:
        return "WARN", f"{_counted(warnings, 'warning')}, no error: training goes on." + beside
    return "PASS", "No error and no warning." + beside


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


def _by_column(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    named: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.column is not None:
            named.setdefault(finding.column, []).append(finding)
    return named


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("plumbline.audit", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": _number,
        "share": _share,
        "distinct": _distinct,
        "moment": _moment,
        "cell": _cell,
        "printable": printable,
    }
    return made


def _number(value: float | None) -> str:
    """Four significant digits; whole numbers and parts beside many thousands as whole ones."""
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:,.4g}"


def _share(part: float, whole: float) -> str:
    """A percentage that is 0 % or 100 % only where it is exactly that."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if part == whole:
        return "100 %"
    return "< 0.1 %" if percent < 0.1 else "> 99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def _distinct(distinct: Distinct) -> str:
    return f"{distinct.count:,}" if distinct.complete else f"> {DISTINCT:,}"


def _moment(text: str) -> str:
    """Without a part of a second that is none."""
    return re.sub(r"(:\d\d)\.0+", r"\1", text)


def _cell(value: object) -> str:
    """Text in a cell of a Markdown table, in which nothing is markup."""
    plain = " ".join(printable(str(value)).split())
    for mark in "\\`*_{}[]<>#|~!":
        plain = plain.replace(mark, "\\" + mark)
    return plain
