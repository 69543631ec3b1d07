"""How well rows are answered: beside a constant answer, and beside a linear model."""

import numpy as np

from plumbline.metrics.measure import Measure
from plumbline.network.diagnosis.evidence import Fit
from plumbline.network.examples import Examples, Units
from plumbline.network.metrics import losses
from plumbline.network.tasks import Objective

_SKILL = {"binary": "auc", "multilabel": "auc", "multiclass": "accuracy", "regression": "r2"}


def loss(goal: Objective, units: Units, rows: Examples, scores: np.ndarray) -> float:
    """The objective's loss of what the scoring network says; weighted as the rows are.

    NaN where a score is. Rows of one class only are allowed.
    """
    each = losses(goal, units, rows.labels, scores)
    return float(np.average(each, weights=rows.weights))


def constant(goal: Objective, train: Examples, rows: int) -> np.ndarray:
    """The best answer that is the same for each of so many rows, by the training rows."""
    labels, weights = train.labels, train.weights
    if goal.task == "multiclass":
        share = np.bincount(labels, weights=weights, minlength=goal.outputs)
        return np.tile(share / share.sum(), (rows, 1))
    return np.repeat(np.average(labels, axis=0, weights=weights)[None], rows, axis=0)


def skill(goal: Objective, labels: np.ndarray, scores: np.ndarray) -> float:
    """AUC, mean AUC of several labels, accuracy of several classes, R². NaN where undefined."""
    if not np.isfinite(scores).all():
        return float("nan")
    return float(Measure(goal.task, labels, scores, names=[_SKILL[goal.task]]).of()[0, 0])


def fit(
    goal: Objective,
    units: Units,
    train: Examples,
    rows: Examples,
    *,
    scores: np.ndarray,
    linear: np.ndarray,
) -> Fit:
    """`rows` as the network answers them with `scores`, and least squares with `linear`."""
    labels, count = rows.labels, len(rows.labels)
    own = losses(goal, units, labels, scores)
    trivial = losses(goal, units, labels, constant(goal, train, count))
    weights = np.ones(count) if rows.weights is None else rows.weights / rows.weights.mean()
    return Fit(
        loss=float(np.mean(weights * own)),
        trivial_loss=float(np.mean(weights * trivial)),
        gain_error=float(np.std(weights * (trivial - own)) / count**0.5),
        skill=skill(goal, labels, scores),
        linear_skill=skill(goal, labels, linear),
        chance=_chance(goal, labels),
        error=_error(goal, labels),
        rows=count,
    )


def _chance(goal: Objective, labels: np.ndarray) -> float:
    if goal.task == "multiclass":
        return float(np.bincount(labels).max() / len(labels))
    return 0.0 if goal.task == "regression" else 0.5


def _error(goal: Objective, labels: np.ndarray) -> float:
    """An AUC's is at most ½/√(rows of the rarer class), a share's ½/√rows (Birnbaum and
    Klose 1957; Hanley and McNeil 1982); an R² near 0 has about 2/√rows.
    """
    rows = len(labels)
    if goal.task == "regression":
        return 2 / rows**0.5
    if goal.task == "multiclass":
        return 0.5 / rows**0.5
    rarer = np.minimum(labels.sum(axis=0), (1 - labels).sum(axis=0)).max()
    return 0.5 / max(1, int(rarer)) ** 0.5
