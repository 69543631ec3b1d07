"""Network or baseline: the verdict, and one sentence that says why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from plumbline.baselines.auc import Interval, delong_paired
from plumbline.spec import EvaluationSpec

NETWORK = "network"
Decision = Literal["NETWORK", "BASELINE", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    decision: Decision
    winner: str
    """Kind of the candidate to release."""
    reason: str
    comparison: dict[str, Any]
    """network, baseline, minimum_gain, and difference: {value, low, high} of the test AUCs."""


def judge(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    val_auc: Mapping[str, Interval],
    options: EvaluationSpec,
) -> Verdict:
    """Compare the network with the best baseline on the same test rows.

    labels, and scores by kind: test rows, shape (n,). The best baseline is that with the
    greatest val AUC; the test rows have no say in it. NETWORK needs the whole interval of
    the difference above `minimum_gain`, BASELINE has it whole below; what lies between is
    INCONCLUSIVE and keeps the baseline.

    The interval takes rows as independent. Where many rows share a cause (a day's storm, a
    customer), it is too narrow.
    """
    baseline = max((kind for kind in val_auc if kind != NETWORK), key=lambda k: val_auc[k].value)
    if NETWORK not in scores:
        return _without_network(baseline, val_auc[baseline], options)
    difference = delong_paired(labels, scores[NETWORK], scores[baseline], options.confidence)
    decision = decide(difference, options.minimum_gain)
    return Verdict(
        decision=decision,
        winner=NETWORK if decision == "NETWORK" else baseline,
        reason=_reason(decision, baseline, difference, len(labels), options),
        comparison={
            "network": NETWORK,
            "baseline": baseline,
            "difference": asdict(difference),
            "minimum_gain": options.minimum_gain,
        },
    )


def decide(difference: Interval, minimum_gain: float) -> Decision:
    """Where the interval of network minus baseline lies about the minimum gain."""
    if difference.low > minimum_gain:
        return "NETWORK"
    if difference.high < minimum_gain:
        return "BASELINE"
    return "INCONCLUSIVE"


def _without_network(baseline: str, score: Interval, options: EvaluationSpec) -> Verdict:
    return Verdict(
        decision="BASELINE",
        winner=baseline,
        reason=(
            f"no network was trained; {baseline} is the baseline with the best val AUC, "
            f"{score.value:.4f} ({_percent(options)} interval {score.low:.4f} to {score.high:.4f})"
        ),
        comparison={
            "network": None,
            "baseline": baseline,
            "difference": None,
            "minimum_gain": options.minimum_gain,
        },
    )


def _reason(
    decision: Decision, baseline: str, difference: Interval, rows: int, options: EvaluationSpec
) -> str:
    measured = (
        f"test AUC of the network minus that of {baseline} is {difference.value:+.4f} "
        f"({_percent(options)} interval {difference.low:+.4f} to {difference.high:+.4f}, "
        f"{rows:,} rows)"
    )
    gain = f"the minimum gain of {options.minimum_gain:g}"
    return {
        "NETWORK": f"{measured}: all of it above {gain}, so the network wins",
        "BASELINE": f"{measured}: all of it below {gain}, so {baseline} is kept",
        "INCONCLUSIVE": f"{measured}: it spans {gain}, so {baseline} is kept",
    }[decision]


def _percent(options: EvaluationSpec) -> str:
    return f"{100 * options.confidence:g} %"
