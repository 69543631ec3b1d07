"""One side of the split as a network reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """As `Rows.labels` gives them: shape (len(matrix),)."""
    weights: np.ndarray | None = None
    """Weight of each row: float32, shape (len(matrix),). None: all alike."""

    @classmethod
    def of(cls, rows: Rows, normalization: Normalization) -> "Examples":
        return cls(matrix=load_matrix(rows, normalization), labels=rows.labels())


def inputs(matrix: Matrix) -> dict[str, np.ndarray]:
    """The matrix as the network reads it: numeric (n, d) float32 and codes (n, c) int32."""
    return {"numeric": matrix.numeric, "codes": matrix.codes}


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a regression's label is standardized by: the training rows' mean and deviation."""

    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, labels: np.ndarray, objective: Objective) -> "Units":
        """Of the training rows' labels; give it no others. 0 and 1 but for regression."""
        if objective.task != "regression":
            return cls()
        return cls(mean=float(labels.mean()), scale=float(labels.std()) or 1.0)


def targets(labels: np.ndarray, objective: Objective, units: Units) -> np.ndarray:
    """Labels as the loss reads them, one row each.

    float32 of shape (n, 1) for binary and regression (standardized), of shape (n, classes) for
    one-hot labels; int32 of shape (n, 1) for integer labels of several classes.
    """
    if objective.label_format == "number":
        return ((labels - units.mean) / units.scale).astype(np.float32)[:, None]
    if objective.task == "multilabel":
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
