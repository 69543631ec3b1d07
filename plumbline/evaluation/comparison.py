"""Network or baseline: the verdict, and one sentence that says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from plumbline.errors import SpecError
from plumbline.evaluation.seeds import Gain, Spread
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Difference, Reading, compared
from plumbline.metrics.interval import Interval
from plumbline.spec.metrics import METRICS, OF_TASK, MetricName

NETWORK = "network"
_WINS = ", so the network wins"
Decision = Literal["NETWORK", "BASELINE", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    decision: Decision
    winner: str
    """Kind of the candidate to release."""
    reason: str
    comparison: dict[str, Any]
    """network, baseline, metric, minimum_gain; difference: {value, low, high} of the test rows,
    oriented so that more is better for the network, p_value against the minimum gain, method
    and groups (count). differences: the same of every baseline, and adjusted to how many there
    are under `holm`. confidence: of these intervals; networks (count) and mean: of how many
    seeds, and the gain in the mean of them, None for one; reading: which one of the test rows.
    Without a network, difference is None."""


def deciding(side: Side) -> MetricName:
    """The metric that models are compared by: declared, or the task's first.

    Raises:
        SpecError: it is not measured of so many classes.
    """
    chosen = side.options.metric or OF_TASK[side.task][0]
    if chosen not in side.names:
        raise SpecError(
            f"evaluation.metric {chosen!r} is not measured of these scores",
            expected=f"one of {', '.join(side.names)}",
            remedy="choose one of them for evaluation.metric, or leave it out",
        )
    return chosen


def judge(
    test: Side,
    on_val: Mapping[str, Interval],
    *,
    seeds: Spread | None = None,
    reading: Reading = Reading(),  # noqa: B008
) -> Verdict:
    """Compare the network with the best baseline on the same test rows.

    on_val: the deciding metric of each candidate on the validation rows. The best baseline is
    the best of them; the test rows have no say in it. NETWORK needs the whole interval of the
    difference above the minimum gain, BASELINE has it whole below; what lies between is
    INCONCLUSIVE and keeps the baseline.

    seeds: how much networks of other seeds differ, which widens the interval; so does a `reading`
    beyond those that are allowed.

    Without groups the interval takes rows as independent. Where many rows share a cause (a
    day's storm, a customer), it is then too narrow.

    Raises:
        SpecError: what is to decide is not measured of so many classes.
        SplitError: the test rows do not define it.
    """
    name = deciding(test)
    test.require_defined(name, "test")
    baselines = [kind for kind in on_val if kind != NETWORK]
    best = best_on_val(name, {kind: on_val[kind] for kind in baselines})
    rule = _Rule(
        test=test, name=name, baseline=best, on_val=on_val[best], seeds=seeds, reading=reading
    )
    if NETWORK not in test.scores:
        return _without_network(rule)
    apart = {kind: gain(test, kind, name, seeds) for kind in baselines}
    difference = apart[best].interval(rule.confidence)
    decision = decide(difference, rule.minimum_gain)
    return Verdict(
        decision=decision,
        winner=NETWORK if decision == "NETWORK" else best,
        reason=rule.told(decision, difference),
        comparison={"network": NETWORK, **rule.record(apart)},
    )


def best_on_val(name: MetricName, on_val: Mapping[str, Interval]) -> str:
    """The best kind by a metric of the validation rows."""
    return max(on_val, key=lambda kind: METRICS[name].sign * on_val[kind].value)


def blocked(verdict: Verdict, blocks: Sequence[str]) -> Verdict:
    """The verdict after what keeps a network from being released, whatever it gains.

    blocks: why; without any, and where no network was to be released, it is what it was.
    """
    if verdict.decision != "NETWORK" or not blocks:
        return verdict
    baseline = verdict.comparison["baseline"]
    measured = verdict.reason.removesuffix(_WINS)
    return replace(
        verdict,
        decision="BASELINE",
        winner=baseline,
        reason=f"{measured}, but the network is blocked, so {baseline} is kept: "
        + "; ".join(blocks),
    )


def gain(test: Side, baseline: str, name: MetricName, seeds: Spread | None = None) -> Gain:
    """What the network is better by than a baseline, on the same rows."""
    return Gain(rows=test.difference(NETWORK, baseline, name), units=test.units, seeds=seeds)


def decide(difference: Interval, minimum_gain: float) -> Decision:
    """Where the interval of the network's gain lies about the minimum gain."""
    if difference.low > minimum_gain:
        return "NETWORK"
    if difference.high < minimum_gain:
        return "BASELINE"
    return "INCONCLUSIVE"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What is compared by what, fixed before the test rows have a say."""

    test: Side
    name: MetricName
    baseline: str
    on_val: Interval
    seeds: Spread | None
    reading: Reading

    @property
    def confidence(self) -> float:
        return self.reading.confidence(self.test.options.confidence)

    @property
    def networks(self) -> int:
        return self.seeds.networks if self.seeds else 1

    @property
    def minimum_gain(self) -> float:
        """Declared, or the metric's own; of an error a share of the baseline's on val."""
        declared, metric = self.test.options.minimum_gain, METRICS[self.name]
        if declared is not None:
            return declared
        return metric.gain * (abs(self.on_val.value) if metric.relative else 1)

    def record(self, apart: Mapping[str, Difference]) -> dict[str, Any]:
        test, gain = self.test, self.minimum_gain
        found = compared(apart, gain, self.confidence)
        best = found.get(self.baseline)
        ends = {end: best[end] for end in ("value", "low", "high")} if best else None
        return {
            "baseline": self.baseline,
            "metric": self.name,
            "minimum_gain": gain,
            "difference": ends,
            "p_value": best["p_value"] if best else None,
            "method": "DeLong" if test.by_delong(self.name) else "bootstrap",
            "groups": test.group_count,
            "confidence": self.confidence,
            "networks": self.networks if apart else 0,
            "mean": ends["value"] + self.seeds.apart if ends and self.seeds else None,
            "reading": self.reading.number,
            "differences": found,
        }

    def told(self, decision: Decision, difference: Interval) -> str:
        metric, rows = METRICS[self.name], f"{len(self.test.labels):,} rows"
        pair = ("the network", self.baseline)
        first, second = pair if metric.greater_is_better else pair[::-1]
        groups = self.test.group_count
        from_ = [
            f"{rows}{f' in {groups:,} groups' if groups else ''}",
            *self._of_seeds(difference),
            *([f"reading {self.reading.number} of the test rows"] * (self._widened)),
        ]
        measured = (
            f"test {metric.title} of {first} minus that of {second} is "
            f"{metric.written(difference.value, '+')} ({percent(self.confidence)} interval "
            f"{metric.written(difference.low, '+')} to {metric.written(difference.high, '+')}, "
            f"{', '.join(from_)})"
        )
        gain = f"the minimum gain of {self.minimum_gain:g}"
        return {
            "NETWORK": f"{measured}: all of it above {gain}{_WINS}",
            "BASELINE": f"{measured}: all of it below {gain}, so {self.baseline} is kept",
            "INCONCLUSIVE": f"{measured}: it spans {gain}, so {self.baseline} is kept",
        }[decision]

    def alone(self) -> str:
        metric, score = METRICS[self.name], self.on_val
        confidence = percent(self.test.options.confidence)
        return (
            f"no network was trained; {self.baseline} is the baseline with the best val "
            f"{metric.title}, {metric.written(score.value)} ({confidence} interval "
            f"{metric.written(score.low)} to {metric.written(score.high)})"
        )

    def _of_seeds(self, difference: Interval) -> list[str]:
        """The mean over seeds, as an own metric's difference, not turned round."""
        if self.seeds is None:
            return []
        mean = METRICS[self.name].written(difference.value + self.seeds.apart, "+")
        return [f"{mean} in the mean of {self.networks} seeds"]

    @property
    def _widened(self) -> bool:
        return self.confidence > self.test.options.confidence


def percent(confidence: float) -> str:
    """For people: 95 %, and more digits where it is near 1."""
    return f"{100 * confidence:.4g} %"


def _without_network(rule: _Rule) -> Verdict:
    return Verdict(
        decision="BASELINE",
        winner=rule.baseline,
        reason=rule.alone(),
        comparison={"network": None, **rule.record({})},
    )
