"""What happened in training, and what the model reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    GREY,
    beside,
    dress,
    figure,
    legend,
    png,
)

_TOP = 20
"""Features shown (count)."""


_SHOWN = {
    "auc": "AUC",
    "f1": "F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}
"""Names of metrics that are more than their words."""


def learning_curves(
    history: Mapping[str, Sequence[float]], best_epoch: int, metric: str = "auc"
) -> bytes:
    """Loss of training and validation rows by epoch, and a metric where it was measured.

    history: values per epoch, by `loss`, `val_loss` and perhaps `val_` and the metric's name.
    best_epoch: the epoch whose weights were kept, counted from 1.
    """
    names = ["loss", *([metric] if f"val_{metric}" in history else [])]
    drawn = figure(3.4)
    panels = drawn.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        best = f"best epoch {best_epoch}"
        axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=DASHED, label=best)
        _curve(axes, history.get(name), "train", GREY)
        _curve(axes, history[f"val_{name}"], "val", COLOURS["network"])
        dress(axes, title=_SHOWN.get(name) or name.replace("_", " ").capitalize(), x="Epoch")
        legend(axes, loc="best")
    return png(drawn)


def _curve(axes: Any, values: Sequence[float] | None, shown: str, hue: str) -> None:
    from matplotlib.ticker import MaxNLocator

    if not values:
        return
    epochs = range(1, len(values) + 1)
    axes.plot(epochs, values, color=hue, linewidth=1.8, marker="o", markersize=3, label=shown)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def importances(shares: Sequence[Mapping[str, Any]]) -> bytes:
    """Bars of the greatest importances.

    shares: `feature` and `importance` of every column, which add up to 1.
    """
    ranked = sorted(shares, key=lambda one: -one["importance"])
    shown = ranked[:_TOP]
    drawn = figure(1.0 + 0.235 * len(shown))
    axes = drawn.subplots()
    axes.barh(
        range(len(shown)),
        [one["importance"] for one in shown],
        height=0.7,
        color=COLOURS["network"],
    )
    for place, one in enumerate(shown):
        beside(axes, one["importance"], place, f"{one['importance']:.1%}", offset=4)
    # A dollar sign in a column's name is no formula.
    names = [_shortened(one["feature"]) for one in shown]
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.1 * shown[0]["importance"] or 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    dress(axes, title=f"Importance of features{_rest(ranked[_TOP:])}", grid="x")
    return png(drawn)


def _rest(left_out: Sequence[Mapping[str, Any]]) -> str:
    if not left_out:
        return ""
    return f"; {len(left_out)} more share {sum(one['importance'] for one in left_out):.1%}"


def _shortened(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:26]}…"
