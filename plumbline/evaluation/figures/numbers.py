"""How near predicted numbers come to the true ones."""

from collections.abc import Mapping

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
    scale_beside,
    title,
)

_INSIDE = (0.002, 0.998)
"""Quantiles that are drawn; what lies beyond would leave no room for the rest."""


def predicted(labels: np.ndarray, scores: np.ndarray, kind: str) -> bytes:
    """Rows by predicted and true number, in cells of equal size; on the dashed line both agree.

    labels, scores: shape (n,).
    """
    from matplotlib.colors import LogNorm

    low, high = _span(np.concatenate([labels, scores]))
    drawn = figure(
        4.3,
        f"{title(kind)}: predicted and true on {len(labels):,} test rows",
        "On the dashed line both agree. The 0.2 % of rows furthest out at either end are drawn at "
        "the edge.",
    )
    axes = drawn.subplots()
    cells = axes.hexbin(
        np.clip(scores, low, high),
        np.clip(labels, low, high),
        gridsize=44,
        mincnt=1,
        extent=(low, high, low, high),
        cmap="Blues",
        norm=LogNorm(vmin=0.5),
        linewidths=0.1,
    )
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=DASHED)
    axes.set(xlim=(low, high), ylim=(low, high))
    dress(axes, x="Predicted, in units of the label", y="True, in units of the label")
    scale_beside(drawn, cells, axes, "rows in a cell")
    return png(drawn)


def residuals(labels: np.ndarray, scores: Mapping[str, np.ndarray]) -> bytes:
    """Rows by predicted minus true number, one line per candidate; rows far out at the edges.

    labels, and scores by kind: shape (n,).
    """
    apart = {kind: values - labels for kind, values in scores.items()}
    low, high = _span(np.concatenate(list(apart.values())))
    drawn = figure(
        3.0,
        f"Residuals on {len(labels):,} test rows",
        "Right of the dashed line too much is predicted. The 0.2 % of rows furthest out at either "
        "end are in the outermost bars.",
    )
    axes = drawn.subplots()
    axes.axvline(0, color=GREY, linewidth=1, linestyle=DASHED)
    edges = np.linspace(low, high, 61).tolist()
    for kind, values in apart.items():
        inside = np.clip(values, low, high)
        spread = {"histtype": "step", "color": colour(kind), "linewidth": 1.5}
        axes.hist(inside, bins=edges, label=title(kind), **spread)
    axes.set_xlim(low, high)
    counted(axes.yaxis)
    dress(axes, x="Predicted minus true, in units of the label", y="Rows")
    legend(axes, loc="best")
    return png(drawn)


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, _INSIDE)
    margin = 0.03 * (high - low) or abs(high) or 1.0
    return float(low - margin), float(high + margin)
