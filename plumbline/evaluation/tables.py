"""The verdict's evidence as rows for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.evaluation.comparison import NETWORK
from plumbline.evaluation.evaluate import Evaluation
from plumbline.spec.metrics import METRICS, Metric


def seeds(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """A row per network: what decides on val and test, and which one may be released."""
    metric = METRICS[evaluation.metric]
    for one in evaluation.seeds.get("networks", []):
        yield {
            "seed": one["seed"],
            f"val {metric.title}": metric.written(one["val"]),
            f"test {metric.title}": metric.written(one["test"]),
            "may be released": "yes" if one["released"] else "no",
        }


def slices(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """A row per slice that was measured, and one per slice that was not, with its reason."""
    metric = METRICS[evaluation.metric]
    for one in evaluation.slices.get("measured", []):
        yield {
            "slice": one["slice"],
            "rows": f"{one['rows']:,}",
            **{kind: written(metric, ends) for kind, ends in one["candidates"].items()},
            **_apart(metric, one),
        }
    for one in evaluation.slices.get("left_out", []):
        empty = dict.fromkeys(evaluation.candidates, "")
        told = {"slice": f"{one['slice']}: {one['why']}", "rows": f"{one['rows']:,}"}
        yield {**told, **empty, **_apart(metric, {"difference": None})}


def _apart(metric: Metric, one: Mapping[str, Any]) -> dict[str, str]:
    """Empty where no network was measured."""
    if one["difference"] is None:
        return dict.fromkeys(("network gains", "p", "adjusted p", "blocks"), "")
    return {
        "network gains": written(metric, one["difference"], "+"),
        "p": f"{one['p_value']:.2g}",
        "adjusted p": f"{one['holm']:.2g}",
        "blocks": "yes" if one["blocks"] else "no" if one["declared"] else "never: it was found",
    }


def complexity(evaluation: Evaluation) -> Iterator[dict[str, str]]:
    """What the network gains and costs, beside the best baseline."""
    metric = METRICS[evaluation.metric]
    difference: Mapping[str, float] | None = evaluation.comparison["difference"]
    for one in evaluation.complexity.get("candidates", []):
        ends = difference if one["candidate"] == NETWORK else None
        yield {
            "candidate": one["candidate"],
            f"gain in {metric.title}": written(metric, ends, "+") if ends else "",
            "one row (ms)": _number(one["one_row_us"], 1e-3, ",.3g"),
            "bytes": _number(one["bytes"], 1, ",.0f"),
            "training (s)": _number(one["seconds"], 1, ",.1f"),
            "trainings": str(one["trainings"]),
            "explanations": one["explanations"],
        }


def written(metric: Metric, ends: Mapping[str, float], sign: str = "") -> str:
    """A value with its interval."""
    value, low, high = (metric.written(ends[end], sign) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _number(found: float | None, unit: float, form: str) -> str:
    return "not measured" if found is None else format(found * unit, form)
