"""What moved between two dataset versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.evaluation.figures.style import (
    GREY,
    beside,
    dress,
    figure,
    legend_below,
    more,
    png,
    rows_down,
    short,
)

_SHOWN = 18
"""Columns that are drawn: those that moved furthest (count)."""

_SIZES = {"none": "#c8ccd1", "small": "#56b4e9", "medium": "#e69f00", "large": "#d55e00"}
_NAMES = {
    "none": "none: below 0.01",
    "small": "small: below 0.1",
    "medium": "medium: below 0.3",
    "large": "large",
}


def drift(
    changes: Sequence[Mapping[str, Any]], rows: Mapping[str, int], versions: tuple[str, str]
) -> bytes | None:
    """How far the distribution of each column moved; None where no column can be compared.

    changes, rows: as in `history.diff.Diff`. versions: before and after.
    """
    compared = [one for one in changes if one["measure"] is not None]
    shown = sorted(compared, key=lambda one: -_moved(one))[:_SHOWN]
    if not shown:
        return None
    before, after = (short(name, 24) for name in versions)
    counts = ", ".join(f"{count:,} {what}" for what, count in rows.items())
    drawn = figure(
        1.1 + 0.235 * len(shown),
        f"What moved from {before} to {after}",
        f"Rows: {counts}. Bars: distance of the two distributions, from 0 to 1 "
        "(Kolmogorov-Smirnov for numbers and times, total variation for others). Rings: change of "
        "the share without a value."
        + more(len(compared) - len(shown), "columns, which moved less,"),
    )
    axes = drawn.subplots()
    for size, hue in _SIZES.items():
        places = [at for at, one in enumerate(shown) if one["size"] == size]
        if places:
            distances = [shown[at]["distance"] or 0.0 for at in places]
            axes.barh(places, distances, height=0.7, color=hue, label=_NAMES[size])
    lost = [abs(one["nulls_after"] - one["nulls_before"]) for one in shown]
    ring = {"markersize": 6, "markerfacecolor": "none", "color": GREY, "linestyle": "none"}
    axes.plot(lost, range(len(shown)), "o", label="missing", **ring)
    for place, one in enumerate(shown):
        beside(axes, max(one["distance"] or 0.0, lost[place]), place, _told(one), offset=7)
    rows_down(axes, [short(one["column"], 28) for one in shown])
    axes.set_xlim(0, 1.2 * max(*map(_moved, shown), 0.01))
    dress(axes, x="Distance", grid="x")
    legend_below(drawn)
    return png(drawn)


def _moved(one: Mapping[str, Any]) -> float:
    return max(one["distance"] or 0.0, abs(one["nulls_after"] - one["nulls_before"]))


def _told(one: Mapping[str, Any]) -> str:
    return "no values" if one["distance"] is None else f"{one['distance']:.3f}"
