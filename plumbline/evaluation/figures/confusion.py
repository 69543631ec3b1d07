"""What a model takes for what."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from plumbline.evaluation.figures.style import INK, dress, figure, png, short, title

_SHOWN = 12
"""Classes that are drawn by themselves; the rarer ones are drawn together."""


def confusion(labels: np.ndarray, scores: np.ndarray, classes: Sequence[str], kind: str) -> bytes:
    """Share of each class's rows that is taken for each class; right answers on the diagonal.

    labels: codes, shape (n,). scores: shape (n, classes). classes: their names by code.
    """
    counts, names = _counts(labels, scores.argmax(axis=1), classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    drawn = figure(min(6.0, 2.0 + 0.36 * len(names)))
    axes = drawn.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            _tell(axes, row, column, share)
    told = [f"{name} ({rows:,})" for name, rows in zip(names, counts.sum(axis=1), strict=True)]
    places = range(len(names))
    axes.set_yticks(places, told)
    axes.set_xticks(places, names, rotation=35, ha="right")
    heading = f"{title(kind)} on {len(labels):,} test rows: shares by line"
    dress(axes, title=heading, x="Predicted", y="True (rows)", grid=None)
    axes.tick_params(labelsize=8)
    return png(drawn)


def _tell(axes: Any, row: int, column: int, share: float) -> None:
    hue = "white" if share > 0.55 else INK
    told = f"{share:.0%}" if share >= 0.005 else "<1%"
    axes.text(column, row, told, ha="center", va="center", fontsize=7.5, color=hue)


def _counts(
    labels: np.ndarray, guesses: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Rows by true and predicted class, the most frequent first; the rarest together."""
    size = len(classes)
    counts = np.bincount(labels.astype(np.int64) * size + guesses, minlength=size * size)
    counts = counts.reshape(size, size)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    counts, names = counts[np.ix_(order, order)], [short(classes[one]) for one in map(int, order)]
    if size <= _SHOWN + 1:
        return counts, names
    starts = [*range(_SHOWN + 1)]
    together = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    return together, [*names[:_SHOWN], f"{size - _SHOWN} more"]
