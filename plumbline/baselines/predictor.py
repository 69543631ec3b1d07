"""The contract of a fitted model, whatever it is made of."""

from pathlib import Path
from typing import Protocol, Self

import numpy as np

from plumbline.normalization.matrix import Matrix


class Predictor(Protocol):
    """Scores transformed rows; saves and loads without a pickle, to the last bit."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Probability of label 1: float64, shape (n,). Changes nothing."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote."""
        ...
