"""One side of the split as a network reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.tasks import Objective
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import Rows

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Transformed rows with their labels."""

    matrix: Matrix
    labels: np.ndarray
    """As `Rows.labels` gives them: shape (len(matrix),), or (len(matrix), labels)."""
    weights: np.ndarray | None = None
    """Weight of each row: float32, shape (len(matrix),). None: all alike."""

    @classmethod
    def of(cls, rows: Rows, normalization: Normalization) -> "Examples":
        return cls(
            matrix=load_matrix(rows, normalization), labels=rows.labels(), weights=rows.weights()
        )


def inputs(matrix: Matrix) -> dict[str, np.ndarray]:
    """The matrix as the network reads it: numeric (n, d) float32 and codes (n, c) int32."""
    return {"numeric": matrix.numeric, "codes": matrix.codes}


def weighed(train: Examples, objective: Objective) -> Examples:
    """The training rows with their weights in the loss: the row's own times its class's.

    Scaled to a mean of 1, so that they do not change what the learning rate means.
    """
    weights = train.weights
    if objective.class_weights is not None:
        classes = class_weights(train.labels, objective)
        weights = classes[train.labels] * (1 if weights is None else weights)
    if weights is None:
        return train
    weights = weights.astype(np.float64)
    return replace(train, weights=(weights / weights.mean()).astype(np.float32))


def class_weights(labels: np.ndarray, objective: Objective) -> np.ndarray:
    """What each class counts for in the loss, by its code: float64, shape (classes,).

    labels: the training rows'. Declared; or balanced, rows / (classes * rows of the class).
    """
    declared = objective.class_weights
    if declared != "balanced":
        return np.asarray(declared, dtype=np.float64)
    rows = np.bincount(labels, minlength=max(2, objective.outputs))
    return len(labels) / (len(rows) * np.maximum(rows, 1))


RESOLVED = 1e-3
"""Step of float32 numbers about the labels' mean that is fine enough (standard deviations)."""


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a regression's label is standardized by: the training rows' mean and deviation."""

    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, labels: np.ndarray, objective: Objective) -> "Units":
        """Of the training rows' labels; give it no others. 0 and 1 but for regression.

        Raises:
            TrainingError: the network, which answers in float32, could not tell the labels
                apart.
        """
        if objective.task != "regression":
            return cls()
        # About the first label, so that digits in common cost none of the others.
        apart = labels - labels[0]
        units = cls(mean=float(labels[0] + apart.mean()), scale=float(apart.std()) or 1.0)
        _require_resolved(units)
        return units


def _require_resolved(units: Units) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        step = float(np.spacing(np.float32(abs(units.mean) + units.scale)))
    step = max(step, float(np.finfo(np.float32).tiny))  # XLA and TensorFlow count less as 0
    if step <= RESOLVED * units.scale:
        return
    raise TrainingError(
        f"the labels' mean is {units.mean:.7g} and their standard deviation {units.scale:.4g}; "
        f"float32 numbers about the mean lie {step:.3g} apart",
        expected=f"at most {RESOLVED * units.scale:.3g}, a thousandth of the deviation",
        remedy="subtract a constant from the label in the SQL, or divide it by one",
        mean=units.mean,
        scale=units.scale,
    )


def targets(labels: np.ndarray, objective: Objective, units: Units) -> np.ndarray:
    """Labels as the loss reads them, one row each.

    float32 of shape (n, 1) for binary and regression (standardized), of shape (n, outputs) for
    one-hot and multi-hot labels; int32 of shape (n, 1) for integer labels of several classes.
    """
    if objective.label_format == "number":
        return ((labels - units.mean) / units.scale).astype(np.float32)[:, None]
    if objective.label_format == "multi_hot":
        return labels.astype(np.float32)
    if objective.label_format == "one_hot":
        return np.eye(objective.outputs, dtype=np.float32)[labels]
    kind = np.float32 if objective.task == "binary" else np.int32
    return labels.astype(kind)[:, None]


def arrays(examples: Examples, objective: Objective, units: Units) -> dict[str, Any]:
    """Inputs `x`, targets `y` and weights `weight`, as the training loop takes them."""
    given = {
        "x": inputs(examples.matrix),
        "y": targets(examples.labels, objective, units),
    }
    if examples.weights is not None:
        given["weight"] = examples.weights
    return given
