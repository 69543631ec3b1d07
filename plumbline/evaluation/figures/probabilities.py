"""Whether scores mean what they say: observed shares over predicted probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    colour,
    counted,
    dress,
    figure,
    legend,
    png,
    title,
)
from plumbline.metrics.reliability import Reliability


def calibration(labels: np.ndarray, scores: Mapping[str, np.ndarray]) -> bytes:
    """Share of positives over mean score in bins of equally many rows; histogram below.

    labels, and scores by kind: shape (n,).
    """
    drawn = figure(
        4.9,
        f"Calibration on {len(labels):,} test rows",
        "As released. Above the dashed line more happens than is predicted. Ten bins of equally "
        "many rows, with 95 % intervals of each share by itself; below, how many rows are given "
        "which probability.",
    )
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for kind, values in scores.items():
        _reliability(upper, labels, values, kind)
    # Rare positives would vanish in the corner of a full unit square.
    far = max(float(np.quantile(values, 0.995)) for values in scores.values())
    limit = min(1.0, 1.05 * max(far, upper.get_ylim()[1]))
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, zorder=1)
    upper.set(xlim=(0, limit), ylim=(0, limit))
    dress(upper, y="Share of positives")
    legend(upper, loc="upper left")
    edges = np.linspace(0, limit, 41)
    for kind, values in scores.items():
        lower.hist(values, bins=edges, histtype="step", color=colour(kind), linewidth=1.3)
    dress(lower, x="Predicted probability", y="Rows")
    counted(lower.yaxis)
    return png(drawn)


def _reliability(axes: Any, labels: np.ndarray, scores: np.ndarray, kind: str) -> None:
    bins = Reliability(scores, labels).bins()
    predicted, observed, low, high = (
        np.array([one[name] for one in bins]) for name in ("predicted", "observed", "low", "high")
    )
    axes.errorbar(
        predicted,
        observed,
        yerr=np.maximum(0, [observed - low, high - observed]),
        color=colour(kind),
        marker="o",
        markersize=4,
        linewidth=1.5,
        elinewidth=1,
        label=title(kind),
    )
