"""Features by side of the split, as the audit counted them: one SVG picture."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from plumbline.audit.drawing import WIDTH, Picture, picture, printable
from plumbline.audit.histograms import Histogram
from plumbline.evaluation.figures.style import GREY, INK

_SHOWN = 24
"""Features that are drawn: those with findings, then the most telling (count)."""

_COLUMNS, _GAP, _HEADER = 3, 30, 76
_SCALE = 1.15
"""Pixels on the screen of one in the picture: its smallest letters are 11 pixels high."""

_STYLE = (
    ".s0{fill:#8fcdf0}.s1,.s2{fill:none;stroke-width:1.6}.s1{stroke:#d97f00}.s2{stroke:#b03a84}"
    f"text{{font-size:9.5px;fill:{GREY}}}.name{{font-size:12px;font-weight:600;fill:{INK}}}"
    f".title{{font-size:13px;font-weight:700;fill:{INK}}}.note{{font-size:10.5px;fill:{INK}}}"
)


def histograms(
    columns: Sequence[Mapping[str, Any]], named: Collection[str | None], rows: int
) -> bytes | None:
    """Share of each side's rows by value; None without a feature that has a histogram.

    columns: as in the audit's profile. named: columns with findings. rows: of the sample.
    """
    features = [one for one in columns if one["role"] == "feature" and one["histogram"]]
    shown = sorted(features, key=lambda one: (one["name"] not in named, -_telling(one)))[:_SHOWN]
    if not shown:
        return None
    drawn = [_cell(one) for one in shown]
    lines = [drawn[at : at + _COLUMNS] for at in range(0, len(drawn), _COLUMNS)]
    cells, top = [], _HEADER
    for line in lines:
        for at, (inside, _) in enumerate(line):
            left = at * (WIDTH + _GAP) + _GAP / 2
            cells.append(f'<g transform="translate({left:g} {top})">{inside}</g>')
        top += max(height for _, height in line) + _GAP
    sides = list(shown[0]["histogram"]["by_side"])
    return _page(_header(len(shown), len(features), rows, sides) + "".join(cells), top).encode()


def _telling(one: Mapping[str, Any]) -> float:
    return one["skill"]["z"] if one["skill"] else 0.0


def _page(inside: str, height: float) -> str:
    width = _COLUMNS * (WIDTH + _GAP)
    size = f'width="{width * _SCALE:g}" height="{height * _SCALE:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height:g}" '
        f'font-family="system-ui, sans-serif"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{inside}</svg>'
    )


def _header(shown: int, features: int, rows: int, sides: Sequence[str]) -> str:
    of = f"{shown:,} of {features:,}" if shown < features else f"All {features:,}"
    title = f"{of} features by side of the split, in {rows:,} rows"
    note = (
        "Each bar: share of that side's rows. Sides that differ moved. Those with findings first, "
        "then those that say most about the label."
    )
    left = _GAP / 2
    return (
        f'<text class="title" x="{left:g}" y="18">{title}</text>'
        f'<text class="note" x="{left:g}" y="35">{note}</text>{_legend(sides, left)}'
    )


def _legend(sides: Sequence[str], left: float) -> str:
    parts = []
    for at, name in enumerate(sides):
        x = left + 70 * at
        mark = f"M{x} 44h14v8h-14z" if at == 0 else f"M{x} 48h14"
        words = f'<text class="note" x="{x + 20}" y="52">{escape(name)}</text>'
        parts.append(f'<path class="s{at}" d="{mark}"/>{words}')
    return "".join(parts)


def _cell(one: Mapping[str, Any]) -> tuple[str, float]:
    """A feature's name, what is missing, and its bars; and how high all that is."""
    drawn = picture(Histogram(**one["histogram"]))
    name = printable(one["name"])
    shortened = name if len(name) <= 26 else f"{name[:25]}…"
    head = f'<text class="name" y="-6">{escape(shortened)}</text>'
    aside = f'<text x="{WIDTH}" y="-6" text-anchor="end">{_missing(one)}</text>'
    return f"{head}{aside}{_marks(drawn)}", drawn.height


def _missing(one: Mapping[str, Any]) -> str:
    missing = one["nulls"] + (one["numbers"] or {}).get("nan", 0)
    beyond = one["histogram"]["beyond"]
    told = [f"{missing / one['rows']:.1%} missing"] if missing and one["rows"] else []
    return ", ".join([*told, *([f"{beyond:,} further out"] if beyond else [])])


def _marks(drawn: Picture) -> str:
    paths = [f'<path class="s{line.series}" d="{line.path}"/>' for line in drawn.lines]
    words = [
        f'<text x="{one.x}" y="{one.y}" text-anchor="{one.anchor}">{escape(one.text)}</text>'
        for one in drawn.words
    ]
    return "".join([*paths, *words])
