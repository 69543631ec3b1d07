"""What the models were given: rows and label rates by side of the split."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import GREY, INK, beside, dress, figure, png

_COLOURS = {"train": "#56b4e9", "val": "#e69f00", "test": "#cc79a7"}


def split_bars(certificate: Mapping[str, Any]) -> bytes:
    """Rows of each side, and the share of positives among them with its interval.

    certificate: as `Split.certificate`.
    """
    drawn = figure(2.5)
    left, right = drawn.subplots(1, 2, sharey=True)
    sides = certificate["sides"]
    for place, (name, side) in enumerate(sides.items()):
        hue, rate = _COLOURS.get(name, GREY), side["label_rate"]
        left.barh(place, side["rows"], height=0.62, color=hue)
        _tell(left, place, side["rows"], f"{side['rows']:,} ({side['share']:.1%})")
        if rate:
            right.barh(place, rate["value"], height=0.62, color=hue)
            right.plot([rate["low"], rate["high"]], [place, place], color=INK, linewidth=1.5)
            _tell(right, place, rate["high"], f"{rate['value']:.2%}")
    left.set_yticks(range(len(sides)), list(sides))
    left.set_ylim(len(sides) - 0.4, -0.6)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    dress(left, title="Rows", grid="x")
    dress(right, title="Share of positives", grid="x")
    return png(drawn)


def _tell(axes: Any, place: int, end: float, text: str) -> None:
    beside(axes, end, place, text)
    # Room for the text beside the longest bar.
    axes.set_xlim(0, max(axes.get_xlim()[1], end * 1.5))
