"""The figures of an evaluation, by task."""

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.evaluation.figures.confusion import confusion
from plumbline.evaluation.figures.decisions import coverage, reliability, threshold
from plumbline.evaluation.figures.label_areas import label_areas
from plumbline.evaluation.figures.numbers import predicted, residuals
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
from plumbline.evaluation.figures.slices import forest, seeds
from plumbline.evaluation.figures.verdict import intervals
from plumbline.evaluation.sides import Side


def of_evaluation(
    record: Mapping[str, Any], test: Side, classes: Sequence[str]
) -> dict[str, bytes]:
    """PNG by name: candidates with their intervals, and what the task's scores look like.

    record: as `Evaluation`'s fields. classes: names of the classes or labels.
    """
    candidates, confidence = record["candidates"], record["confidence"]
    drawn = intervals(candidates, record["comparison"], confidence)
    return {**_of_task(record, test, classes), "intervals": drawn, **_evidence(record)}


def _evidence(record: Mapping[str, Any]) -> dict[str, bytes]:
    """Of slices and seeds, where there is something to compare."""
    comparison = record["comparison"]
    found = {
        "slices": forest(record["slices"], comparison, record["confidence"]),
        "seeds": seeds(record["seeds"], comparison),
    }
    return {name: png for name, png in found.items() if png is not None}


def of_decision(record: Mapping[str, Any], val: Side) -> dict[str, bytes]:
    """PNG by name: what was decided of the winner's scores, and whether coverage was kept.

    record: as `Evaluation`'s fields. val: calibrated scores.
    """
    candidates, winner = record["candidates"], record["winner"]
    one, drawn = candidates[winner], {}
    if one["calibration"]["test"]["before"]:
        drawn["reliability"] = reliability(one["calibration"], winner)
    if val.task == "binary":
        drawn["threshold"] = threshold(val.labels, val.scores[winner], one["choice"], winner)
    if one["conformal"]:
        drawn["coverage"] = coverage(candidates)
    return drawn


def _of_task(record: Mapping[str, Any], test: Side, classes: Sequence[str]) -> dict[str, bytes]:
    labels, scores, winner = test.labels, test.scores, record["winner"]
    match test.task:
        case "binary":
            measured = {kind: one["test"] for kind, one in record["candidates"].items()}
            told = (measured, record["confidence"])
            return {
                "roc": roc(labels, scores, *told),
                "precision_recall": precision_recall(labels, scores, *told),
                "calibration": calibration(labels, scores),
            }
        case "multiclass":
            return {"confusion": confusion(labels, scores[winner], classes, winner)}
        case "multilabel":
            return {"label_areas": label_areas(labels, scores, classes)}
        case "regression":
            return {
                "predicted": predicted(labels, scores[winner], winner),
                "residuals": residuals(labels, scores),
            }
