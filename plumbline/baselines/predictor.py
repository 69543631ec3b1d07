"""The contract of a fitted model, whatever it is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix
from plumbline.spec import Task


class Predictor(Protocol):
    """Scores transformed rows; saves and loads without a pickle, to the last bit."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        """What the model says of each row: float64. Changes nothing.

        binary: probability of label 1, shape (n,). multiclass: of each class, (n, classes).
        multilabel: of each label, (n, labels). regression: the label in its units, (n,).
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote."""
        ...


def width(task: Task, outputs: int) -> tuple[int, ...]:
    """Shape of what is said of one row: () or (outputs,)."""
    return (outputs,) if task in ("multiclass", "multilabel") else ()


def require_columns(matrix: Matrix, names: Sequence[str]) -> None:
    """Refuse a matrix whose columns are not those the model was fitted on, in their order.

    Raises:
        BundleError: a column is missing, added or out of place.
    """
    if matrix.names == tuple(names):
        return
    differing = sorted(set(matrix.names) ^ set(names)) or ["their order"]
    raise BundleError(
        f"the rows have {len(matrix.names)} columns that differ from the model's "
        f"{len(names)}: {', '.join(differing[:5])}",
        expected="the columns the model was fitted on, in their order",
        remedy="transform the rows with the model's own normalization",
        differing=differing,
    )
