"""What people are told: one subject, one text, and the facts behind it for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Message:
    kind: str
    """run_failed or winner_changed."""
    subject: str
    """One line."""
    text: str
    facts: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        """As JSON: `text` is what chat services show, the rest is for programs."""
        return {"kind": self.kind, "subject": self.subject, "text": self.text, **self.facts}


def run_failed(
    *, job: str, run_id: str, dataset_version: str | None, problems: list[str]
) -> Message:
    """problems: one line per step that failed, the first cause first."""
    of = f" on {dataset_version}" if dataset_version else ""
    told = "\n".join(problems) or "Dagster's event log says why."
    return Message(
        kind="run_failed",
        subject=f"Plumbline: a run of {job} failed{of}",
        text=f"Run {run_id} of {job}{of} failed.\n{told}",
        facts={
            "job": job,
            "run_id": run_id,
            "dataset_version": dataset_version,
            "problems": problems,
        },
    )


def winner_changed(
    *, pipeline: str, before: str, after: str, bundle: str, dataset_version: str, reason: str
) -> Message:
    """before, after: the kind of model that was champion and that is now."""
    sides = f"{_side(before)} to {_side(after)}"
    return Message(
        kind="winner_changed",
        subject=f"Plumbline: the champion of {pipeline} went from {sides}",
        text=f"The champion of {pipeline} was a {before} and is now a {after} ({sides}): bundle "
        f"{bundle[:12]} of {dataset_version}.\n{reason}",
        facts={
            "pipeline": pipeline,
            "before": before,
            "after": after,
            "bundle_version": bundle,
            "dataset_version": dataset_version,
            "reason": reason,
        },
    )


def crosses(before: str, after: str) -> bool:
    """Whether a network took the place of a baseline, or the other way round."""
    return _side(before) != _side(after)


def _side(kind: str) -> str:
    return "NETWORK" if kind == "network" else "BASELINE"
