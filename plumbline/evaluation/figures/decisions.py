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
    rows_down,
    title,
    whisker,
)

_POINTS = 600
"""Points per curve; more would not show."""


def reliability(calibration: Mapping[str, Any], kind: str) -> bytes:
    """Share of what happened over the mean probability, before and after calibration.

    On the validation rows by calibrations that each row had no part in; on the test rows as
    released. calibration: as the evaluation's record has it.
    """
    heading = f"{title(kind)}: probabilities before and after calibration ({calibration['method']})"
    drawn = figure(
        3.4,
        heading,
        "Above the dashed line more happens than is predicted. Ten bins of equally many "
        "probabilities, with 95 % intervals; ECE: the mean distance from the line.",
    )
    panels = drawn.subplots(1, 2, sharex=True, sharey=True)
    limit = _limit(calibration)
    for axes, side in zip(panels, ("val", "test"), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, zorder=1)
        for when, hue in (("before", GREY), ("after", colour(kind))):
            if calibration[side][when]:
                told = when if calibration[side]["after"] else "released as it is"
                _bins(axes, calibration[side][when], told, hue)
        axes.set(xlim=(0, limit), ylim=(0, limit))
        dress(
            axes, title=_heading(calibration, side), x="Mean probability", y="Share that happened"
        )
        legend(axes, loc="lower right")
    panels[1].set_ylabel("")
    return png(drawn)


_SIDES = {"val": "val, cross-fitted", "test": "test"}


def _heading(calibration: Mapping[str, Any], side: str) -> str:
    bins = next(found for found in calibration[side].values() if found)["bins"]
    return f"{sum(one['rows'] for one in bins):,} of {_SIDES[side]}"


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
    rule, chosen = choice["rule"], choice["chosen"][0]
    told = ", ".join(f"{name} {value}" for name, value in rule.items())
    drawn = figure(
        3.2,
        f"{title(kind)}: threshold {chosen['threshold']:.4g}, chosen on {len(labels):,} val rows",
        f"Dashed: the threshold, by the rule {told}. From it on a row counts as positive: there "
        f"precision is {chosen['precision']:.3g} and recall {chosen['recall']:.3g}.",
    )
    axes = drawn.subplots()
    # The last threshold is above all scores, where there is no precision.
    at, precision, recall = (_thinned(one[:-1]) for one in curve(labels, scores))
    axes.plot(at, precision, color=colour(kind), linewidth=1.8, label="precision")
    axes.plot(at, recall, color=INK, linewidth=1.8, label="recall")
    if "at_least" in rule:
        axes.axhline(rule["at_least"], color=GREY, linewidth=1)
    axes.axvline(chosen["threshold"], color=GREY, linewidth=1.2, linestyle=DASHED)
    dress(axes, x="Threshold of the calibrated score", y="Precision, recall")
    axes.set(
        xlim=(0, min(1.0, 1.05 * max(float(scores.max()), chosen["threshold"])) or 1.0),
        ylim=(0, 1.02),
    )
    legend(axes, loc="best")
    return png(drawn)


def _thinned(values: np.ndarray) -> np.ndarray:
    return values[np.linspace(0, len(values) - 1, min(len(values), _POINTS)).astype(int)]


def coverage(candidates: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Share of test rows whose set or interval holds the truth, beside what was to be expected.

    candidates: as the evaluation's record has them, with conformal prediction.
    """
    nominal = next(iter(candidates.values()))["conformal"]["nominal"]
    drawn = figure(
        0.7 + 0.45 * len(candidates),
        "Coverage of conformal prediction on the test rows",
        f"Share of rows whose set or interval holds the truth. Dashed: declared, {nominal:g}; "
        "grey: to be expected by chance; lines: 95 % intervals. Size: of the mean set, or width.",
    )
    axes = drawn.subplots()
    for place, (kind, one) in enumerate(candidates.items()):
        _covered(axes, one["conformal"], place, kind)
    axes.axvline(nominal, color=GREY, linewidth=1.2, linestyle=DASHED)
    rows_down(axes, [title(kind) for kind in candidates])
    axes.margins(x=0.25)
    dress(axes, x="Coverage", grid="x")
    return png(drawn)


def _covered(axes: Any, conformal: Mapping[str, Any], place: int, kind: str) -> None:
    found, test = conformal["test"]["coverage"], conformal["test"]
    foreseen = np.mean(conformal["low"]), np.mean(conformal["high"])
    axes.plot(foreseen, [place, place], color=GREY, linewidth=7, alpha=0.25)
    if found is None:
        return
    whisker(axes, found, place, colour(kind))
    text = f"{found['value']:.3f}, size {test['size']['value']:.3g}"
    beside(axes, max(found["high"], foreseen[1]), place, text, offset=6)
