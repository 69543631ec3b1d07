"""Candidates beside each other, and the difference that decides."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    INK,
    beside,
    colour,
    dress,
    figure,
    png,
    rows_down,
    title,
    whisker,
)
from plumbline.spec.metrics import METRICS


def intervals(
    candidates: Mapping[str, Mapping[str, Any]], comparison: Mapping[str, Any], confidence: float
) -> bytes:
    """What decides, of every candidate on val and test; below, what the network adds.

    candidates, comparison: as in `Evaluation`.
    """
    difference, metric = comparison["difference"], METRICS[comparison["metric"]]
    better = "higher" if metric.greater_is_better else "lower"
    name = f"{metric.title[0].upper()}{metric.title[1:]}"
    heading = f"{name} with {100 * confidence:g} % intervals", f"The {better}, the better."
    height = 0.7 + 0.5 * len(candidates)
    if difference is None:
        drawn = figure(height, *heading)
        upper = drawn.subplots()
    else:
        drawn = figure(height + 1.5, heading[0], f"{heading[1]} {_reading(comparison)}")
        upper, lower = drawn.subplots(2, 1, height_ratios=[height, 1.5])
        _difference(lower, comparison)
    _of_candidates(upper, candidates, comparison["metric"])
    dress(upper, grid="x")
    return png(drawn)


def _reading(comparison: Mapping[str, Any]) -> str:
    return (
        f"Below, what decides: the whole {100 * comparison['confidence']:.4g} % interval beyond "
        f"the dashed line, a gain of {comparison['minimum_gain']:g}, speaks for the network."
    )


def _of_candidates(axes: Any, candidates: Mapping[str, Mapping[str, Any]], metric: str) -> None:
    for place, (kind, one) in enumerate(candidates.items()):
        for side, offset, face in (("val", -0.14, "white"), ("test", 0.14, colour(kind))):
            measured = one[side][metric]
            whisker(axes, measured, place + offset, colour(kind), face)
            text = f"{side} {METRICS[metric].written(measured['value'])}"
            beside(axes, measured["high"], place + offset, text, offset=6)
    rows_down(axes, [title(kind) for kind in candidates])
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.18 * (high - low))


def _difference(axes: Any, comparison: Mapping[str, Any]) -> None:
    gain, difference = comparison["minimum_gain"], comparison["difference"]
    metric = METRICS[comparison["metric"]]
    axes.axvline(0, color=GREY, linewidth=1)
    axes.axvline(gain, color=colour("network"), linewidth=1.2, linestyle=DASHED)
    whisker(axes, difference, 0, INK)
    value, low, high = (metric.written(difference[end], "+") for end in ("value", "low", "high"))
    axes.annotate(
        f"{value} ({low} to {high})",
        (difference["value"], 0),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    axes.set_yticks([])
    axes.set_ylim(-0.8, 1.2)
    axes.margins(x=0.25)
    pair = ("the network", title(comparison["baseline"]))
    first, second = pair if metric.greater_is_better else pair[::-1]
    dress(axes, title=f"Test {metric.title} of {first} minus that of {second}", grid="x")
