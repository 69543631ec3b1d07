"""What a new bundle gains over each of those it was held against."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import DASHED, GREY, INK, colour, dress, figure, png
from plumbline.promotion.rule import TITLES
from plumbline.spec.metrics import METRICS


def difference(judged: Mapping[str, Any]) -> bytes:
    """PNG: the interval of each difference about nothing, and what it had to lie above.

    judged: as `rule.Judged`.
    """
    found, metric = judged["differences"], METRICS[judged["metric"]]
    drawn = figure(1.4 + 0.45 * len(found))
    axes = drawn.subplots()
    axes.axvline(0, color=GREY, linewidth=1)
    for place, one in enumerate(found.values()):
        hue = colour("network") if one["wins"] else INK
        axes.plot([one["low"], one["high"]], [place, place], color=hue, linewidth=2)
        axes.plot(one["value"], place, marker="o", markersize=6.5, color=hue)
        ends = [one["needed"]] * 2
        axes.plot(ends, [place - 0.35, place + 0.35], color=hue, linestyle=DASHED, linewidth=1.2)
    axes.set_yticks(range(len(found)), [f"over {TITLES[name]}" for name in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.margins(x=0.1)
    confidence = f"{100 * judged['confidence']:.4g} %"
    title = f"What the new bundle gains in {metric.title}, with {confidence} intervals"
    dress(axes, title=title, grid="x")
    axes.set_xlabel("dashed: what the whole interval has to lie above", fontsize=9, color=INK)
    return png(drawn)
