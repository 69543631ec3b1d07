"""Where the training values of each feature lie once they are scaled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    GREY,
    dress,
    figure,
    more,
    png,
    rows_down,
    short,
)
from plumbline.normalization.parameters import NumericFeature

_SHOWN = 22
"""Features that are drawn: those that reach furthest (count)."""

_NEAR = 10.0
"""Where values reach far beyond this size, the axis is even up to it, then by powers of ten."""

_FAR = 1e15
"""What lies further out is drawn there."""


def scaled_features(features: Sequence[NumericFeature], rows: int, method: str) -> bytes | None:
    """Range, mean and deviation of each numeric feature after scaling.

    rows: training rows. None without numeric features, and for the quantile method, which gives
    every feature the same distribution.
    """
    if not features or method == "quantile":
        return None
    shown = sorted(features, key=lambda one: -_reach(one))[:_SHOWN]
    drawn = figure(
        0.7 + 0.2 * len(shown),
        f"{len(features):,} numeric features after {method} scaling, on {rows:,} training rows",
        "Thin: from the least to the greatest value; thick: one standard deviation either side of "
        "the mean, the dot. A long thin line is an outlier that the models will see."
        + more(len(features) - len(shown), "features, which reach less far,"),
    )
    axes = drawn.subplots()
    places = np.arange(len(shown))
    low, high, mean, std = np.array([_scaled(one) for one in shown]).T
    axes.axvline(0, color=GREY, linewidth=1, linestyle=DASHED)
    axes.hlines(places, low, high, color=GREY, linewidth=1.2)
    axes.hlines(places, mean - std, mean + std, color=COLOURS["network"], linewidth=5, alpha=0.55)
    axes.plot(mean, places, "o", markersize=5, color=COLOURS["network"])
    if max(map(_reach, shown)) > 5 * _NEAR:
        axes.set_xscale("symlog", linthresh=_NEAR, linscale=2)
        locator: Any = axes.xaxis.get_major_locator()
        locator.set_params(numticks=6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    rows_down(axes, [short(one.name, 28) for one in shown])
    dress(axes, x="Scaled value", grid="x")
    return png(drawn)


def _scaled(one: NumericFeature) -> tuple[float, ...]:
    """Least, greatest, mean and deviation."""
    ends = np.array([one.min, one.max, one.mean], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.append((ends - one.center) / one.scale, one.std / one.scale)
    return tuple(np.clip(np.nan_to_num(found), -_FAR, _FAR).tolist())


def _reach(one: NumericFeature) -> float:
    low, high, *_ = _scaled(one)
    return max(abs(low), abs(high))
