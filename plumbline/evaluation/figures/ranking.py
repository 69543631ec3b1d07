"""How well scores rank the rows: ROC and precision over recall."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbline.evaluation.figures.bands import GRID, RESAMPLES, Ladder, band
from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    beside,
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
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    measured: Measured,
    confidence: float,
    *,
    bands: bool = True,
) -> bytes:
    """True over false positive rate at every threshold, one curve per candidate.

    labels, and scores by kind: shape (n,). measured: `auc` by kind, for the legend. bands: drawn
    where rows are independent of each other.
    """
    reading = "The higher a curve, the better it ranks; dashed: guessing."
    drawn = figure(4.3, f"ROC on {len(labels):,} test rows", reading + _of(bands, confidence))
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED)
    for kind, values in scores.items():
        if bands:
            _shade(axes, band(Ladder.of(labels, values), "roc", confidence), kind)
        false, true = _thinned(*_rates(labels, values))
        name = f"{title(kind)}  {told(measured[kind]['auc'])}"
        axes.plot(false, true, color=colour(kind), linewidth=1.8, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    dress(axes, x="False positive rate", y="True positive rate")
    legend(axes, loc="lower right", title=f"AUC ({100 * confidence:g} % interval)")
    return png(drawn)


def precision_recall(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    measured: Measured,
    confidence: float,
    *,
    bands: bool = True,
) -> bytes:
    """Precision over recall at every threshold, with the share of positives as the floor.

    As `roc`; measured: `average_precision` by kind.
    """
    base = float(np.mean(labels))
    heading = f"Precision and recall on {len(labels):,} test rows"
    reading = (
        f"The higher a curve, the better; dashed: guessing. {np.sum(labels == 1):,} positives."
    )
    drawn = figure(4.3, heading, reading + _of(bands, confidence))
    axes = drawn.subplots()
    axes.axhline(base, color=GREY, linewidth=1, linestyle=DASHED)
    beside(axes, 0.0, base - 0.035, f"share of positives {base:.3g}", offset=4)
    for kind, values in scores.items():
        if bands:
            _shade(axes, band(Ladder.of(labels, values), "precision", confidence), kind)
        recall, precision = _thinned(*_precision(labels, values))
        name = f"{title(kind)}  {told(measured[kind]['average_precision'])}"
        axes.plot(recall, precision, color=colour(kind), linewidth=1.8, label=name)
    axes.set(xlim=(0, 1), ylim=(min(0.0, base - 0.08), 1.01))
    dress(axes, x="Recall", y="Precision")
    legend(axes, loc="best", title=f"Average precision ({100 * confidence:g} % interval)")
    return png(drawn)


def _of(bands: bool, confidence: float) -> str:
    if not bands:
        return " No bands: rows come in groups."
    return f" Bands: {100 * confidence:g} % of {RESAMPLES} resamples of the rows, point by point."


def _shade(axes: Any, ends: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    axes.fill_between(GRID, *ends, color=colour(kind), alpha=0.18, linewidth=0)


def _found(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and rows at or above each distinct score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    return np.cumsum(labels[order] == 1)[ends], ends + 1


def _rates(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, taken = _found(labels, scores)
    wrong = taken - found
    return np.append(0, wrong / max(wrong[-1], 1)), np.append(0, found / max(found[-1], 1))


def _precision(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, taken = _found(labels, scores)
    return found / max(found[-1], 1), found / taken


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `_POINTS` of a curve, evenly along x, its ends included."""
    if len(x) <= _POINTS:
        return x, y
    kept = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], _POINTS)))
    return x[kept], y[kept]
