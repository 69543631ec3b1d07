"""How well each of several labels or classes is told from the others."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    GREY,
    colour,
    dress,
    figure,
    legend_below,
    more,
    png,
    rows_down,
    short,
    title,
)
from plumbline.metrics.areas import auc

_SHOWN = 20
"""Labels that are drawn: the commonest."""

_PLURAL = {"label": "labels", "class": "classes"}


What = Literal["label", "class"]


def label_areas(
    labels: np.ndarray, scores: Mapping[str, np.ndarray], names: Sequence[str], what: What = "label"
) -> bytes | None:
    """AUC of each label and candidate; labels without rows of both values are left out.

    labels, and scores by kind: shape (n, labels). None where no label has both values.
    """
    both, shown, told = _commonest(labels, names)
    if not shown:
        return None
    drawn = figure(
        0.9 + 0.24 * max(2, len(shown)),
        f"AUC of each {what} against the others, on {len(labels):,} test rows",
        "1 ranks all rows right; dashed: guessing. The commonest first, with their rows."
        + more(len(both) - len(shown), _PLURAL[what]),
    )
    axes = drawn.subplots()
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=DASHED)
    height = 0.7 / len(scores)
    for place, (kind, values) in enumerate(scores.items()):
        areas = [auc(labels[:, one], values[:, one]) for one in shown]
        at = np.arange(len(shown)) - 0.35 + (place + 0.5) * height
        axes.barh(at, areas, height=height, color=colour(kind), label=title(kind))
    rows_down(axes, told)
    axes.set_xlim(0, 1)
    dress(axes, x="AUC", grid="x")
    legend_below(drawn)
    return png(drawn)


def label_answers(
    labels: np.ndarray, answers: np.ndarray, names: Sequence[str], kind: str
) -> bytes | None:
    """Precision and recall of each label as it is given at its threshold.

    labels, answers: 0 and 1, shape (n, labels). None where no label has both values.
    """
    both, shown, told = _commonest(labels, names)
    if not shown:
        return None
    drawn = figure(
        0.9 + 0.24 * max(2, len(shown)),
        f"{title(kind)}: each label at its threshold, on {len(labels):,} test rows",
        "Precision: of the rows that are given a label, the share that has it. Recall: of the rows "
        "that have it, the share that is given it. A label that is never given has no precision."
        + more(len(both) - len(shown), "labels"),
    )
    axes = drawn.subplots()
    right = (labels * answers).sum(axis=0)[shown]
    parts = (("precision", answers, COLOURS["xgboost"]), ("recall", labels, COLOURS["network"]))
    for name, of, hue in parts:
        whole = of.sum(axis=0)[shown]
        known = np.flatnonzero(whole)
        axes.plot(right[known] / whole[known], known, "o", color=hue, markersize=6, label=name)
    rows_down(axes, told)
    axes.set_xlim(-0.02, 1.02)
    dress(axes, grid="both")
    legend_below(drawn)
    return png(drawn)


def _commonest(labels: np.ndarray, names: Sequence[str]) -> tuple[list[int], list[int], list[str]]:
    """Labels with rows of both values, those of them that are drawn, and their names and rows."""
    rows = labels.sum(axis=0)
    order = map(int, np.argsort(-rows, kind="stable"))
    both = [one for one in order if 0 < rows[one] < len(labels)]
    shown = both[:_SHOWN]
    return both, shown, [f"{short(names[one])} ({rows[one]:,})" for one in shown]
