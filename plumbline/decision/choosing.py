"""A candidate's decision, made of its scores of the validation rows."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from plumbline.decision import conformal
from plumbline.decision.calibration import calibrate
from plumbline.decision.decision import Decision
from plumbline.decision.sample import Sample
from plumbline.decision.thresholds import Choice, choose
from plumbline.metrics.parts import EVEN
from plumbline.spec import DecisionSpec, ThresholdSpec

log = logging.getLogger(__name__)

NEVER = float(np.nextafter(1.0, np.inf))
"""The threshold of a label that is never given."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision, and what it rests on."""

    decision: Decision
    calibration: dict[str, Any]
    """As `Calibrated.evidence`."""
    threshold: dict[str, Any] | None
    """rule, met and chosen: of each label (name None for binary) threshold, precision and recall
    on val, and met. None of multiclass and regression."""
    conformal: dict[str, Any] | None
    """As `conformal.expected`."""

    @property
    def met(self) -> bool:
        """Whether the threshold's constraint can be met on val: for multilabel by any label."""
        return self.threshold is None or self.threshold["met"]


def decide(options: DecisionSpec, val: Sample, classes: Sequence[str]) -> Decided:
    """Calibration first, then thresholds by calibrated scores, and conformal margins by scores of
    calibrations that each row had no part in: of its own, a row is surer than new rows are.

    A label of several that cannot reach a declared precision is never given. A binary candidate
    that cannot reach it gets the threshold with the greatest one, and is not `met`.

    val: the raw scores.

    Raises:
        DecisionError: a regression has too few rows for the conformal coverage.
    """
    found = calibrate(options, val)
    names = tuple(classes) if val.task != "regression" else ()
    blank = Decision(
        task=val.task,
        classes=names,
        threshold=EVEN if val.task == "binary" else None,
        calibration=found.calibration,
    )
    calibrated = val.scored(blank.calibrated(val.scores))
    made, told = _with_thresholds(options.threshold, blank, calibrated)
    if options.conformal is not None:
        held_out = val.scored(found.held_out)
        made = replace(made, conformal=conformal.fit(options.conformal.coverage, held_out))
    return Decided(
        decision=made,
        calibration=found.evidence,
        threshold=told,
        conformal=conformal.expected(made, val),
    )


def _with_thresholds(
    rule: ThresholdSpec, blank: Decision, val: Sample
) -> tuple[Decision, dict[str, Any] | None]:
    if val.task not in ("binary", "multilabel"):
        return blank, None
    columns = zip(*(one.T for one in val.columns), strict=True)
    choices = [choose(rule, labels, scores) for labels, scores in columns]
    if val.task == "binary":
        return replace(blank, threshold=choices[0].threshold), _told(rule, choices, [None])
    cuts = tuple(one.threshold if one.met else NEVER for one in choices)
    return replace(blank, thresholds=cuts), _told(rule, choices, blank.classes)


def _told(
    rule: ThresholdSpec, choices: Sequence[Choice], names: Sequence[str | None]
) -> dict[str, Any]:
    return {
        "rule": rule.model_dump(mode="json", exclude_none=True),
        "met": any(one.met for one in choices),
        "chosen": [
            {"label": name, **asdict(one)} for name, one in zip(names, choices, strict=True)
        ],
    }


def raw_cuts(decision: Decision, scores: np.ndarray) -> float | np.ndarray:
    """Thresholds of raw scores that tell these rows apart as `decision.cuts` tells calibrated ones.

    Calibration never falls, so that there are such. scores: raw, shape (n,) or (n, labels).
    """
    cuts = decision.cuts
    if decision.calibration is None:
        return cuts
    over = decision.calibrated(scores) >= cuts
    least = np.where(over, scores, np.inf).min(axis=0)
    # Where no row is over it, any threshold above them all will do.
    least = np.where(np.isfinite(least), least, np.nextafter(scores.max(axis=0), np.inf))
    return float(least) if scores.ndim == 1 else least
