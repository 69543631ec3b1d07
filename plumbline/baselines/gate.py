"""The gate before the network: is a baseline already good enough?"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from plumbline.baselines.training import Baseline
from plumbline.spec import BaselinesSpec

GATE = "gate.json"
_RULE = "CLOSED when the lower end of a baseline's val AUC interval is at least sufficient_score"


@dataclass(frozen=True, kw_only=True)
class Gate:
    decision: Literal["OPEN", "CLOSED"]
    reason: str
    evidence: dict[str, Any]
    """rule, sufficient_score, confidence, and per candidate its version, rows and val AUC."""


def decide(baselines: Sequence[Baseline], options: BaselinesSpec) -> Gate:
    """CLOSED, so that no network is trained, if a baseline suffices; else OPEN."""
    best = max(baselines, key=lambda baseline: _auc(baseline)["low"])
    sufficient = options.sufficient_score
    closed = sufficient is not None and _auc(best)["low"] >= sufficient
    return Gate(
        decision="CLOSED" if closed else "OPEN",
        reason=_reason(best, sufficient, closed=closed),
        evidence={
            "rule": _RULE,
            "sufficient_score": sufficient,
            "confidence": best.training["confidence"],
            "candidates": {baseline.kind: _evidence(baseline) for baseline in baselines},
        },
    )


def build(baselines: Sequence[Baseline], options: BaselinesSpec, folder: Path) -> None:
    """Decide, and write the decision into an existing folder."""
    decided = asdict(decide(baselines, options))
    text = json.dumps(decided, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / GATE).write_text(text, "utf-8")


def load(folder: Path) -> Gate:
    """The decision that `build` wrote."""
    return Gate(**json.loads((folder / GATE).read_text("utf-8")))


def _reason(best: Baseline, sufficient: float | None, *, closed: bool) -> str:
    score = _auc(best)
    measured = (
        f"val AUC {score['value']:.4f}, {100 * best.training['confidence']:g} % interval "
        f"{score['low']:.4f} to {score['high']:.4f}"
    )
    if sufficient is None:
        return f"no sufficient_score is declared; the best baseline is {best.kind} ({measured})"
    if closed:
        return f"{best.kind} already meets sufficient_score {sufficient:g} ({measured})"
    return (
        f"no baseline's lower end reaches sufficient_score {sufficient:g}; "
        f"the closest is {best.kind} ({measured})"
    )


def _auc(baseline: Baseline) -> dict[str, float]:
    return baseline.training["val"]["auc"]


def _evidence(baseline: Baseline) -> dict[str, Any]:
    return {
        "model_version": baseline.model_version,
        "rows": baseline.training["rows"],
        "auc": _auc(baseline),
    }
