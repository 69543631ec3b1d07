"""How a hyperparameter search went, and what its networks were made of."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbline.evaluation.figures.style import (
    COLOURS,
    GREY,
    GRID,
    INK,
    dress,
    figure,
    legend,
    png,
    scale_beside,
)
from plumbline.search.result import SearchResult, Trial
from plumbline.search.space import Dimension
from plumbline.spec import Range
from plumbline.spec.search import SEARCHED_COUNTS

_FAR = 2.0
"""A trial further from the best than so many times three quarters of those that ended is drawn
at the edge, so that the others can be told apart."""

_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "done": {"facecolors": COLOURS["network"], "edgecolors": COLOURS["network"]},
    "pruned": {"facecolors": "white", "edgecolors": GREY},
    "failed": {"facecolors": INK, "edgecolors": INK},
}

_INNER = 6
"""Values of a list that are written beside its axis (count)."""


def search_history(found: SearchResult) -> bytes:
    """The metric of each trial in its order, and the best one so far.

    Failed trials, and those far behind, are triangles at the edge of the worst.
    """
    from matplotlib.ticker import MaxNLocator

    better = "higher" if found.maximize else "lower"
    drawn = figure(
        3.0,
        f"{len(found.trials):,} trials of the search",
        f"The {better}, the better. Pruned trials were stopped early. Triangles: failed, or too "
        "far behind to be drawn in their place.",
    )
    axes = drawn.subplots()
    for state, look in _LOOKS.items():
        _points(axes, found, state, look)
    best = COLOURS["xgboost"]
    axes.step(*_best_so_far(found), where="post", color=best, linewidth=1.6, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    axes.margins(y=0.08)
    dress(axes, x="Trial", y=_metric(found))
    legend(axes, loc="best")
    return png(drawn)


def _metric(found: SearchResult) -> str:
    return f"val_{found.metric}"


def _points(axes: Any, found: SearchResult, state: str, look: Mapping[str, Any]) -> None:
    edge, outward = _edge(found), "v" if found.maximize else "^"
    here = [one for one in found.trials if one.state == state]
    inside = [one for one in here if one.value is not None and _within(found, one.value, edge)]
    beyond = [one.number + 1 for one in here if one not in inside]
    drawn = {"s": 28, "linewidths": 1.2, "zorder": 3, **look}
    if inside:
        places = [one.number + 1 for one in inside], [one.value for one in inside]
        axes.scatter(*places, marker="o", label=state, **drawn)
    if beyond:
        told = f"{state}, beyond" if inside or state == "done" else state
        axes.scatter(beyond, [edge] * len(beyond), marker=outward, label=told, **drawn)


def _edge(found: SearchResult) -> float:
    """The worst value that is drawn at its place."""
    ended, best = _ended(found), _best(found)
    far = best + _FAR * (np.quantile(ended, 0.25 if found.maximize else 0.75) - best)
    worst = ended.min() if found.maximize else ended.max()
    return float(max(far, worst) if found.maximize else min(far, worst))


def _ended(found: SearchResult) -> np.ndarray:
    return np.array([one.value for one in found.trials if one.state == "done"], dtype=float)


def _best(found: SearchResult) -> float:
    return float((max if found.maximize else min)(_ended(found)))


def _within(found: SearchResult, value: float, edge: float) -> bool:
    return value >= edge if found.maximize else value <= edge


def _best_so_far(found: SearchResult) -> tuple[list[int], list[float]]:
    better = np.maximum if found.maximize else np.minimum
    values = better(better.accumulate(_ended(found)), _edge(found)).tolist()
    places = [one.number + 1 for one in found.trials if one.state == "done"]
    return [*places, len(found.trials)], [*values, values[-1]]


def parallel_coordinates(found: SearchResult) -> bytes:
    """A line per trial across its options; the best one on top, pruned and failed ones grey."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    drawn = figure(
        3.4,
        f"What {len(found.trials):,} trials of the search were made of",
        "A line for each trial across its options: the best orange, pruned and failed ones grey.",
    )
    axes = drawn.subplots()
    names = list(found.space)
    low, high = sorted((_best(found), _edge(found)))
    shades = ScalarMappable(Normalize(vmin=low, vmax=high), cmap=_shades(found))
    for one in sorted(found.trials, key=lambda one: _order(found, one)):
        heights = [_height(name, found.space[name], one.values[name]) for name in names]
        axes.plot(range(len(names)), heights, **_line(found, one, shades))
    for place, name in enumerate(names):
        _axis(axes, place, name, found.space[name])
    scale_beside(drawn, shades, axes, _metric(found))
    dress(axes, grid=None)
    axes.set_xticks(range(len(names)), names, fontsize=8.5)
    axes.set_yticks([])
    axes.set_xlim(-0.35, len(names) - 0.65 + 0.35)
    axes.set_ylim(-0.1, 1.1)
    axes.spines[:].set_visible(False)
    return png(drawn)


def _shades(found: SearchResult) -> Any:
    """Light where a trial is bad, dark blue where it is good."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = ["#c6dbef", "#08306b"]
    return LinearSegmentedColormap.from_list("good", ends if found.maximize else ends[::-1])


def _order(found: SearchResult, one: Trial) -> tuple[bool, bool, float]:
    """Grey ones below, the best on top."""
    cost = 0.0 if one.value is None else -one.value if found.maximize else one.value
    return one.number == found.best, one.state == "done", -cost


def _line(found: SearchResult, one: Trial, shades: Any) -> dict[str, Any]:
    if one.number == found.best:
        return {"color": COLOURS["xgboost"], "linewidth": 2.6, "zorder": 4}
    if one.state != "done":
        return {"color": GREY, "linewidth": 0.8, "alpha": 0.45}
    return {"color": shades.to_rgba(one.value), "linewidth": 1.4}


def _height(name: str, values: Dimension, value: Any) -> float:
    """Where a value lies between the ends of its axis: 0 to 1."""
    if not isinstance(values, Range):
        return values.index(value) / (len(values) - 1) if len(values) > 1 else 0.5
    low, high = _ends(name, values)
    if values.scale == "log":
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.5


def _ends(name: str, values: Range) -> tuple[float, float]:
    if name in SEARCHED_COUNTS:
        return int(values.low), int(values.high)
    return values.low, values.high


def _axis(axes: Any, place: int, name: str, values: Dimension) -> None:
    axes.plot([place, place], [0, 1], color=GRID, linewidth=1.4, zorder=0)
    shown = list(_ends(name, values)) if isinstance(values, Range) else values
    if len(shown) > _INNER:
        shown = [shown[0], shown[-1]]
    for value in shown:
        axes.annotate(
            f"{value:g}" if isinstance(value, int | float) else _short(value),
            (place, _height(name, values, value)),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
            zorder=5,
        )


def _short(value: Any) -> str:
    told = "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return told if len(told) <= 16 else f"{told[:14]}…"
