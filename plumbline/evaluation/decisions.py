"""What is answered of a row, decided for each candidate before the test rows are opened."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plumbline.decision import conformal
from plumbline.decision.calibration import curves, reliability
from plumbline.decision.choosing import Decided, decide, raw_cuts
from plumbline.decision.sample import Sample
from plumbline.errors import DecisionError
from plumbline.evaluation.comparison import NETWORK
from plumbline.evaluation.sides import Side, Thresholds
from plumbline.metrics.bootstrap import Measured, Resampled, resampled
from plumbline.spec import DecisionSpec

log = logging.getLogger(__name__)

Scores = Mapping[str, np.ndarray]
"""By candidate."""

Decisions = Mapping[str, Decided]
"""By candidate."""


def made(val: Side, scores: Scores, options: DecisionSpec, classes: Sequence[str]) -> Decisions:
    """A decision for each, of its raw scores of the validation rows.

    classes: names of the classes or labels.

    Raises:
        DecisionError: a regression has too few rows for the conformal coverage.
    """
    found = {}
    for kind, raw in scores.items():
        found[kind] = decide(options, val.sample(raw), classes)
        log.info("evaluation: %s, calibration: %s", kind, found[kind].calibration["reason"])
    return found


def cuts(decisions: Decisions) -> Thresholds:
    """Of calibrated scores: what `Side.thresholds` are."""
    return {kind: one.decision.cuts for kind, one in decisions.items() if one.threshold}


def cuts_of_raw(decisions: Decisions, scores: Scores) -> Thresholds:
    """Of raw scores of the rows that they are measured on, which are told apart alike."""
    return {kind: raw_cuts(decisions[kind].decision, scores[kind]) for kind in cuts(decisions)}


def calibrated(decisions: Decisions, scores: Scores) -> dict[str, np.ndarray]:
    """The scores that are released."""
    return {kind: decisions[kind].decision.calibrated(raw) for kind, raw in scores.items()}


def unmet(decisions: Decisions) -> dict[str, str]:
    """Why each candidate that cannot reach a declared precision may not be released.

    Raises:
        DecisionError: no baseline can, and a baseline is what is kept where a network loses.
    """
    found = {kind: _short_of(kind, one) for kind, one in decisions.items() if not one.met}
    if found and not set(decisions) - set(found) - {NETWORK}:
        raise DecisionError(
            f"no baseline reaches the declared precision on val: {'; '.join(found.values())}",
            expected="a baseline with a threshold that does",
            remedy="declare a smaller decision.threshold.at_least, or another rule",
            unmet=found,
        )
    return found


def _short_of(kind: str, decided: Decided) -> str:
    told = decided.threshold or {}
    wanted, best = told["rule"]["at_least"], max(told["chosen"], key=lambda one: one["precision"])
    label = f" of label {best['label']}" if best["label"] else ""
    return (
        f"{kind} reaches at most a precision of {best['precision']:.4f}{label} (recall "
        f"{best['recall']:.4f}) on val, and {wanted:g} is declared"
    )


def record(decided: Decided, raw: np.ndarray, kind: str, test: Side) -> dict[str, Any]:
    """What is written of a candidate's decision: decision, calibration, choice and conformal.

    raw: its scores of the test rows. test: with calibrated scores.
    """
    changed = decided.decision.calibration is not None
    before, after = test.sample(raw), test.sample(test.scores[kind])
    found = _on_test(decided, before, after)
    borne_out = conformal.checked(decided.decision, after, decided.conformal, found.get("coverage"))
    return {
        "decision": decided.decision.to_json(),
        "calibration": {
            **decided.calibration,
            "test": {
                "before": reliability(before, found.get("before")),
                "after": reliability(after, found.get("after")) if changed else None,
            },
        },
        "choice": decided.threshold,
        "conformal": decided.conformal and {**decided.conformal, "test": borne_out},
    }


def _on_test(decided: Decided, before: Sample, after: Sample) -> Mapping[str, Resampled]:
    """All of one candidate on the same resamples, which take longer to draw than to measure."""
    sets = decided.decision.conformal
    measures: dict[str, Measured] = {
        **curves({"before": before, "after": after}),
        **({"coverage": conformal.shares(sets, after)} if sets else {}),
    }
    return resampled(measures, after.draws) if measures else {}


def summary(candidates: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """A line per candidate, for people: what is made of its scores."""
    return [{"candidate": kind, **_told(one)} for kind, one in candidates.items()]


def _told(one: Mapping[str, Any]) -> dict[str, str]:
    calibration, choice, sets = one["calibration"], one["choice"], one["conformal"]
    on_test = calibration["test"]
    found = {"calibration": calibration["method"], "why": calibration["reason"]}
    if on_test["before"]:
        found["test ECE, raw"] = _ece(on_test["before"])
        found["test ECE, released"] = _ece(on_test["after"] or on_test["before"])
    if choice:
        more = len(choice["chosen"]) - _SHOWN
        shown = ", ".join(_cut(cut) for cut in choice["chosen"][:_SHOWN])
        found["threshold"] = shown + (f" and {more} more" if more > 0 else "")
    if sets:
        found["coverage"] = f"{_interval(sets['test']['coverage'])} of {sets['nominal']:g}"
        found["size"] = _interval(sets["test"]["size"])
    return found


_SHOWN = 8
"""Labels whose thresholds are shown (count)."""


def _ece(measured: Mapping[str, Any]) -> str:
    return f"{_interval(measured['ece'])}, by chance {measured['ece']['by_chance']:.4f}"


def _cut(cut: Mapping[str, Any]) -> str:
    label = f"{cut['label']} " if cut["label"] else ""
    return f"{label}{cut['threshold']:.4g}" if cut["met"] else f"{label}unmet"


def _interval(measured: Mapping[str, float] | None) -> str:
    if measured is None:
        return "no rows"
    return "{value:.4g} ({low:.4g} to {high:.4g})".format(**measured)
