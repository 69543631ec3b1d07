"""What suits a task: loss, last activation and metrics by the format of its labels. One table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from plumbline.spec.metrics import TOP, measurable
from plumbline.spec.network import Activation, Loss, NetworkSpec
from plumbline.spec.source import Task

LabelFormat = Literal["integer", "one_hot", "multi_hot", "number"]


@dataclass(frozen=True, kw_only=True)
class Suited:
    """What goes with a task and a format of its labels."""

    activation: Activation
    from_logits: bool
    """Whether the loss applies the activation to the raw outputs itself, which is exacter."""
    losses: tuple[Loss, ...]
    """The first is the default."""
    metrics: tuple[str, ...]
    """Measured of the validation rows, beside the loss."""


_CLASSES = ("accuracy", "precision", "recall", "f1", "auc", f"top_{TOP}_accuracy")

SUITED: Mapping[tuple[Task, LabelFormat], Suited] = MappingProxyType(
    {
        ("binary", "integer"): Suited(
            activation="sigmoid",
            from_logits=True,
            losses=("binary_crossentropy",),
            metrics=("auc", "average_precision", "accuracy", "precision", "recall"),
        ),
        ("multiclass", "integer"): Suited(
            activation="softmax",
            from_logits=True,
            losses=("sparse_categorical_crossentropy",),
            metrics=_CLASSES,
        ),
        ("multiclass", "one_hot"): Suited(
            activation="softmax",
            from_logits=True,
            losses=("categorical_crossentropy",),
            metrics=_CLASSES,
        ),
        ("multilabel", "multi_hot"): Suited(
            activation="sigmoid",
            from_logits=True,
            losses=("binary_crossentropy",),
            metrics=("auc", "average_precision", "accuracy", "subset_accuracy"),
        ),
        ("regression", "number"): Suited(
            activation="linear",
            from_logits=False,
            losses=("mean_squared_error", "mean_absolute_error", "huber"),
            metrics=("rmse", "mae", "r2"),
        ),
    }
)
"""Of a task with two formats, the first is the default."""


class Disagreement(NamedTuple):
    """What is declared, what would go together, and what to do."""

    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found}; expected {self.expected}; to fix: {self.remedy}"


def label_format(task: Task, options: NetworkSpec) -> LabelFormat:
    """How the labels of a task are handed to the loss.

    Declared, else the one that the declared loss reads, else the one that label smoothing
    needs, else the task's first.
    """
    formats = _formats(task)
    if options.label_format:
        return options.label_format
    for form in formats:
        if options.loss and options.loss in SUITED[task, form].losses:
            return form
    return formats[-1] if options.label_smoothing else formats[0]


def metrics(task: Task, form: LabelFormat, outputs: int) -> tuple[str, ...]:
    """What is measured of the validation rows beside the loss, for so many classes or labels."""
    known = measurable(task, outputs)
    return tuple(name for name in SUITED[task, form].metrics if name in known)


def disagreement(task: Task, options: NetworkSpec) -> Disagreement | None:
    """What in a declared network does not go with the task, or with its other options."""
    form = label_format(task, options)
    if form not in _formats(task):
        return _wrong("label_format", form, task, f"{' or '.join(_formats(task))} labels")
    suited = SUITED[task, form]
    if options.activation and options.activation != suited.activation:
        return _wrong("activation", options.activation, task, pairs(task))
    if options.loss and options.loss not in suited.losses:
        given = f" and label_format {form!r}" if options.label_format else ""
        return _wrong("loss", options.loss, f"{task}{given}", pairs(task))
    return _smoothing(task, form, options) or _weights(task, options) or _monitor(suited, options)


def pairs(task: Task) -> str:
    """Every activation with its losses, and the labels they read."""
    return ", or ".join(
        f"{SUITED[task, form].activation} with {' or '.join(SUITED[task, form].losses)}"
        + (f" for {form} labels" if len(_formats(task)) > 1 else "")
        for form in _formats(task)
    )


def _formats(task: Task) -> list[LabelFormat]:
    return [form for one, form in SUITED if one == task]


def _wrong(option: str, value: str, task: str, expected: str) -> Disagreement:
    return Disagreement(
        f"{option} {value!r} with task {task}",
        expected,
        f"leave network.{option} out, and it follows from the task; or declare another source.task",
    )


def _smoothing(task: Task, form: LabelFormat, options: NetworkSpec) -> Disagreement | None:
    if not options.label_smoothing or form in ("one_hot", "multi_hot") or task == "binary":
        return None
    if task == "regression":
        return Disagreement(
            f"label_smoothing {options.label_smoothing} with task regression",
            "label_smoothing 0: numbers have no classes to spread a weight over",
            "leave network.label_smoothing out",
        )
    return Disagreement(
        f"label_smoothing {options.label_smoothing} with integer labels",
        "categorical_crossentropy with one_hot labels, which can be smoothed",
        "leave network.loss and network.label_format out, or declare label_format: one_hot",
    )


def _weights(task: Task, options: NetworkSpec) -> Disagreement | None:
    if options.class_weights is None or task in ("binary", "multiclass"):
        return None
    return Disagreement(
        f"class_weights with task {task}",
        "class_weights for a label that is one of several classes",
        "leave network.class_weights out; source.weight gives each row its own weight",
    )


def _monitor(suited: Suited, options: NetworkSpec) -> Disagreement | None:
    allowed = ("loss", *suited.metrics)
    if options.monitor is None or options.monitor in allowed:
        return None
    return Disagreement(
        f"monitor {options.monitor!r}",
        f"one of {', '.join(allowed)}",
        "choose one of them for network.monitor, or leave it out",
    )
