"""A diagnosis as a file of the network's artifact."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plumbline.network.diagnosis.evidence import Evidence
from plumbline.network.diagnosis.findings import Finding

FILE = "diagnosis.json"


def write(evidence: Evidence, findings: tuple[Finding, ...], folder: Path) -> None:
    """Evidence and findings as JSON; numbers that are not finite become null."""
    record = {
        "findings": [one.to_json() for one in findings],
        "evidence": {**asdict(evidence), "hyperparameters": None},
    }
    del record["evidence"]["hyperparameters"]  # they stand in training.json
    text = json.dumps(_finite(record), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text, "utf-8")


def read(folder: Path) -> tuple[Finding, ...]:
    """The findings of the artifact in `folder`."""
    record = json.loads((folder / FILE).read_text("utf-8"))
    return tuple(Finding.from_json(one) for one in record["findings"])


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
