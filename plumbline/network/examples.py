"""One side of the split as a network reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plumbline.network.auxiliary import Auxiliary
from plumbline.network.table import image_input
from plumbline.network.targets import Units, targets
from plumbline.network.tasks import Objective
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec.auxiliary import MAIN
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
    auxiliary: tuple[Auxiliary, ...] = ()
    """What is learned beside the label; of training rows only."""

    @classmethod
    def of(cls, rows: Rows, normalization: Normalization) -> "Examples":
        return cls(
            matrix=load_matrix(rows, normalization), labels=rows.labels(), weights=rows.weights()
        )

    def take(self, rows: np.ndarray, matrix: Matrix | None = None) -> "Examples":
        """Some of the rows. `matrix` holds them where they were read already."""
        return Examples(
            matrix=self.matrix.take(rows) if matrix is None else matrix,
            labels=self.labels[rows],
            weights=None if self.weights is None else self.weights[rows],
            auxiliary=tuple(one.take(rows) for one in self.auxiliary),
        )


def inputs(matrix: Matrix) -> dict[str, np.ndarray]:
    """The matrix as the network reads it: numeric (n, d) float32 and codes (n, c) int32; of each
    image column image_NAME (n, height, width, channels) uint8.
    """
    images = {image_input(name): one for name, one in matrix.images.items()}
    return {"numeric": matrix.numeric, "codes": matrix.codes, **images}


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


def arrays(examples: Examples, objective: Objective, units: Units) -> dict[str, Any]:
    """Inputs `x`, targets `y` and weights `weight`, as the training loop takes them.

    Where columns are learned beside the label, `y` and `weight` are dicts by the heads' names.
    """
    y, weights = targets(examples.labels, objective, units), examples.weights
    given: dict[str, Any] = {"x": inputs(examples.matrix), "y": y}
    if examples.auxiliary:
        own = np.ones(len(y), np.float32) if weights is None else weights
        given["y"] = {MAIN: y, **{one.head: one.targets for one in examples.auxiliary}}
        given["weight"] = {MAIN: own, **{one.head: one.weights for one in examples.auxiliary}}
    elif weights is not None:
        given["weight"] = weights
    return given
