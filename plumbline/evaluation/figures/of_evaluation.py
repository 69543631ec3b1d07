"""The figures of an evaluation, by task, from what it stored."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plumbline.decision.decision import BOTH, Decision
from plumbline.evaluation.evaluate import Evaluation, test_scores
from plumbline.evaluation.figures.confusion import confusion
from plumbline.evaluation.figures.decisions import coverage, reliability, threshold
from plumbline.evaluation.figures.label_areas import label_answers, label_areas
from plumbline.evaluation.figures.numbers import predicted, residuals
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
from plumbline.evaluation.figures.slices import forest, seeds
from plumbline.evaluation.figures.verdict import intervals


@dataclass(frozen=True, kw_only=True)
class WinnersVal:
    """The validation rows, as the winner scored them before calibration."""

    labels: np.ndarray
    """As `Rows.labels` gives them."""
    scores: np.ndarray
    """Shape (n,), or (n, classes or labels)."""


Draw = Callable[[], bytes | None]
"""Gives a PNG; None where there is nothing to show."""


def of_evaluation(
    evaluation: Evaluation, val: WinnersVal, *, grouped: bool = False
) -> dict[str, Draw]:
    """By name: what decided, what the task's scores look like, and what is answered of them.

    grouped: rows come in groups, so that no band of independent rows is drawn.
    """
    decision = Decision.from_json(evaluation.candidates[evaluation.winner]["decision"])
    comparison, confidence = evaluation.comparison, evaluation.confidence
    return {
        "intervals": lambda: intervals(evaluation.candidates, comparison, confidence),
        **_of_task(evaluation, decision, bands=not grouped),
        **_of_decision(evaluation, decision, val),
        "slices": lambda: forest(evaluation.slices, comparison, confidence),
        "seeds": lambda: seeds(evaluation.seeds, comparison),
    }


def _of_decision(evaluation: Evaluation, decision: Decision, val: WinnersVal) -> dict[str, Draw]:
    winner, one = evaluation.winner, evaluation.candidates[evaluation.winner]
    drawn: dict[str, Draw] = {}
    if one["calibration"]["test"]["before"]:
        drawn["reliability"] = lambda: reliability(one["calibration"], winner)
    if decision.task == "binary":
        drawn["threshold"] = lambda: threshold(
            val.labels, decision.calibrated(val.scores), one["choice"], winner
        )
    if one["conformal"]:
        drawn["coverage"] = lambda: coverage(evaluation.candidates)
    return drawn


def _of_task(evaluation: Evaluation, decision: Decision, *, bands: bool) -> dict[str, Draw]:
    labels, scores = test_scores(evaluation.folder)
    winner, classes, cuts = evaluation.winner, decision.classes or BOTH, decision.cuts
    match decision.task:
        case "binary":
            told = {kind: one["test"] for kind, one in evaluation.candidates.items()}
            measured = (labels, scores, told, evaluation.confidence)
            at = f", positive from {cuts:.4g} on"
            answers = (scores[winner] >= cuts).astype(np.int64)
            return {
                "roc": lambda: roc(*measured, bands=bands),
                "precision_recall": lambda: precision_recall(*measured, bands=bands),
                "calibration": lambda: calibration(labels, scores),
                "confusion": lambda: confusion(labels, answers, classes, winner, at),
            }
        case "multiclass":
            taken_for = scores[winner].argmax(axis=1)
            of_each = np.eye(len(classes), dtype=np.int8)[labels.astype(np.int64)]
            return {
                "confusion": lambda: confusion(labels, taken_for, classes, winner),
                "class_areas": lambda: label_areas(of_each, scores, classes, "class"),
            }
        case "multilabel":
            given = (scores[winner] >= cuts).astype(np.int8)
            return {
                "label_areas": lambda: label_areas(labels, scores, classes),
                "label_answers": lambda: label_answers(labels, given, classes, winner),
            }
        case "regression":
            return {
                "predicted": lambda: predicted(labels, scores[winner], winner),
                "residuals": lambda: residuals(labels, scores),
            }
