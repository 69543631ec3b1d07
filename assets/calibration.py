"""Whether the winner's calibration, chosen on the validation rows, holds on the test rows."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.stage import key
from plumbline.evaluation.evaluate import Evaluation
from plumbline.spec import PipelineSpec

CHECKS = {
    "calibration": "The calibration that was chosen on val does not make test probabilities worse."
}


def check(spec: PipelineSpec, evaluation: Evaluation) -> dg.AssetCheckResult:
    """Warns where the calibration error on test is greater after it than before, by intervals
    that lie apart."""
    found = evaluation.candidates[evaluation.winner]["calibration"]
    worse, told = _told(found)
    return checked(
        asset_key=key(spec, "evaluation"),
        check_name="calibration",
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{evaluation.winner}: {told}",
    )


def _told(found: Mapping[str, Any]) -> tuple[bool, str]:
    if found["method"] == "none":
        return False, f"not calibrated: {found['reason']}"
    before, after = (found["test"][side]["ece"] for side in ("before", "after"))
    worse = after["low"] > before["high"]
    told = (
        f"{found['method']} calibration changes the test ECE from {_written(before)} to "
        f"{_written(after)}"
    )
    if worse:
        told += ": the validation rows are not like the test rows"
    return worse, told


def _written(ece: Mapping[str, float]) -> str:
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**ece)
