"""Scores beside each other: of the baselines at the gate, and of two ways to split."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    beside,
    colour,
    dress,
    figure,
    png,
    rows_down,
    title,
    whisker,
)
from plumbline.spec.metrics import METRICS, MetricName

Measured = Mapping[str, Mapping[str, float]]
"""By name: value, low, high."""


def gate(evidence: Mapping[str, Any]) -> bytes:
    """What the baselines reach on the validation rows, and what is declared to be enough.

    evidence: as `Gate.evidence`.
    """
    metric, confidence = evidence["metric"], 100 * evidence["confidence"]
    rules = {one["rule"]: one["declared"] for one in evidence["rules"]}
    bound = rules.get("sufficient_score")
    enough = "no score is declared to be enough" if bound is None else f"dashed: enough, {bound:g}"
    reading = f"{confidence:g} % intervals; {_better(metric)}; {enough}."
    heading = f"Baselines on the validation rows: {METRICS[metric].title}"
    return _scores(evidence["candidates"], metric, heading, reading, bound)


def optimism(report: Mapping[str, Any]) -> bytes:
    """XGBoost on the validation rows of the declared split, and of a random one.

    report: fields of `Optimism`.
    """
    metric = report["metric"]
    named = {f"{report['policy']}, as declared": report["declared"], "random": report["random"]}
    reading = (
        f"{100 * report['confidence']:g} % intervals; {_better(metric)}. What random shows more "
        "than the declared split is flattery: rows to come are not drawn among the training rows."
    )
    heading = f"XGBoost by two ways to split: val {METRICS[metric].title}"
    return _scores({k: one for k, one in named.items() if one}, metric, heading, reading)


def _better(metric: MetricName) -> str:
    return f"the {'higher' if METRICS[metric].greater_is_better else 'lower'}, the better"


def _scores(
    measured: Measured, metric: MetricName, heading: str, reading: str, bound: float | None = None
) -> bytes:
    drawn = figure(0.55 + 0.36 * len(measured), heading, reading)
    axes = drawn.subplots()
    if bound is not None:
        axes.axvline(bound, color=GREY, linewidth=1.2, linestyle=DASHED)
    for place, (kind, one) in enumerate(measured.items()):
        whisker(axes, one, place, colour(kind))
        beside(axes, one["high"], place, METRICS[metric].written(one["value"]), offset=6)
    rows_down(axes, [title(kind) for kind in measured])
    axes.margins(x=0.2)
    dress(axes, x=METRICS[metric].title, grid="x")
    return png(drawn)
