"""Network or baseline: the verdict, and one sentence that says why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plumbline.errors import SpecError
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Difference, compared
from plumbline.metrics.interval import Interval
from plumbline.spec.metrics import METRICS, OF_TASK, MetricName

NETWORK = "network"
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
    are under `holm`. Without a network, difference is None."""


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


def judge(test: Side, on_val: Mapping[str, Interval]) -> Verdict:
    """Compare the network with the best baseline on the same test rows.

    on_val: the deciding metric of each candidate on the validation rows. The best baseline is
    the best of them; the test rows have no say in it. NETWORK needs the whole interval of the
    difference above the minimum gain, BASELINE has it whole below; what lies between is
    INCONCLUSIVE and keeps the baseline.

    Without groups the interval takes rows as independent. Where many rows share a cause (a
    day's storm, a customer), it is then too narrow.

    Raises:
        SpecError: what is to decide is not measured of so many classes.
        SplitError: the test rows do not define it.
    """
    name = deciding(test)
    test.require_defined(name, "test")
    baselines = [kind for kind in on_val if kind != NETWORK]
    best = max(baselines, key=lambda kind: METRICS[name].sign * on_val[kind].value)
    rule = _Rule(test=test, name=name, baseline=best, on_val=on_val[best])
    if NETWORK not in test.scores:
        return _without_network(rule)
    apart = {kind: test.difference(NETWORK, kind, name) for kind in baselines}
    difference = apart[best].interval(test.options.confidence)
    decision = decide(difference, rule.minimum_gain)
    return Verdict(
        decision=decision,
        winner=NETWORK if decision == "NETWORK" else best,
        reason=rule.told(decision, difference),
        comparison={"network": NETWORK, **rule.record(apart)},
    )


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

    @property
    def minimum_gain(self) -> float:
        """Declared, or the metric's own; of an error a share of the baseline's on val."""
        declared, metric = self.test.options.minimum_gain, METRICS[self.name]
        if declared is not None:
            return declared
        return metric.gain * (abs(self.on_val.value) if metric.relative else 1)

    def record(self, apart: Mapping[str, Difference]) -> dict[str, Any]:
        test, gain = self.test, self.minimum_gain
        found = compared(apart, gain, test.options.confidence)
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
            "differences": found,
        }

    def told(self, decision: Decision, difference: Interval) -> str:
        metric, rows = METRICS[self.name], f"{len(self.test.labels):,} rows"
        pair = ("the network", self.baseline)
        first, second = pair if metric.greater_is_better else pair[::-1]
        groups = self.test.group_count
        measured = (
            f"test {metric.title} of {first} minus that of {second} is "
            f"{metric.written(difference.value, '+')} ({self._percent} interval "
            f"{metric.written(difference.low, '+')} to {metric.written(difference.high, '+')}, "
            f"{rows}{f' in {groups:,} groups' if groups else ''})"
        )
        gain = f"the minimum gain of {self.minimum_gain:g}"
        return {
            "NETWORK": f"{measured}: all of it above {gain}, so the network wins",
            "BASELINE": f"{measured}: all of it below {gain}, so {self.baseline} is kept",
            "INCONCLUSIVE": f"{measured}: it spans {gain}, so {self.baseline} is kept",
        }[decision]

    def alone(self) -> str:
        metric, score = METRICS[self.name], self.on_val
        return (
            f"no network was trained; {self.baseline} is the baseline with the best val "
            f"{metric.title}, {metric.written(score.value)} ({self._percent} interval "
            f"{metric.written(score.low)} to {metric.written(score.high)})"
        )

    @property
    def _percent(self) -> str:
        return f"{100 * self.test.options.confidence:g} %"


def _without_network(rule: _Rule) -> Verdict:
    return Verdict(
        decision="BASELINE",
        winner=rule.baseline,
        reason=rule.alone(),
        comparison={"network": None, **rule.record({})},
    )
