"""What the network adds on each slice, and what networks of further seeds add."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import (
    COLOURS,
    DASHED,
    GREY,
    dress,
    figure,
    legend_below,
    more,
    png,
    rows_down,
    short,
    title,
)
from plumbline.spec.metrics import METRICS

_SHOWN = 20
"""Slices that are drawn: those that block, then those with the most rows (count)."""

_KINDS = {
    "blocks": ("significantly worse: blocks", COLOURS["xgboost"], "o"),
    "declared": ("declared", COLOURS["network"], "o"),
    "found": ("found on val, never blocks", GREY, "s"),
}


def forest(
    slices: Mapping[str, Any], comparison: Mapping[str, Any], confidence: float
) -> bytes | None:
    """The network's gain on each slice with its interval; None where none was compared.

    slices, comparison: as in `Evaluation`. confidence: of each interval, by itself.
    """
    compared = [one for one in slices["measured"] if one["difference"] is not None]
    shown = _commonest(compared)
    if not shown:
        return None
    metric, against = METRICS[comparison["metric"]].title, title(comparison["baseline"])
    drawn = figure(
        1.2 + 0.22 * len(shown),
        f"The network's gain in test {metric} over {against}, by slice",
        f"Right of the line the network is better. {100 * confidence:g} % intervals, each by "
        "itself; test rows in parentheses." + more(len(compared) - len(shown), "slices"),
    )
    axes = drawn.subplots()
    axes.axvline(0, color=GREY, linewidth=1)
    for kind, (told, hue, marker) in _KINDS.items():
        places = [place for place, one in enumerate(shown) if _kind(one) == kind]
        if places:
            _whiskers(axes, [shown[place]["difference"] for place in places], places, hue, marker)
            axes.plot([], [], color=hue, marker=marker, label=told)
    rows_down(axes, [_told(one) for one in shown])
    dress(axes, x=f"Gain in {metric}", grid="x")
    axes.tick_params(axis="y", labelsize=8.5)
    legend_below(drawn)
    return png(drawn)


def seeds(seeds: Mapping[str, Any], comparison: Mapping[str, Any]) -> bytes | None:
    """What decides of each network on val and test; None for fewer than two of them.

    seeds, comparison: as in `Evaluation`.
    """
    networks = seeds["networks"]
    if len(networks) < 2:
        return None
    metric = METRICS[comparison["metric"]]
    drawn = figure(
        1.1 + 0.22 * len(networks),
        f"One network, {len(networks)} seeds: {metric.title} on val and test",
        "How much is luck: networks that differ in their seed alone. Dashed: the candidate on "
        f"test. Standard deviation on test: {metric.written(seeds['std'])}.",
    )
    axes = drawn.subplots()
    places = range(len(networks))
    for side, face in (("val", "white"), ("test", COLOURS["network"])):
        values = [one[side] for one in networks]
        axes.plot(values, places, "o", markersize=6.5, markerfacecolor=face,
                  color=COLOURS["network"], label=side)  # fmt: skip
    released = next(one["test"] for one in networks if one["released"])
    axes.axvline(released, color=GREY, linewidth=1, linestyle=DASHED)
    told = [f"seed {one['seed']}{', the candidate' * one['released']}" for one in networks]
    rows_down(axes, told)
    axes.margins(x=0.1)
    dress(axes, x=metric.title, grid="x")
    legend_below(drawn)
    return png(drawn)


def _commonest(compared: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    rows = sorted((one["rows"] for one in compared), reverse=True)
    least = rows[:_SHOWN][-1] if rows else 0
    kept = [one for one in compared if one["rows"] >= least or one["blocks"]]
    return sorted(kept, key=lambda one: not one["blocks"])[:_SHOWN]


def _kind(one: Mapping[str, Any]) -> str:
    return "blocks" if one["blocks"] else "declared" if one["declared"] else "found"


def _told(one: Mapping[str, Any]) -> str:
    return f"{short(one['slice'], 42)} ({one['rows']:,})"


def _whiskers(
    axes: Any, ends: list[Mapping[str, float]], places: list[int], hue: str, marker: str
) -> None:
    lows, highs = [one["low"] for one in ends], [one["high"] for one in ends]
    axes.hlines(places, lows, highs, color=hue, linewidth=1.8)
    axes.plot([one["value"] for one in ends], places, marker, markersize=5.5, color=hue)
