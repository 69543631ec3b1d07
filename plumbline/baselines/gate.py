"""The gate before the network: is it worth training?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from plumbline.baselines.score import interval_of
from plumbline.baselines.training import Baseline
from plumbline.spec import BaselinesSpec, GateSpec
from plumbline.spec.metrics import METRICS, MetricName
from plumbline.split.rows import ValRows

GATE = "gate.json"

Decision = Literal["OPEN", "CLOSED"]

_SHOWN = {"auc": "AUC", "rmse": "RMSE"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What training the network is estimated to take."""

    seconds: float | None
    """None: it cannot be estimated."""
    told: str
    """How it was estimated, or why not."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The numbers of the estimate, by name."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule, what it was held against, and what it says."""

    rule: str
    """The option's name."""
    declared: float | bool | None
    """The option's value; None: the rule does not apply."""
    found: float | None
    closes: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    decision: Decision
    reason: str
    evidence: dict[str, Any]
    """metric and confidence; candidates: of each its version, rows and the metric's interval;
    rules: each as `Rule`; rules_say; override: null, or network, reason and author; and cost
    where it was estimated."""


def decide(
    baselines: Sequence[Baseline],
    options: BaselinesSpec,
    gate: GateSpec,
    cost: Cost | None = None,
) -> Gate:
    """CLOSED, so that no network is trained, if a rule says so or `gate.network` is never.

    cost: of the network; needed where `gate.max_network_cost` is declared.
    """
    rules = list(_rules(baselines, options, gate, cost))
    say: Decision = "CLOSED" if any(one.closes for one in rules) else "OPEN"
    forced: dict[str, Decision] = {"always": "OPEN", "never": "CLOSED"}
    return Gate(
        decision=forced.get(gate.network, say),
        reason=_reason(rules, say, gate),
        evidence={
            "metric": baselines[0].training["val"]["metric"],
            "confidence": baselines[0].training["confidence"],
            "candidates": {one.kind: _candidate(one) for one in baselines},
            "rules": [asdict(one) for one in rules],
            "rules_say": say,
            "override": None if gate.network == "auto" else _signed(gate),
            **({"cost": asdict(cost)} if cost else {}),
        },
    )


def judged_by(
    baseline: Baseline, metric: MetricName | None, val: ValRows, options: BaselinesSpec
) -> Baseline:
    """The baseline with the interval of the metric that models are compared by.

    metric: `evaluation.metric`; None: the task's main one, which its training recorded.
    """
    recorded = baseline.training["val"]
    if metric in (None, recorded["metric"]):
        return baseline
    found = interval_of(
        metric,
        val.coding.task,
        val.labels(),
        baseline.val_scores(),
        val.weights(),
        confidence=options.confidence,
        seed=options.seed,
    )
    measured = {**recorded, "metric": metric, "interval": asdict(found)}
    return replace(baseline, training={**baseline.training, "val": measured})


def build(
    baselines: Sequence[Baseline],
    options: BaselinesSpec,
    gate: GateSpec,
    folder: Path,
    cost: Cost | None = None,
) -> None:
    """Decide, and write the decision into an existing folder."""
    decided = asdict(decide(baselines, options, gate, cost))
    text = json.dumps(decided, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / GATE).write_text(text, "utf-8")


def load(folder: Path) -> Gate:
    """The decision that `build` wrote."""
    return Gate(**json.loads((folder / GATE).read_text("utf-8")))


def _rules(
    baselines: Sequence[Baseline], options: BaselinesSpec, gate: GateSpec, cost: Cost | None
) -> Iterator[Rule]:
    yield _sufficient(baselines, options.sufficient_score)
    yield _few_rows(baselines[0].training["rows"], gate.min_rows_for_network)
    yield _explained(required=gate.explanations_required)
    yield _expensive(cost, gate.max_network_cost)


def _sufficient(baselines: Sequence[Baseline], sufficient: float | None) -> Rule:
    metric: MetricName = baselines[0].training["val"]["metric"]
    sign, end = METRICS[metric].sign, "lower" if METRICS[metric].greater_is_better else "upper"
    best = max(baselines, key=lambda one: sign * _interval(one)[_END[end]])
    found = _interval(best)[_END[end]]
    closes = sufficient is not None and sign * (found - sufficient) >= 0
    if sufficient is None:
        told = "no sufficient_score is declared; the best baseline is"
    elif closes:
        told = f"{best.kind} already meets sufficient_score {sufficient:g}"
    else:
        told = f"no baseline's {end} end reaches sufficient_score {sufficient:g}; the closest is"
    named = "" if closes else f" {best.kind}"
    return Rule(
        rule="sufficient_score",
        declared=sufficient,
        found=found,
        closes=closes,
        told=f"{told}{named} ({_measured(best, metric)})",
    )


_END = {"lower": "low", "upper": "high"}


def _few_rows(rows: int, least: int | None) -> Rule:
    closes = least is not None and rows < least
    told = f"{rows:,} training rows"
    if least is None:
        told += "; no min_rows_for_network is declared"
    else:
        told += f" {'are fewer than' if closes else 'reach'} min_rows_for_network {least:,}"
    return Rule(rule="min_rows_for_network", declared=least, found=rows, closes=closes, told=told)


def _explained(*, required: bool) -> Rule:
    told = (
        "explanations_required: XGBoost's contributions explain a prediction exactly, a network's "
        "answer is explained by none"
        if required
        else "no explanations are required"
    )
    return Rule(
        rule="explanations_required",
        declared=required or None,
        found=None,
        closes=required,
        told=told,
    )


def _expensive(cost: Cost | None, most: float | None) -> Rule:
    seconds = cost.seconds if cost else None
    closes = most is not None and seconds is not None and seconds > most
    if most is None:
        told = "no max_network_cost is declared"
    elif cost is None or seconds is None:
        told = (
            f"max_network_cost {most:g} s: no estimate ({cost.told if cost else 'not asked for'})"
        )
    else:
        where = "above" if closes else "within"
        told = f"an estimated {seconds:,.0f} s of training are {where} max_network_cost {most:g} s"
        told += f" ({cost.told})"
    return Rule(
        rule="max_network_cost",
        declared=most,
        found=seconds if most is not None else None,
        closes=closes,
        told=told,
    )


def _reason(rules: Sequence[Rule], say: Decision, gate: GateSpec) -> str:
    """Of CLOSED what closes; of OPEN the score, and whatever else is declared."""
    told = [one.told for one in rules if one.closes]
    if say == "OPEN":
        told = [rules[0].told, *(one.told for one in rules[1:] if one.declared is not None)]
    said = "; ".join(told)
    if gate.network == "auto":
        return said
    signed = f"{gate.author} declared network: {gate.network} ({gate.reason})"
    return f"{signed}; the rules say {say}: {said}"


def _signed(gate: GateSpec) -> dict[str, str]:
    return {"network": gate.network, "reason": gate.reason, "author": gate.author}


def _measured(baseline: Baseline, metric: MetricName) -> str:
    digits = ".4f" if METRICS[metric].greater_is_better else ".5g"
    value, low, high = (
        format(_interval(baseline)[one], digits) for one in ("value", "low", "high")
    )
    confidence = 100 * baseline.training["confidence"]
    return f"val {_SHOWN.get(metric, metric)} {value}, {confidence:g} % interval {low} to {high}"


def _interval(baseline: Baseline) -> dict[str, float]:
    return baseline.training["val"]["interval"]


def _candidate(baseline: Baseline) -> dict[str, Any]:
    return {
        "model_version": baseline.model_version,
        "rows": baseline.training["rows"],
        **_interval(baseline),
    }
