"""What a new bundle gains over each of those it was held against."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    INK,
    colour,
    dress,
    figure,
    png,
    rows_down,
    whisker,
)
from plumbline.promotion.rule import TITLES
from plumbline.spec.metrics import METRICS


def difference(judged: Mapping[str, Any]) -> bytes:
    """PNG: the interval of each difference about nothing, and what it had to lie above.

    judged: as `rule.Judged`.
    """
    found, metric = judged["differences"], METRICS[judged["metric"]]
    drawn = figure(
        0.7 + 0.45 * len(found),
        f"What the new bundle gains in {metric.title}",
        f"{100 * judged['confidence']:.4g} % intervals. Dashed: what the whole interval has to lie "
        "above; blue where it does.",
    )
    axes = drawn.subplots()
    axes.axvline(0, color=GREY, linewidth=1)
    for place, one in enumerate(found.values()):
        hue = colour("network") if one["wins"] else INK
        whisker(axes, one, place, hue)
        ends = [one["needed"]] * 2
        axes.plot(ends, [place - 0.35, place + 0.35], color=hue, linestyle=DASHED, linewidth=1.2)
    rows_down(axes, [f"over {TITLES[name]}" for name in found])
    axes.margins(x=0.1)
    dress(axes, x=f"Gain in {metric.title}", grid="x")
    return png(drawn)
