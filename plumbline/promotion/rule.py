"""Whether a new bundle is good enough to take a champion's place: one rule, one sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from plumbline.evaluation.comparison import deciding, percent
from plumbline.evaluation.seeds import Gain
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.promotion.entrants import CHALLENGER, CHAMPION
from plumbline.spec import PipelineSpec
from plumbline.spec.metrics import METRICS, MetricName

TITLES = {CHAMPION: "the champion", "dummy": "the dummy model", "linear": "the linear model"}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the rule says, with all the numbers that it read."""

    wins: bool
    reason: str
    metric: MetricName
    promote_when: str
    confidence: float
    """Coverage of the intervals that decided: greater than declared where the test rows were read
    before."""
    reading: int
    """Which reading of the test rows it was; the first one is 1."""
    method: str
    groups: int | None
    entrants: dict[str, dict[str, dict[str, float]]]
    """By name and metric: value, low and high, at the declared confidence."""
    differences: dict[str, dict[str, Any]]
    """By incumbent: value, low and high, turned so that more is better for the new bundle; needed,
    which low has to lie above; p_value of gaining no more than that; and wins."""


def judge(
    side: Side, on_val: Mapping[str, Mapping[str, Any]], spec: PipelineSpec, reading: Reading
) -> Judged:
    """Hold the challenger against everybody else on the side.

    on_val: metrics of each incumbent on its own validation rows, by name.

    The new bundle wins where the whole interval of what it gains lies above the margin, or above
    the margin below nothing if it only has not to be worse. Of several incumbents it has to beat
    each, so that no choice among them is made on these rows.

    Raises:
        SpecError: what is to decide is not measured of so many classes.
        SplitError: the rows do not define it.
    """
    name = deciding(side)
    side.require_defined(name, "compared")
    confidence = reading.confidence(side.options.confidence)
    differences = {
        incumbent: _against(side, incumbent, name, _needed(name, measured, spec), confidence)
        for incumbent, measured in on_val.items()
    }
    return Judged(
        wins=all(one["wins"] for one in differences.values()),
        reason=_told(side, name, differences, confidence),
        metric=name,
        promote_when=spec.promotion.promote_when,
        confidence=confidence,
        reading=reading.number,
        method="DeLong" if side.by_delong(name) else "bootstrap",
        groups=side.group_count,
        entrants={
            kind: {metric: asdict(found) for metric, found in one.items()}
            for kind, one in side.intervals().items()
        },
        differences=differences,
    )


def _against(
    side: Side, incumbent: str, name: MetricName, needed: float, confidence: float
) -> dict[str, Any]:
    gain = Gain(rows=side.difference(CHALLENGER, incumbent, name), units=side.units)
    found = gain.interval(confidence)
    wins = bool(found.low > needed)
    return {**asdict(found), "needed": needed, "p_value": gain.p_value(needed), "wins": wins}


def _needed(name: MetricName, on_val: Mapping[str, Any], spec: PipelineSpec) -> float:
    """The margin: declared for promotions, or for the evaluation, or the metric's own."""
    sign = 1 if spec.promotion.promote_when == "better" else -1
    for declared in (spec.promotion.margin, spec.evaluation.minimum_gain):
        if declared is not None:
            return sign * declared
    metric = METRICS[name]
    return sign * metric.gain * (abs(on_val.get(name) or 0.0) if metric.relative else 1)


def _told(
    side: Side, name: MetricName, differences: Mapping[str, Mapping[str, Any]], confidence: float
) -> str:
    hardest = min(differences, key=lambda one: differences[one]["low"] - differences[one]["needed"])
    found, metric = differences[hardest], METRICS[name]
    pair = ("the new bundle", TITLES[hardest])
    first, second = pair if metric.greater_is_better else pair[::-1]
    groups = side.group_count
    low, high = (metric.written(found[end], "+") for end in ("low", "high"))
    lies = "lies above" if found["wins"] else "does not lie wholly above"
    return (
        f"{metric.title} of {first} minus that of {second} is "
        f"{metric.written(found['value'], '+')} ({percent(confidence)} interval {low} to "
        f"{high}, {len(side.labels):,} rows{f' in {groups:,} groups' if groups else ''} that "
        f"neither learned of): it {lies} {found['needed']:+g}"
    )
