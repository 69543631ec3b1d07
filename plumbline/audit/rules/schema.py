"""Columns against those of the dataset version that was frozen before."""

from collections.abc import Iterator

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.spec import PipelineSpec, Severity


def schema(evidence: Evidence) -> Iterator[Finding]:
    """A column that vanished or has another type, or a new one."""
    if evidence.previous is None:
        return
    spec = evidence.spec
    broken: Severity = "ERROR" if spec.source.on_schema_change == "error" else "WARN"
    before = {c["name"]: c.get("postgres_type") for c in evidence.previous["columns"]}
    now = {column.name: column.postgres_type for column in evidence.snapshot.columns}
    for name, kind in before.items():
        if name not in now:
            yield _changed(name, broken, f"column {name!r} ({kind}) has vanished", spec)
        elif kind is not None and now[name] != kind:
            told = f"column {name!r} was {kind} and is {now[name]}"
            yield _changed(name, broken, told, spec)
    for name, kind in now.items():
        if name not in before:
            yield _changed(name, "INFO", f"column {name!r} ({kind}) is new", spec)


def _changed(name: str, severity: Severity, told: str, spec: PipelineSpec) -> Finding:
    return Finding(
        check="schema",
        severity=severity,
        column=name,
        count=1,
        message=f"{told} since the previous dataset version",
        remedy=f"select it in {spec.source.sql} as before, or declare "
        "source.on_schema_change: warn",
        threshold=f"same names and types as before; on_schema_change: "
        f"{spec.source.on_schema_change}",
    )
