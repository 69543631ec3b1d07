"""The look that all figures share, and what their names may hold."""

import io
from collections.abc import Mapping
from functools import cache
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from plumbline.audit.drawing import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 6.4, 110
"""Inches, and pixels per inch: 704 pixels."""

INK, GREY, GRID = "#24292f", "#6e7781", "#e4e7eb"
DASHED = (0, (4, 3))
COLOURS = {"network": "#0072b2", "xgboost": "#d55e00", "random_forest": "#009e73"}
"""By candidate. From the palette of Okabe and Ito, which colour-blind readers can tell apart."""
SIDES = {"train": "#56b4e9", "val": "#e69f00", "test": "#cc79a7"}
TITLES = {"network": "Network", "xgboost": "XGBoost", "random_forest": "Random forest"}

_TITLE, _NOTE = (62, 0.22), (102, 0.17)
"""Letters in a line, and its height in inches."""


def figure(height: float, title: str, note: str = "") -> "Figure":
    """A white figure under its header; `height` in inches is what is left below that.

    title: what is shown, of how many rows. note: how to read it. White in the dark theme too: no
    colour of text or line has enough contrast with both a white and a black page. No global
    state: nothing to clean up.
    """
    from matplotlib.figure import Figure

    lines = [(one, _TITLE[1], {"fontsize": 11, "weight": "bold"}) for one in wrap(title, _TITLE[0])]
    lines += [(one, _NOTE[1], {"fontsize": 8.5}) for one in wrap(note, _NOTE[0])]
    header = 0.1 + sum(tall for _, tall, _ in lines)
    made = Figure(
        figsize=(WIDTH, height + header), dpi=DPI, facecolor="white", layout="constrained"
    )
    engine: Any = made.get_layout_engine()
    engine.set(rect=(0, 0, 1, height / (height + header)))
    top = height + header - 0.06
    for text, tall, look in lines:
        made.text(0.012, top / (height + header), text, va="top", color=INK, **look)
        top -= tall
    return made


def dress(axes: "Axes", *, title: str = "", x: str = "", y: str = "", grid: Any = "both") -> None:
    """Names of the axes, and of a panel beside others; light grid, no frame but the two axes."""
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", color=INK)
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)
    axes.tick_params(labelsize=9, colors=INK, length=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)


def legend(axes: "Axes", **options: Any) -> None:
    axes.legend(fontsize=9, labelcolor=INK, frameon=True, framealpha=0.9, edgecolor=GRID, **options)


def legend_below(drawn: "Figure") -> None:
    """Where it can hide nothing; each name once, however many panels show it."""
    found: dict[Any, Any] = {}
    for axes in drawn.axes:
        found |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    drawn.legend(
        found.values(),
        found.keys(),
        loc="outside lower center",
        ncols=3,
        fontsize=9,
        labelcolor=INK,
        frameon=False,
    )


def beside(axes: "Axes", x: float, y: float, text: str, offset: int = 5) -> None:
    """A small text right of a point, legible over lines."""
    axes.annotate(
        text,
        (x, y),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
    )


def whisker(
    axes: "Axes", measured: Mapping[str, float], place: float, hue: str, face: str | None = None
) -> None:
    """An interval, with a dot at its value. measured: value, low, high."""
    axes.plot([measured["low"], measured["high"]], [place, place], color=hue, linewidth=2)
    axes.plot(measured["value"], place, "o", markersize=6.5, markerfacecolor=face or hue, color=hue)


def rows_down(axes: "Axes", names: list[str]) -> None:
    """A line for each name, from above."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def counted(axis: Any) -> None:
    """Ticks at whole numbers, with thousands apart."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda count, _: f"{count:,.0f}")


def percent(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def scale_beside(drawn: "Figure", mapped: Any, axes: "Axes", title: str) -> None:
    """What the colours of `mapped` stand for."""
    scale = drawn.colorbar(mapped, ax=axes, pad=0.02, aspect=30)
    scale.set_label(title, fontsize=9, color=INK)
    scale.ax.tick_params(labelsize=8, colors=INK)
    outline: Any = scale.outline
    outline.set_visible(False)


def colour(kind: str) -> str:
    return COLOURS.get(kind, GREY)


def title(kind: str) -> str:
    return TITLES.get(kind, kind)


def told(measured: Mapping[str, float]) -> str:
    """A value with its interval, to three decimals."""
    return "{value:.3f} ({low:.3f} to {high:.3f})".format(**measured)


def short(name: object, letters: int = 16) -> str:
    """A name as there is room for it, in letters that the font has, and never read as a formula."""
    text = " ".join(printable(str(name)).split())
    text = text if len(text) <= letters else f"{text[: letters - 1]}…"
    return "".join(one if ord(one) in _letters() else "□" for one in text).replace("$", r"\$")


@cache
def _letters() -> frozenset[int]:
    """Letters of the font that figures are written in; it comes with matplotlib."""
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont(FontProperties("DejaVu Sans"))).get_charmap())


def more(count: int, what: str) -> str:
    """A sentence about what there was no room for; empty for none."""
    return f" {count:,} more {what} not shown." if count else ""


def png(made: "Figure") -> bytes:
    """The figure as PNG in 128 colours, a third of the size: for a figure always the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(made)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    target = io.BytesIO()
    reduced = picture.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(target, format="png", optimize=True)
    return target.getvalue()
