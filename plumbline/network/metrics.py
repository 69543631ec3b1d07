"""What is measured of the validation rows after each epoch: the loss, and the task's metrics."""

import numpy as np

from plumbline.metrics import measured as sides
from plumbline.network.examples import Units
from plumbline.network.tasks import Objective

SURE = float(np.finfo(np.float32).eps)
"""What a smaller probability counts as in the loss: float32 holds 1 minus nothing smaller."""


def measured(
    objective: Objective,
    units: Units,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """The loss first, then the task's metrics: see docs/tasks.md for each.

    The loss is the objective's own, of what the scoring network says: without label
    smoothing, class weights and penalties; a regression's in standardized units. All are NaN
    where a score is NaN or infinite.

    labels: as `Rows.labels` gives them. scores: what the scoring network says, shape (n,) or
    (n, outputs). weights: of the rows, shape (n,).

    Raises:
        SplitError: the rows hold one label only, or but one of any weight.
    """
    names = objective.metrics
    found = sides.measured(objective.task, labels, scores, weights, names)
    lost = not np.isfinite(scores).all()
    each = np.nan if lost else losses(objective, units, labels, scores)
    loss = np.nan if lost else float(np.average(each, weights=weights))
    return {"loss": loss, **{name: found[name] for name in names}}


def losses(
    objective: Objective, units: Units, labels: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """What each row adds to the loss of what the scoring network says: shape (n,)."""
    if objective.task == "regression":
        return _distances(objective, (scores - labels) / units.scale)
    if labels.ndim < scores.ndim:
        given = scores[np.arange(len(labels)), labels]
    else:
        given = np.where(labels == 1, scores, 1 - scores)
    each = -np.log(np.clip(given, SURE, 1))
    return each.mean(axis=1) if each.ndim == 2 else each


def _distances(objective: Objective, apart: np.ndarray) -> np.ndarray:
    """By the distance in standard deviations."""
    if objective.loss == "mean_squared_error":
        return apart**2
    far = np.abs(apart)
    if objective.loss == "mean_absolute_error":
        return far
    return np.where(far <= 1, apart**2 / 2, far - 0.5)
