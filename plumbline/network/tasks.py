"""What is minimized for a task, and how raw outputs become what the network says.

What suits which task is one table: `plumbline.spec.tasks.SUITED`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from plumbline.errors import SpecError, TrainingError
from plumbline.spec import NetworkSpec, Task
from plumbline.spec.network import Activation, Loss
from plumbline.spec.tasks import (
    SUITED,
    LabelFormat,
    disagreement,
    label_format,
    metrics,
    pairs,
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimized, and how the network's raw outputs become what it says."""

    task: Task
    label_format: LabelFormat
    """integer: one code per row. one_hot: a column per class, of which one is 1. multi_hot: a
    column per label, each 0 or 1. number: the label itself."""
    activation: Activation
    """From raw outputs to probabilities, or to standardized units."""
    loss: Loss
    outputs: int
    """Raw outputs per row (count)."""
    label_smoothing: float = 0.0
    from_logits: bool = False
    """Whether the loss applies the activation itself."""
    metrics: tuple[str, ...] = ()
    """Names of what is measured of the validation rows, beside the loss."""
    class_weights: tuple[float, ...] | Literal["balanced"] | None = None
    """Of each class by its code; balanced: rows / (classes * rows of the class)."""


def objective(
    task: Task, classes: int, options: NetworkSpec, names: Sequence[str] = ()
) -> Objective:
    """The objective of a task.

    classes: of a multiclass label, or labels of a multilabel one (count); the other tasks
    ignore it. names: of the classes by code, for `class_weights` that name them.

    Raises:
        SpecError: what is declared does not go with the task, or names an unknown class.
    """
    if wrong := disagreement(task, options):
        raise SpecError(f"network: {wrong.found}", expected=wrong.expected, remedy=wrong.remedy)
    form = label_format(task, options)
    suited = SUITED[task, form]
    outputs = classes if task in ("multiclass", "multilabel") else 1
    told = metrics(task, form, outputs)
    _require_measured(options.monitor, told, outputs)
    return Objective(
        task=task,
        label_format=form,
        activation=suited.activation,
        from_logits=suited.from_logits,
        loss=options.loss or suited.losses[0],
        outputs=outputs,
        label_smoothing=options.label_smoothing,
        metrics=told,
        class_weights=_class_weights(options, names),
    )


def require_agreement(objective: Objective, activation: str) -> bool:
    """Whether a network that ends in `activation` says what it says, or gives raw outputs.

    activation: Keras' name of it. True: it is the task's own, and the loss must not apply it
    again. False: linear, the outputs are raw.

    Raises:
        TrainingError: it is neither.
    """
    if activation in ("linear", objective.activation):
        return activation == objective.activation != "linear"
    raise TrainingError(
        f"the network ends in activation {activation!r}, with {objective.loss} for task "
        f"{objective.task}",
        expected=f"{pairs(objective.task)}; or linear, and the activation is added",
        remedy=f"end it in {objective.activation}, or in a layer without activation",
        activation=activation,
    )


def _require_measured(monitor: str | None, told: Sequence[str], outputs: int) -> None:
    if monitor in (None, "loss", *told):
        return
    raise SpecError(
        f"network: monitor {monitor!r} with {outputs} classes",
        expected=f"one of {', '.join(('loss', *told))}, which are measured of so many",
        remedy="choose one of them for network.monitor, or leave it out",
    )


def _class_weights(
    options: NetworkSpec, names: Sequence[str]
) -> tuple[float, ...] | Literal["balanced"] | None:
    declared = options.class_weights
    if not isinstance(declared, dict):
        return declared
    unknown = sorted(set(declared) - set(names))
    if unknown:
        raise SpecError(
            f"network.class_weights names {', '.join(map(repr, unknown))}",
            expected=f"classes among {', '.join(map(repr, names))}",
            remedy="correct the names; a class that is left out weighs 1",
            unknown=unknown,
        )
    return tuple(declared.get(name, 1.0) for name in names)
