"""What a model takes for what."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from plumbline.evaluation.figures.style import INK, dress, figure, png, short, title

_SHOWN = 12
"""Classes that are drawn by themselves; the rarer ones are drawn together."""

_ROOMY = 4
"""Classes up to which cells have room for the count of rows."""


def confusion(
    labels: np.ndarray, answers: np.ndarray, classes: Sequence[str], kind: str, by: str = ""
) -> bytes:
    """Share of each class's rows that is taken for each class; right answers on the diagonal.

    labels, answers: codes, shape (n,). classes: their names by code. by: how answers were made of
    scores.
    """
    counts, names = _counts(labels, answers, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left_out = max(0, len(classes) - _SHOWN) if len(names) > _SHOWN else 0
    reading = f"Of each true class, the share that is taken for each. {_right(counts)} are right."
    reading += f" The {left_out} rarest are drawn together." if left_out > 1 else ""
    drawn = figure(
        min(5.6, 1.3 + 0.36 * max(3, len(names))),
        f"{title(kind)}{by}: {len(labels):,} test rows",
        reading,
    )
    axes = drawn.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            _tell(axes, (row, column), share, int(counts[row, column]) if _few(names) else None)
    told = [f"{name} ({rows:,})" for name, rows in zip(names, counts.sum(axis=1), strict=True)]
    places = range(len(names))
    axes.set_yticks(places, told)
    axes.set_xticks(places, names, **({} if _few(names) else {"rotation": 35, "ha": "right"}))
    dress(axes, x="Predicted", y="True (rows)", grid=None)
    axes.tick_params(labelsize=8.5)
    return png(drawn)


def _few(names: Sequence[str]) -> bool:
    return len(names) <= _ROOMY


def _right(counts: np.ndarray) -> str:
    return f"{np.trace(counts) / max(counts.sum(), 1):.1%} of all rows"


def _tell(axes: Any, cell: tuple[int, int], share: float, rows: int | None) -> None:
    hue = "white" if share > 0.55 else INK
    told = f"{share:.0%}" if share >= 0.005 else "<1%"
    if rows is not None:
        told = f"{share:.1%}\n{rows:,} rows"
    size = 7.5 if rows is None else 9
    axes.text(cell[1], cell[0], told, ha="center", va="center", fontsize=size, color=hue)


def _counts(
    labels: np.ndarray, answers: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Rows by true and predicted class, the most frequent first; the rarest together."""
    size = len(classes)
    counts = np.bincount(labels.astype(np.int64) * size + answers, minlength=size * size)
    counts = counts.reshape(size, size)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    counts, names = counts[np.ix_(order, order)], [short(classes[one]) for one in map(int, order)]
    if size <= _SHOWN + 1:
        return counts, names
    starts = [*range(_SHOWN + 1)]
    together = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    return together, [*names[:_SHOWN], f"{size - _SHOWN} more"]
