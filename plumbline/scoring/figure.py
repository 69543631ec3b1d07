"""What was predicted, as a picture: a distribution of numbers, or how often each class came."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from plumbline.decision.decision import Decision
from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    INK,
    beside,
    counted,
    dress,
    figure,
    png,
    rows_down,
    short,
)

_COLOUR = COLOURS["network"]
_MOST = 12
"""Classes that are drawn; the rarer ones are drawn together."""
_BINS = 50
_NAMES = {
    "score": "Probability of a positive, as released",
    "predicted": "Predicted, in units of the label",
}


def of_predictions(path: Path, decision: Decision) -> bytes:
    """The answers in a file of predictions: PNG."""
    if decision.task in ("binary", "regression"):
        name = "score" if decision.task == "binary" else "predicted"
        return _numbers(*_histogram(path, name), name, decision.threshold)
    return _classes(_counted(path, decision), pq.read_metadata(path).num_rows)


def _numbers(counts: np.ndarray, edges: np.ndarray, name: str, threshold: float | None) -> bytes:
    told = "How often each answer is given."
    if threshold is not None:
        told += f" Rows at or right of the threshold of {threshold:.4g} count as positive."
    drawn = figure(2.6, f"{counts.sum():,} predictions", told)
    axes = drawn.subplots()
    axes.stairs(counts, edges, fill=True, color=_COLOUR)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=DASHED)
        beside(axes, threshold, 0.95 * axes.get_ylim()[1], "threshold")
    counted(axes.yaxis)
    dress(axes, x=_NAMES[name], y="Rows")
    return png(drawn)


def _classes(counts: Counter[str], rows: int) -> bytes:
    shown = dict(counts.most_common(_MOST))
    if others := sum(counts.values()) - sum(shown.values()):
        shown["others"] = others
    drawn = figure(
        0.7 + 0.28 * len(shown),
        f"{rows:,} predictions",
        "How often each class or label is given; of several labels a row may have none or more.",
    )
    axes: Any = drawn.subplots()
    places = range(len(shown))
    axes.barh(places, list(shown.values()), height=0.65, color=_COLOUR)
    for place, count in zip(places, shown.values(), strict=True):
        beside(axes, count, place, f"{count:,} ({count / max(rows, 1):.1%})")
    rows_down(axes, [short(name) for name in shown])
    axes.set_xlim(right=1.25 * max([1, *shown.values()]))
    counted(axes.xaxis)
    dress(axes, x="Rows", grid="x")
    return png(drawn)


def _histogram(path: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows between evenly spaced edges, a batch of them in memory at a time."""
    ends = [(one.min(), one.max()) for one in _column(path, name)]
    low, high = (min(one for one, _ in ends), max(one for _, one in ends)) if ends else (0, 1)
    counts, edges = np.histogram([], _BINS, (low, high))
    for values in _column(path, name):
        counts = counts + np.histogram(values, edges)[0]
    return counts, edges


def _column(path: Path, name: str) -> Iterator[np.ndarray]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=[name]):
            yield batch.column(name).to_numpy()


def _counted(path: Path, decision: Decision) -> Counter[str]:
    """Rows by class, or by label; those of no row too."""
    counts = Counter(dict.fromkeys(decision.classes, 0))
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["predicted"]):
            found: Any = batch.column("predicted")
            names = found if decision.task == "multiclass" else found.flatten()
            for one in names.value_counts().to_pylist():
                counts[one["values"]] += one["counts"]
    return counts
