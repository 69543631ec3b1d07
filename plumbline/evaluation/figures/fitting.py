"""What happened in training, and what the model reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    GREY,
    INK,
    dress,
    figure,
    legend_below,
    percent,
    png,
    rows_down,
    short,
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
    epochs = len(history["val_loss"])
    drawn = figure(
        3.3,
        f"Training by epoch: the best of {epochs:,} is epoch {best_epoch:,}",
        "Its weights were kept: the dashed line, and the ring on the curve of the validation rows. "
        "From where val turns away from train on, the network learns rows by heart.",
    )
    panels = drawn.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=DASHED)
        _curve(axes, history.get(name), "train", GREY)
        _curve(axes, history[f"val_{name}"], "val", COLOURS["network"])
        _ring(axes, best_epoch, history[f"val_{name}"])
        dress(axes, title=_panel(name, history[f"val_{name}"], best_epoch), x="Epoch")
    legend_below(drawn)
    return png(drawn)


def _panel(name: str, values: Sequence[float], best_epoch: int) -> str:
    told = _SHOWN.get(name) or name.replace("_", " ").capitalize()
    return f"{told}: {values[best_epoch - 1]:.4g} on val"


def _ring(axes: Any, best_epoch: int, values: Sequence[float]) -> None:
    look = {"markersize": 10, "markerfacecolor": "none", "linestyle": "none"}
    axes.plot(best_epoch, values[best_epoch - 1], "o", color=INK, label="best epoch", **look)


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

_READING = {
    "permutation": " Permutation: what the main metric loses on validation rows when the feature's "
    "values are dealt out anew.",
    "shap": " SHAP: mean size of what the feature adds to a score.",
}


def importances(shares: Sequence[Mapping[str, Any]]) -> bytes:
    """Bars of the greatest importances, and what other measures say beside them.

    shares: `feature` and `importance` of every column, which add up to 1; and perhaps
    `permutation` and `shap` in any units, which are drawn as shares of their sum.
    """
    ranked = sorted(shares, key=lambda one: -one["importance"])
    shown = ranked[:_TOP]
    others = {name: found for name in _BESIDE if (found := _scaled(ranked, name))}
    gain = [one["importance"] for one in shown]
    drawn = figure(
        0.7 + 0.22 * len(shown) + 0.25 * bool(others),
        f"Importance of {len(ranked):,} features{_rest(ranked[_TOP:])}",
        "Bars and numbers: share of what the trees gain by splitting at a feature."
        + "".join(_READING[name] for name in others),
    )
    axes = drawn.subplots()
    axes.barh(range(len(shown)), gain, height=0.7, color=COLOURS["network"], label="gain")
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
            clip_on=False,
        )
    rows_down(axes, [f"{short(one['feature'], 28)}  {one['importance']:.1%}" for one in shown])
    axes.set_xlim(left=0)
    percent(axes.xaxis)
    dress(axes, x="Share of the sum over all features", grid="x")
    if others:
        legend_below(drawn)
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
    rest = sum(one["importance"] for one in left_out)
    return f"; the {_TOP} greatest are shown, the others share {rest:.1%}"
