"""Which calibration is released, and what it is worth on rows that it was not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plumbline.decision.curves import Calibration
from plumbline.decision.fitting import FOLDS, Method, cross_fitted, fit
from plumbline.decision.sample import Sample
from plumbline.metrics.bootstrap import Resampled, difference, resampled
from plumbline.metrics.measure import Measure
from plumbline.metrics.reliability import Reliability
from plumbline.spec import DecisionSpec
from plumbline.spec.metrics import METRICS

STAIRS_FROM = 1000
"""Validation rows from which on auto tries isotonic calibration, which fits the noise of fewer
(count). As scikit-learn's guide advises."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What was chosen, and why."""

    calibration: Calibration | None
    held_out: np.ndarray
    """Scores of the validation rows by calibrations that each row had no part in; the raw ones
    where none was chosen."""
    evidence: dict[str, Any]
    """asked, method, reason; tried: by method the cross-fitted log-loss and its gain over the raw
    scores {value, low, high}; val: reliability before, and after by the cross-fitted scores."""


def calibrate(options: DecisionSpec, val: Sample) -> Calibrated:
    """The calibration that is declared, or that helps.

    auto keeps the method with the least log-loss of those whose gain has its whole interval
    above 0. The gain is paired, on rows that had no part in their own calibration. Of two
    methods each interval is as wide as Bonferroni asks: one of them helping by chance is as
    rare as it would be for one alone.

    Sources: Kull, Silva Filho and Flach, Electronic Journal of Statistics 11 (2017), for where
    calibration harms; Varma and Simon, BMC Bioinformatics 7 (2006), for not judging a fit on
    its own rows.
    """
    methods = _methods(options, val)
    crossed: dict[Method, np.ndarray] = {
        one: cross_fitted(one, val, val.draws.seed) for one in methods
    }
    everyone = {_RAW: val, **{name: val.scored(one) for name, one in crossed.items()}}
    # All on the same resamples, which take longer to draw than to measure.
    found = resampled(
        {
            **{f"{name} ece": one for name, one in curves(everyone).items()},
            **({f"{name} loss": _loss(one) for name, one in everyone.items()} if crossed else {}),
        },
        val.draws,
    )
    tried = _tried(found, methods, val.confidence)
    chosen, why = _chosen(options, val, tried)
    calibration = fit(chosen, val) if chosen else None
    evidence = {
        "asked": options.calibration,
        "method": calibration.method if calibration else "none",
        "reason": why,
        "folds": FOLDS,
        "tried": tried,
        "val": {
            "before": reliability(val, found.get(f"{_RAW} ece")),
            "after": reliability(everyone[chosen], found[f"{chosen} ece"]) if chosen else None,
        },
    }
    return Calibrated(
        calibration=calibration, held_out=everyone[chosen or _RAW].scores, evidence=evidence
    )


_RAW = "raw"


def reliability(rows: Sample, found: Resampled | None = None) -> dict[str, Any] | None:
    """ece {value, low, high, by_chance} and the bins of its curve; None of a regression.

    Of several classes it is that of the answer: the largest probability, and whether it is
    right. Of several labels all are taken as one.

    found: the curve of `curves` on resamples, where it was drawn together with others.
    """
    for measure in curves({"": rows}).values():
        drawn = found or resampled({"": measure}, rows.draws)[""]
        ece = asdict(drawn.estimate("ece").interval(rows.confidence))
        return {"ece": {**ece, "by_chance": measure.by_chance}, "bins": measure.bins()}
    return None


def curves(several: Mapping[str, Sample]) -> dict[str, Reliability]:
    """The reliability of each, to be resampled together; none of a regression."""
    return {
        name: Reliability(*_foretold(rows))
        for name, rows in several.items()
        if rows.task != "regression"
    }


def _loss(rows: Sample) -> Measure:
    return Measure(rows.task, rows.labels, rows.scores, names=["log_loss"])


def _foretold(rows: Sample) -> tuple[np.ndarray, np.ndarray]:
    if rows.task != "multiclass":
        return rows.scores, rows.labels
    return rows.scores.max(axis=1), rows.scores.argmax(axis=1) == rows.labels


def _methods(options: DecisionSpec, val: Sample) -> list[Method]:
    if val.task == "regression" or options.calibration == "none":
        return []
    if options.calibration != "auto":
        return [options.calibration]
    return ["platt", "isotonic"] if len(val.labels) >= STAIRS_FROM else ["platt"]


def _tried(
    found: Mapping[str, Resampled], methods: Sequence[Method], confidence: float
) -> dict[Method, dict[str, Any]]:
    """Log-loss of each method's scores, and its gain over the raw ones."""
    losses = {
        name: found[f"{name} loss"].estimate("log_loss")
        for name in ((_RAW, *methods) if methods else ())
    }
    return {
        name: {
            "log_loss": losses[name].value,
            "gain": asdict(
                difference(losses[_RAW], losses[name]).interval(1 - (1 - confidence) / len(methods))
            ),
        }
        for name in methods
    }


def _chosen(
    options: DecisionSpec, val: Sample, tried: Mapping[Method, Mapping[str, Any]]
) -> tuple[Method | None, str]:
    """The method, or None; and why."""
    if val.task == "regression":
        return None, "a regression's numbers are no probabilities"
    if options.calibration == "none":
        return None, "declared: none"
    if options.calibration != "auto":
        return options.calibration, f"declared: {options.calibration}"
    told = "; ".join(_gain(name, one["gain"]) for name, one in tried.items())
    helping: dict[Method, float] = {
        name: one["log_loss"] for name, one in tried.items() if one["gain"]["low"] > 0
    }
    if not helping:
        return None, f"none gains in log-loss by its whole interval: {told}"
    best = min(helping, key=lambda name: helping[name])
    return best, f"{best} gains in log-loss by its whole interval: {told}"


def _gain(name: str, gain: Mapping[str, float]) -> str:
    value, low, high = (METRICS["log_loss"].written(gain[end], "+") for end in _ENDS)
    return f"{name} {value} ({low} to {high})"


_ENDS = ("value", "low", "high")
