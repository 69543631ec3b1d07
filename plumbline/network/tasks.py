"""Loss, last activation and metrics that suit a task: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from plumbline.spec import NetworkSpec, Task
from plumbline.spec.network import Activation, Loss

LabelFormat = Literal["integer", "one_hot", "number"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimized, and how the network's raw outputs become what it says."""

    task: Task
    label_format: LabelFormat
    """integer: one code per row. one_hot: a column per class. number: the label itself."""
    activation: Activation
    """From raw outputs to probabilities, or to standardized units."""
    loss: Loss
    outputs: int
    """Raw outputs per row (count)."""
    label_smoothing: float = 0.0


SUITED: Mapping[tuple[Task, LabelFormat], tuple[Activation, tuple[Loss, ...]]] = MappingProxyType(
    {
        ("binary", "integer"): ("sigmoid", ("binary_crossentropy",)),
        ("multiclass", "integer"): ("softmax", ("sparse_categorical_crossentropy",)),
        ("multiclass", "one_hot"): ("softmax", ("categorical_crossentropy",)),
        ("regression", "number"): (
            "linear",
            ("mean_squared_error", "mean_absolute_error", "huber"),
        ),
    }
)
"""The first loss is the default."""


def objective(task: Task, classes: int, options: NetworkSpec) -> Objective:
    """The objective of a task.

    classes: of a multiclass label (count); the other tasks ignore it.
    """
    form = _label_format(task, options)
    activation, losses = SUITED[task, form]
    return Objective(
        task=task,
        label_format=form,
        activation=activation,
        loss=options.loss or losses[0],
        outputs=classes if task == "multiclass" else 1,
        label_smoothing=options.label_smoothing,
    )


def _label_format(task: Task, options: NetworkSpec) -> LabelFormat:
    if task == "regression":
        return "number"
    if task == "binary":
        return "integer"
    return options.label_format or ("one_hot" if options.label_smoothing else "integer")
