"""What was decided on the validation rows, and whether the test rows bear it out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plumbline.decision.thresholds import curve
from plumbline.evaluation.figures.style import (
    DASHED,
    GREY,
    INK,
    beside,
    colour,
    dress,
    figure,
    legend,
    png,
    title,
)

_POINTS = 600
"""Points per curve; more would not show."""


def reliability(calibration: Mapping[str, Any], kind: str) -> bytes:
    """Share of what happened over the mean probability, before and after calibration.

    On the validation rows by calibrations that each row had no part in; on the test rows as
    released. calibration: as the evaluation's record has it.
    """
    drawn = figure(3.9)
    panels = drawn.subplots(1, 2, sharex=True, sharey=True)
    limit = _limit(calibration)
    for axes, side in zip(panels, ("val", "test"), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, zorder=1)
        for when, hue in (("before", GREY), ("after", colour(kind))):
            if calibration[side][when]:
                told = when if calibration[side]["after"] else "released as it is"
                _bins(axes, calibration[side][when], told, hue)
        axes.set(xlim=(0, limit), ylim=(0, limit))
        dress(axes, title=_SIDES[side], x="Mean probability", y="Share that happened")
        legend(axes, loc="lower right")
    panels[1].set_ylabel("")
    heading = f"{title(kind)}, calibration: {calibration['method']}"
    drawn.suptitle(heading, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return png(drawn)


_SIDES = {"val": "Val, cross-fitted", "test": "Test"}


def _limit(calibration: Mapping[str, Any]) -> float:
    """Rare events would vanish in the corner of a full unit square."""
    points = [
        max(one["predicted"], one["high"])
        for side in _SIDES
        for found in calibration[side].values()
        if found
        for one in found["bins"]
    ]
    return min(1.0, 1.05 * max(points))


def _bins(axes: Any, found: Mapping[str, Any], told: str, hue: str) -> None:
    ece, by = found["ece"], {end: _column(found["bins"], end) for end in found["bins"][0]}
    axes.errorbar(
        by["predicted"],
        by["observed"],
        yerr=np.maximum(0, [by["observed"] - by["low"], by["high"] - by["observed"]]),
        color=hue,
        marker="o",
        markersize=4,
        linewidth=1.5,
        elinewidth=1,
        label=f"{told}: ECE {ece['value']:.3f}",
    )


def _column(bins: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([one[name] for one in bins])


def threshold(
    labels: np.ndarray, scores: np.ndarray, choice: Mapping[str, Any], kind: str
) -> bytes:
    """Precision and recall of the validation rows at every threshold; a line where it was set.

    labels, and calibrated scores: shape (n,). choice: as the evaluation's record has it.
    """
    drawn = figure(3.6)
    axes = drawn.subplots()
    # The last threshold is above all scores, where there is no precision.
    at, precision, recall = (_thinned(one[:-1]) for one in curve(labels, scores))
    axes.plot(at, precision, color=colour(kind), linewidth=1.8, label="precision")
    axes.plot(at, recall, color=INK, linewidth=1.8, label="recall")
    rule, chosen = choice["rule"], choice["chosen"][0]
    if "at_least" in rule:
        axes.axhline(rule["at_least"], color=GREY, linewidth=1)
    axes.axvline(chosen["threshold"], color=GREY, linewidth=1.2, linestyle=DASHED)
    beside(axes, chosen["threshold"], 0.04, f"{chosen['threshold']:.4g}")
    told = ", ".join(f"{name} {value}" for name, value in rule.items())
    heading = f"{title(kind)}: threshold on {len(labels):,} val rows ({told})"
    dress(axes, title=heading, x="Threshold of the calibrated score")
    axes.set(xlim=(0, min(1.0, 1.05 * float(scores.max()))), ylim=(0, 1.02))
    legend(axes, loc="best")
    return png(drawn)


def _thinned(values: np.ndarray) -> np.ndarray:
    return values[np.linspace(0, len(values) - 1, min(len(values), _POINTS)).astype(int)]


def coverage(candidates: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Share of test rows whose set or interval holds the truth, beside what was to be expected.

    candidates: as the evaluation's record has them, with conformal prediction.
    """
    drawn = figure(1.5 + 0.5 * len(candidates))
    axes = drawn.subplots()
    for place, (kind, one) in enumerate(candidates.items()):
        _covered(axes, one["conformal"], place, kind)
    nominal = next(iter(candidates.values()))["conformal"]["nominal"]
    axes.axvline(nominal, color=GREY, linewidth=1.2, linestyle=DASHED)
    axes.set_yticks(range(len(candidates)), [title(kind) for kind in candidates])
    axes.set_ylim(len(candidates) - 0.5, -0.5)
    axes.margins(x=0.25)
    dress(axes, title="Coverage of conformal prediction on the test rows", grid="x")
    axes.set_xlabel(f"dashed: declared {nominal:g}; grey: to be expected", fontsize=9, color=GREY)
    return png(drawn)


def _covered(axes: Any, conformal: Mapping[str, Any], place: int, kind: str) -> None:
    found, test = conformal["test"]["coverage"], conformal["test"]
    foreseen = np.mean(conformal["low"]), np.mean(conformal["high"])
    axes.plot(foreseen, [place, place], color=GREY, linewidth=7, alpha=0.25)
    if found is None:
        return
    axes.plot([found["low"], found["high"]], [place, place], color=colour(kind), linewidth=2)
    axes.plot(found["value"], place, marker="o", markersize=6.5, color=colour(kind))
    text = f"{found['value']:.3f}, size {test['size']['value']:.3g}"
    beside(axes, max(found["high"], foreseen[1]), place, text, offset=6)
