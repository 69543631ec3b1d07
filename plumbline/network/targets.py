"""Labels as a loss reads them."""

from dataclasses import dataclass

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.tasks import Objective

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
        units = cls.standardizing(labels)
        _require_resolved(units)
        return units

    @classmethod
    def standardizing(cls, numbers: np.ndarray) -> "Units":
        """Those that give `numbers` a mean of 0 and, unless all are equal, a deviation of 1."""
        # About the first number, so that digits in common cost none of the others.
        apart = numbers - numbers[0]
        return cls(mean=float(numbers[0] + apart.mean()), scale=float(apart.std()) or 1.0)


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
