"""What is measured of the validation rows after each epoch."""

import numpy as np

from plumbline.baselines.auc import auc
from plumbline.network.examples import Units
from plumbline.network.tasks import Objective

GREATER_IS_BETTER = frozenset({"auc", "accuracy"})
"""Of the others, less is better."""


def measured(
    objective: Objective,
    units: Units,
    labels: np.ndarray,
    scores: np.ndarray,
) -> dict[str, float]:
    """The loss first, in the units that training minimizes it in; then the task's metrics.

    scores: what the scoring network says, shape (n,) or (n, classes).
    """
    if objective.task == "regression":
        squared = float(np.mean((scores - labels) ** 2))
        return {"loss": squared / units.scale**2, "rmse": squared**0.5}
    epsilon = np.finfo(np.float32).eps
    if objective.task == "binary":
        given = np.where(labels == 1, scores, 1 - scores)
        told = {"auc": auc(labels, scores), "accuracy": float(np.mean((scores >= 0.5) == labels))}
    else:
        given = scores[np.arange(len(labels)), labels]
        told = {"accuracy": float(np.mean(scores.argmax(axis=1) == labels))}
    return {"loss": float(-np.log(np.clip(given, epsilon, 1)).mean()), **told}
