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


_BESIDE = {
    "permutation": ("permutation on val", "xgboost", "o"),
    "shap": ("SHAP on val", "random_forest", "D"),
}
"""Other measures than the gain, which are drawn as dots: name, colour and marker."""


def importances(shares: Sequence[Mapping[str, Any]]) -> bytes:
    """Bars of the greatest importances, and what other measures say beside them.

    shares: `feature` and `importance` of every column, which add up to 1; and perhaps
    `permutation` and `shap` in any units, which are drawn as shares of their sum.
    """
    ranked = sorted(shares, key=lambda one: -one["importance"])
    shown = ranked[:_TOP]
    others = {name: found for name in _BESIDE if (found := _scaled(ranked, name))}
    drawn = figure(1.0 + 0.235 * len(shown) + 0.25 * bool(others))
    axes = drawn.subplots()
    gain = [one["importance"] for one in shown]
    axes.barh(range(len(shown)), gain, height=0.7, color=COLOURS["network"], label="gain (number)")
    for name, found in others.items():
        told, hue, marker = _BESIDE[name]
        dots = {place: found[place] for place in range(len(shown)) if place in found}
        axes.scatter(
            list(dots.values()),
            list(dots),
            s=26,
            marker=marker,
            color=COLOURS[hue],
            edgecolors="white",
            linewidths=0.8,
            label=told,
            zorder=3,
        )
    ends = [
        max([one, *(found.get(at, 0) for found in others.values())]) for at, one in enumerate(gain)
    ]
    for place, one in enumerate(gain):
        beside(axes, ends[place], place, f"{one:.1%}", offset=6 if others else 4)
    # A dollar sign in a column's name is no formula.
    names = [_shortened(one["feature"]) for one in shown]
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(ends) or 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    dress(axes, title=f"Importance of features{_rest(ranked[_TOP:])}", grid="x")
    if others:
        legend(axes, loc="lower right")
    return png(drawn)


def _scaled(ranked: Sequence[Mapping[str, Any]], name: str) -> dict[int, float]:
    """A measure's shares of its sum, by the column's place; nothing below 0, or without a sum."""
    known = {at: one[name] for at, one in enumerate(ranked) if one.get(name) is not None}
    kept = {at: max(0.0, value) for at, value in known.items()}
    total = sum(kept.values())
    return {at: value / total for at, value in kept.items()} if total > 0 else {}


def _rest(left_out: Sequence[Mapping[str, Any]]) -> str:
    if not left_out:
        return ""
    return f"; {len(left_out)} more share {sum(one['importance'] for one in left_out):.1%}"


def _shortened(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:26]}…"
