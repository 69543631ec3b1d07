"""The figures of an evaluation, by task."""

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.evaluation.figures.confusion import confusion
from plumbline.evaluation.figures.label_areas import label_areas
from plumbline.evaluation.figures.numbers import predicted, residuals
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
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
    return {**_of_task(record, test, classes), "intervals": drawn}


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
