"""How well scores rank the rows: ROC and precision over recall."""

from collections.abc import Mapping

import numpy as np

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    colour,
    dress,
    figure,
    legend,
    png,
    title,
    told,
)

_POINTS = 600
"""Points per curve; more would not show."""

Measured = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By candidate and metric: value, low, high."""


def roc(
    labels: np.ndarray, scores: Mapping[str, np.ndarray], measured: Measured, confidence: float
) -> bytes:
    """True over false positive rate at every threshold, one curve per candidate.

    labels, and scores by kind: shape (n,). measured: `auc` by kind, for the legend.
    """
    drawn = figure(4.5)
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED)
    for kind, values in scores.items():
        false, true = _thinned(*_rates(labels, values))
        name = f"{title(kind)}  {told(measured[kind]['auc'])}"
        axes.plot(false, true, color=colour(kind), linewidth=1.8, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    dress(
        axes,
        title=f"ROC on {len(labels):,} test rows",
        x="False positive rate",
        y="True positive rate",
    )
    legend(axes, loc="lower right", title=f"AUC ({100 * confidence:g} % interval)")
    return png(drawn)


def precision_recall(
    labels: np.ndarray, scores: Mapping[str, np.ndarray], measured: Measured, confidence: float
) -> bytes:
    """Precision over recall at every threshold, with the share of positives as the floor.

    labels, and scores by kind: shape (n,). measured: `average_precision` by kind.
    """
    drawn = figure(4.5)
    axes = drawn.subplots()
    base = float(np.mean(labels))
    axes.axhline(base, color=GREY, linewidth=1, linestyle=DASHED)
    axes.annotate(
        f"share of positives {base:.3f}",
        (0.01, base),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color=GREY,
    )
    for kind, values in scores.items():
        recall, precision = _thinned(*_precision(labels, values))
        name = f"{title(kind)}  {told(measured[kind]['average_precision'])}"
        axes.plot(recall, precision, color=colour(kind), linewidth=1.8, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    dress(
        axes, title=f"Precision and recall on {len(labels):,} test rows", x="Recall", y="Precision"
    )
    legend(axes, loc="upper right", title=f"Average precision ({100 * confidence:g} % interval)")
    return png(drawn)


def _found(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and rows at or above each distinct score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    return np.cumsum(labels[order] == 1)[ends], ends + 1


def _rates(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, taken = _found(labels, scores)
    wrong = taken - found
    return np.append(0, wrong / wrong[-1]), np.append(0, found / found[-1])


def _precision(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, taken = _found(labels, scores)
    return found / found[-1], found / taken


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `_POINTS` of a curve, evenly along x, its ends included."""
    if len(x) <= _POINTS:
        return x, y
    kept = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], _POINTS)))
    return x[kept], y[kept]
