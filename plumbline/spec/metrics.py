"""What can be measured of each task's scores, which way is better, and what counts as a gain."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from plumbline.spec.source import Task

TOP = 3
"""Guesses that `top_3_accuracy` allows."""

TOP_FROM = 6
"""Classes from which on `top_3_accuracy` is measured: it says little of fewer (count)."""

AREAS_UP_TO = 20
"""Classes up to which the mean of their AUCs is measured: it takes a sort for each (count)."""

MetricName = Literal[
    "auc",
    "average_precision",
    "log_loss",
    "brier",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "top_3_accuracy",
    "subset_accuracy",
    "rmse",
    "mae",
    "r2",
]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Which way is better, and what a network has to gain unless another gain is declared."""

    title: str
    """What people read."""
    greater_is_better: bool = True
    gain: float = 0.002
    relative: bool = False
    """Whether `gain` is a share of the best baseline's value on the validation rows."""
    form: str = ".4f"
    """How a value is written."""

    @property
    def sign(self) -> int:
        """What the metric is multiplied by so that more is better."""
        return 1 if self.greater_is_better else -1

    def written(self, value: float, sign: str = "") -> str:
        """A value for people; sign: + to have one in any case."""
        return format(value, sign + self.form)


def _error(title: str, form: str = ".4f") -> Metric:
    return Metric(title=title, greater_is_better=False, gain=0.01, relative=True, form=form)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": Metric(title="AUC"),
        "average_precision": Metric(title="average precision"),
        "log_loss": _error("log-loss"),
        "brier": _error("Brier score"),
        "accuracy": Metric(title="accuracy"),
        "precision": Metric(title="precision"),
        "recall": Metric(title="recall"),
        "f1": Metric(title="F1"),
        "top_3_accuracy": Metric(title="top-3 accuracy"),
        "subset_accuracy": Metric(title="subset accuracy"),
        "rmse": _error("RMSE", ".5g"),
        "mae": _error("MAE", ".5g"),
        "r2": Metric(title="R²"),
    }
)

OF_TASK: Mapping[Task, tuple[MetricName, ...]] = MappingProxyType(
    {
        "binary": (
            *("auc", "average_precision", "log_loss", "brier"),
            *("accuracy", "precision", "recall"),
        ),
        "multiclass": (
            *("accuracy", "log_loss", "precision", "recall", "f1"),
            *("auc", "top_3_accuracy"),
        ),
        "multilabel": ("auc", "average_precision", "log_loss", "accuracy", "subset_accuracy"),
        "regression": ("rmse", "mae", "r2"),
    }
)
"""In the order they are shown. Models are compared by the first, unless another is declared."""

GREATER_IS_BETTER = frozenset(name for name, one in METRICS.items() if one.greater_is_better)
"""Of the others, and of a loss, less is better."""


def measurable(task: Task, outputs: int) -> tuple[MetricName, ...]:
    """Names of what is measured of scores for so many classes or labels, in their order."""
    left_out = set[str]()
    if task == "multiclass":
        left_out |= {"auc"} if outputs > AREAS_UP_TO else set()
        left_out |= {f"top_{TOP}_accuracy"} if outputs < TOP_FROM else set()
    return tuple(name for name in OF_TASK[task] if name not in left_out)
