"""How well each of several labels is ranked."""

from collections.abc import Mapping, Sequence

import numpy as np

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    colour,
    dress,
    figure,
    legend,
    png,
    short,
    title,
)
from plumbline.metrics.areas import auc

_SHOWN = 20
"""Labels that are drawn: the commonest."""


def label_areas(
    labels: np.ndarray, scores: Mapping[str, np.ndarray], names: Sequence[str]
) -> bytes:
    """AUC of each label and candidate; labels without rows of both values are left out.

    labels, and scores by kind: shape (n, labels).
    """
    rows = labels.sum(axis=0)
    order = map(int, np.argsort(-rows, kind="stable"))
    both = [one for one in order if 0 < rows[one] < len(labels)]
    shown = both[:_SHOWN]
    drawn = figure(1.3 + 0.24 * max(2, len(shown)))
    axes = drawn.subplots()
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=DASHED)
    height = 0.7 / len(scores)
    for place, (kind, values) in enumerate(scores.items()):
        areas = [auc(labels[:, one], values[:, one]) for one in shown]
        at = np.arange(len(shown)) - 0.35 + (place + 0.5) * height
        axes.barh(at, areas, height=height, color=colour(kind), label=title(kind))
    told = [f"{short(names[one])} ({rows[one]:,})" for one in shown]
    axes.set_yticks(range(len(shown)), told)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    more = len(both) - len(shown)
    heading = f"AUC of each label on {len(labels):,} test rows"
    dress(axes, title=heading + (f"; {more} more" if more else ""), y="Label (rows)", grid="x")
    legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(scores))
    return png(drawn)
