"""What the models were given: rows and labels by side of the split."""

from collections.abc import Mapping
from typing import Any

from plumbline.evaluation.figures.style import (
    GREY,
    INK,
    SIDES,
    beside,
    counted,
    dress,
    figure,
    legend_below,
    percent,
    png,
    rows_down,
    short,
)

_CLASSES = 6
"""Classes that are drawn by themselves; the rarer ones are drawn together."""
_CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#c8ccd1")


def split_bars(certificate: Mapping[str, Any]) -> bytes:
    """Rows of each side, and what their labels are: by task, with intervals.

    certificate: as `Split.certificate`.
    """
    sides, excluded = certificate["sides"], certificate["excluded"]
    counts = {**sides, **({"excluded": excluded} if excluded["rows"] else {})}
    drawn = figure(
        2.0 + (0.4 if len(counts) > len(sides) else 0) + _legend_height(sides),
        f"{sum(side['rows'] for side in counts.values()):,} rows by side of the split",
        _reading(certificate),
    )
    left, right = drawn.subplots(1, 2, sharey=True)
    for place, (name, side) in enumerate(counts.items()):
        left.barh(place, side["rows"], height=0.62, color=SIDES.get(name, GREY))
        _tell(left, place, side["rows"], f"{side['rows']:,} ({side['share']:.1%})")
    _draw_labels(right, sides)
    if _legend_height(sides):
        legend_below(drawn)
    rows_down(left, list(counts))
    counted(left.xaxis)
    left.xaxis.get_major_locator().set_params(nbins=4)
    dress(left, title="Rows", grid="x")
    return png(drawn)


def _reading(certificate: Mapping[str, Any]) -> str:
    """What the certificate says beside the counts."""
    told, duplicates = [], certificate.get("duplicates")
    if groups := certificate.get("groups"):
        column = short(groups["column"], 30)
        told.append(f"{groups['straddling']:,} of {groups['count']:,} groups of {column} straddle.")
    if duplicates and duplicates["mode"] != "keep":
        straddling = sum(duplicates["straddling"].values())
        told.append(f"{straddling:,} rows of val and test repeat one of an earlier side.")
    if time := certificate.get("time"):
        starts = (
            f"{side} from {time['ranges'][side]['first'][:10]}"
            for side in ("train", "val", "test")
            if time["ranges"].get(side)
        )
        told.append(f"By time: {', '.join(starts)}.")
    told.append(
        _LABELS.get(certificate.get("task", ""), "Black lines: 95 % intervals of the shares.")
    )
    return " ".join(told)


_LABELS = {
    "regression": "Right: mean of the label, one standard deviation either side, and in black the "
    "mean's 95 % interval.",
    "multiclass": "Right: what share of a side's rows is of each class, the commonest first.",
    "multilabel": "Right: what share of a side's rows has each label, the commonest first.",
}


def _draw_labels(axes: Any, sides: Mapping[str, Any]) -> None:
    train = sides["train"]
    if "classes" in train:
        _draw_classes(axes, sides)
    elif "labels" in train:
        _draw_several(axes, sides)
    elif "mean" in train:
        _draw_means(axes, sides)
    else:
        _draw_rates(axes, sides)


def _draw_rates(axes: Any, sides: Mapping[str, Any]) -> None:
    for place, (name, side) in enumerate(sides.items()):
        if rate := side["label_rate"]:
            axes.barh(place, rate["value"], height=0.62, color=SIDES.get(name, GREY))
            axes.plot([rate["low"], rate["high"]], [place, place], color=INK, linewidth=1.5)
            _tell(axes, place, rate["high"], f"{rate['value']:.2%}")
    percent(axes.xaxis)
    dress(axes, title="Share of positives", grid="x")


def _draw_classes(axes: Any, sides: Mapping[str, Any]) -> None:
    for place, side in enumerate(sides.values()):
        start = 0.0
        for (name, share), hue in zip(_shares(side, sides), _CLASS_COLOURS, strict=False):
            label = short(name) if place == 0 else None
            axes.barh(place, share, left=start, height=0.62, color=hue, label=label)
            start += share
    axes.set_xlim(0, 1)
    percent(axes.xaxis)
    dress(axes, title="Share of each class", grid="x")


def _draw_several(axes: Any, sides: Mapping[str, Any]) -> None:
    """Shares of the commonest labels, a thin bar for each."""
    labels = sides["train"]["labels"]
    shown = sorted(labels, key=lambda name: -labels[name]["rows"])[:_CLASSES]
    height = 0.62 / len(shown)
    for place, side in enumerate(sides.values()):
        for at, (name, hue) in enumerate(zip(shown, _CLASS_COLOURS, strict=False)):
            share = side["labels"][name]["rows"] / (side["rows"] or 1)
            middle = place - 0.31 + (at + 0.5) * height
            axes.barh(
                middle, share, height=height, color=hue, label=short(name) if not place else None
            )
    percent(axes.xaxis)
    left_out = len(labels) - len(shown)
    dress(axes, title="Share of each label" + (f"; {left_out} more" if left_out else ""), grid="x")


def _draw_means(axes: Any, sides: Mapping[str, Any]) -> None:
    for place, (name, side) in enumerate(sides.items()):
        if mean := side["mean"]:
            hue, value, std = SIDES.get(name, GREY), mean["value"], side["std"]
            axes.barh(place, 2 * std, left=value - std, height=0.3, color=hue)
            ends = [value if end is None else end for end in (mean["low"], mean["high"])]
            axes.plot(ends, [place, place], color=INK, linewidth=4)
            beside(axes, value + std, place, f"{value:,.4g}")
    low, high = axes.get_xlim()
    axes.set_xlim(low - 0.1 * (high - low), high + 0.3 * (high - low))
    dress(axes, title="Mean of the label", grid="x")


def _shares(side: Mapping[str, Any], sides: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Share of each of train's most frequent classes, and of all others, on one side."""
    classes, rows = side["classes"], side["rows"] or 1
    frequent = sorted(classes, key=lambda name: -sides["train"]["classes"][name]["rows"])
    shares = [(name, classes[name]["rows"] / rows) for name in frequent[:_CLASSES]]
    others = sum(classes[name]["rows"] for name in frequent[_CLASSES:])
    more = len(frequent) - _CLASSES
    return [*shares, *([(f"{more} more", others / rows)] if more > 0 else [])]


def _legend_height(sides: Mapping[str, Any]) -> float:
    """Inches below the bars for the names of the classes, three in a line."""
    train = sides["train"]
    classes = min(len(train.get("classes") or train.get("labels", ())), _CLASSES + 1)
    return 0.25 * -(-classes // 3)


def _tell(axes: Any, place: int, end: float, text: str) -> None:
    beside(axes, end, place, text)
    # Room for the text beside the longest bar.
    axes.set_xlim(0, max(axes.get_xlim()[1], end * 1.5))
