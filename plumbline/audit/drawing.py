"""Histograms as the few paths and words of a small SVG picture."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plumbline.audit.histograms import Histogram

WIDTH = 240
"""Of every picture (pixels)."""

_TOP, _AXIS = 4, 14
_TALL = 92
"""Height of the bars of intervals (pixels)."""
_ROW, _WORDS = 14, 98
"""Height of a value's row, and width of its name (pixels)."""
_LETTERS = 14
"""Of a value's name that fit (count)."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """All bars of one series, as one path."""

    series: int
    """0 is drawn as filled bars, the others as lines over them."""
    path: str


@dataclass(frozen=True, kw_only=True)
class Word:
    x: float
    y: float
    anchor: str
    text: str
    whole: str
    """The text before it was shortened."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    height: int
    lines: tuple[Line, ...]
    words: tuple[Word, ...]
    title: str
    """What is shown, for who cannot see it."""


def picture(histogram: Histogram, *, by_label: bool = False) -> Picture:
    """The shares of each series' rows per bar; the first series filled, the others outlined."""
    series = histogram.by_label if by_label else histogram.by_side
    shares = [_shares(counts) for counts in series.values()]
    most = max((max(one, default=0.0) for one in shares), default=0.0) or 1.0
    if histogram.names:
        return _rows(histogram.names, list(series), shares, most)
    return _intervals(histogram, list(series), shares, most)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _intervals(
    histogram: Histogram, names: list[str], shares: list[list[float]], most: float
) -> Picture:
    bottom = _TOP + _TALL
    step = WIDTH / max(len(shares[0]), 1)
    lines = []
    for series, one in enumerate(shares):
        tops = [bottom - _TALL * share / most for share in one]
        made = _filled(tops, step, bottom) if series == 0 else _stepped(tops, step, bottom)
        lines.append(Line(series=series, path=made))
    low, last = histogram.low or 0.0, histogram.last or 0.0
    words = (
        _word(0, bottom + 11, "start", f"{low:.6g}"),
        _word(WIDTH / 2, bottom + 11, "middle", f"{low / 2 + last / 2:.4g}"),
        _word(WIDTH, bottom + 11, "end", f"{last:.6g}"),
    )
    return Picture(
        height=bottom + _AXIS,
        lines=tuple(lines),
        words=words,
        title=f"share of rows from {low:.6g} to {last:.6g}: {', '.join(names)}",
    )


def _filled(tops: list[float], step: float, bottom: float) -> str:
    gap = min(1.0, step / 6)
    return "".join(
        f"M{at * step:.1f} {bottom}V{top:.1f}h{step - gap:.1f}V{bottom}z"
        for at, top in enumerate(tops)
        if top < bottom
    )


def _stepped(tops: list[float], step: float, bottom: float) -> str:
    return f"M0 {bottom}" + "".join(
        f"V{top:.1f}H{(at + 1) * step:.1f}" for at, top in enumerate(tops)
    )


def _rows(
    values: Sequence[str], names: list[str], shares: list[list[float]], most: float
) -> Picture:
    """A row per value: its name, a bar for the first series, a mark for each other."""
    scale = (WIDTH - _WORDS - 34) / most
    lines = []
    for series, one in enumerate(shares):
        path = "".join(
            _bar(at, share * scale) if series == 0 else _mark(at, share * scale)
            for at, share in enumerate(one)
        )
        lines.append(Line(series=series, path=path))
    words = [
        _word(_WORDS - 5, at * _ROW + _TOP + 10, "end", _shortened(value), value)
        for at, value in enumerate(values)
    ]
    reach = [max(one[at] for one in shares) * scale for at in range(len(values))]
    words += [
        _word(_WORDS + reach[at] + 4, at * _ROW + _TOP + 10, "start", f"{share:.1%}")
        for at, share in enumerate(shares[0])
    ]
    return Picture(
        height=len(values) * _ROW + 2 * _TOP,
        lines=tuple(lines),
        words=tuple(words),
        title=f"share of rows by value: {', '.join(names)}",
    )


def _bar(at: int, length: float) -> str:
    return f"M{_WORDS} {at * _ROW + _TOP + 1}h{length:.1f}v{_ROW - 4}h{-length:.1f}z"


def _mark(at: int, length: float) -> str:
    return f"M{_WORDS + length:.1f} {at * _ROW + _TOP}v{_ROW - 2}"


def _word(x: float, y: float, anchor: str, text: str, whole: str | None = None) -> Word:
    return Word(x=round(x, 1), y=y, anchor=anchor, text=text, whole=printable(whole or text))


def _shortened(value: str) -> str:
    plain = printable(value)
    if not plain.strip():
        return repr(plain)
    return plain if len(plain) <= _LETTERS else plain[: _LETTERS - 1] + "…"


def printable(text: str) -> str:
    """Text without control characters, which would end an XML document before its time."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "�" for c in text)


def series_names(histograms: Sequence[Histogram]) -> tuple[list[str], list[str]]:
    """Sides and label groups, for the legend."""
    first: Mapping[str, object] = histograms[0].by_side if histograms else {}
    labels: Mapping[str, object] = histograms[0].by_label if histograms else {}
    return list(first), list(labels)
