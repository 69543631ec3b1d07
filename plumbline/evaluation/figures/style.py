"""The look that all figures share."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 6.4, 110
"""Inches, and pixels per inch: 704 pixels."""

INK, GREY, GRID = "#24292f", "#6e7781", "#e4e7eb"
DASHED = (0, (4, 3))
COLOURS = {"network": "#0072b2", "xgboost": "#d55e00", "random_forest": "#009e73"}
"""By candidate. From the palette of Okabe and Ito, which colour-blind readers can tell apart."""
TITLES = {"network": "Network", "xgboost": "XGBoost", "random_forest": "Random forest"}


def figure(height: float) -> "Figure":
    """An empty white figure, `height` inches high. No global state: nothing to clean up."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white", layout="constrained")


def dress(axes: "Axes", *, title: str = "", x: str = "", y: str = "", grid: Any = "both") -> None:
    """Titles, light grid, and no frame but the two axes."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
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


def beside(axes: "Axes", x: float, y: float, text: str, offset: int = 5) -> None:
    """A small text right of a point."""
    axes.annotate(
        text,
        (x, y),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=INK,
    )


def colour(kind: str) -> str:
    return COLOURS.get(kind, GREY)


def title(kind: str) -> str:
    return TITLES.get(kind, kind)


def told(measured: Mapping[str, float]) -> str:
    """A value with its interval, to three decimals."""
    return "{value:.3f} ({low:.3f} to {high:.3f})".format(**measured)


def short(name: str) -> str:
    """A name as there is room for it in a legend, and never read as a formula."""
    return (name if len(name) <= 16 else f"{name[:15]}…").replace("$", r"\$")


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
