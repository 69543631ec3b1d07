"""Columns that the network learns beside the label, with heads of their own.

Caruana, Multitask Learning (1997): what is known of the training rows and of no others, such as
minutes of delay beside "late", can be no feature. As a further target it shapes the layers that
the label's head reads.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import SpecError
from plumbline.leakage import require_side
from plumbline.network.targets import Units, targets
from plumbline.network.tasks import Objective, objective
from plumbline.normalization.parameters import Normalization
from plumbline.spec import AuxiliarySpec, NetworkSpec, Task
from plumbline.split.rows import TrainRows

MOST_CLASSES = 1000
"""Of a column; more are rather an identifier (count)."""


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """A column of the training rows as its head learns it."""

    name: str
    goal: Objective
    weight: float
    """Of its loss, where the label's weighs 1."""
    targets: np.ndarray
    """As `plumbline.network.targets` gives them, shape (rows, 1); any value where there is none."""
    weights: np.ndarray
    """Of each row in its loss: float32, shape (rows,), with a mean of 1. 0 where there is no
    value."""
    classes: tuple[str, ...] = ()
    """Names by code: those of the training rows."""

    @property
    def head(self) -> str:
        """Name of its output, which no metric of the label has."""
        return head_of(self.name)

    def take(self, rows: np.ndarray) -> "Auxiliary":
        """Some of the rows."""
        return replace(self, targets=self.targets[rows], weights=self.weights[rows])

    def record(self) -> dict[str, Any]:
        """What it is, as JSON types."""
        return {
            "task": self.goal.task,
            "loss": self.goal.loss,
            "weight": self.weight,
            "rows": int(np.count_nonzero(self.weights)),
            "classes": list(self.classes),
        }


def head_of(name: str) -> str:
    """Name of the output that learns the column `name`."""
    return f"auxiliary_{name}"


def learned(
    train: TrainRows, normalization: Normalization, options: NetworkSpec
) -> tuple[Auxiliary, ...]:
    """The columns under `network.auxiliary`, of the training rows.

    NULL, NaN and infinite values are missing. Rows count in a column's loss as in the label's,
    by `source.weight`; those without a value not at all.

    Raises:
        LeakageError: `train` is anything but training rows.
        SpecError: a column is not there, is a feature or the label, cannot be read as its task
            has it, or holds less than two different values.
    """
    require_side(train, TrainRows, "learned by an auxiliary head")
    counts = train.weights() if options.auxiliary else None
    return tuple(
        _learned(name, declared, train, normalization, counts)
        for name, declared in options.auxiliary.items()
    )


def _learned(
    name: str,
    declared: AuxiliarySpec,
    train: TrainRows,
    normalization: Normalization,
    counts: np.ndarray | None,
) -> Auxiliary:
    _require_free(name, train, normalization)
    values = pa.chunked_array([one.column(0) for one in train.batches([name])])
    task = declared.task or _task(name, values.type, train)
    found, classes = _numbers(name, values) if task == "regression" else _codes(name, values, task)
    weights = np.isfinite(found) * (1.0 if counts is None else counts.astype(np.float64))
    known = weights > 0
    _require_different(name, found[known])
    goal = objective(task, len(classes), NetworkSpec())
    return Auxiliary(
        name=name,
        goal=goal,
        weight=declared.weight,
        targets=_targets(found, known, goal),
        weights=(weights / weights.mean()).astype(np.float32),
        classes=classes,
    )


def _task(name: str, kind: pa.DataType, train: TrainRows) -> Task:
    if pa.types.is_boolean(kind):
        return "binary"
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if number or train.snapshot.column(name).postgres_type == "numeric":
        return "regression"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "multiclass"
    raise _refused(name, f"holds {kind} values", "numbers, booleans or text", "cast it in the SQL")


def _numbers(name: str, values: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """float64, shape (rows,); NULL as NaN. No classes."""
    try:
        return pc.cast(values, pa.float64(), safe=False).to_numpy(), ()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _refused(
            name,
            f"holds {values.type} values, and its task is regression",
            "numbers",
            "cast it to a number in the SQL, or declare another task",
        ) from None


def _codes(name: str, values: pa.ChunkedArray, task: Task) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes as float64, shape (rows,); NULL as NaN. The values in their order as text."""
    text = values.cast(pa.string())
    classes: Any = text.unique().drop_null().sort()
    most = 2 if task == "binary" else MOST_CLASSES
    if len(classes) > most:
        raise _refused(
            name,
            f"holds {len(classes):,} different values in the training rows, its task is {task}",
            f"at most {most:,}",
            "declare another task, or group the values in the SQL",
        )
    codes: Any = pc.index_in(text, value_set=classes)
    return codes.cast(pa.float64()).to_numpy(), tuple(classes.to_pylist())


def _targets(found: np.ndarray, known: np.ndarray, goal: Objective) -> np.ndarray:
    if goal.task == "regression":
        return targets(np.where(known, found, 0), goal, Units.standardizing(found[known]))
    return targets(np.where(known, found, 0).astype(np.int32), goal, Units())


def _require_free(name: str, train: TrainRows, normalization: Normalization) -> None:
    there = [one.name for one in train.snapshot.columns]
    if name not in there:
        raise _refused(
            name,
            "is not among the extract's columns",
            f"one of {', '.join(there)}",
            "correct the name, or select the column in the SQL",
        )
    if name in normalization.columns:
        raise _refused(name, "is a feature", "a column that is none", "put it under source.drop")
    if name in train.coding.columns(train.snapshot.label):
        raise _refused(name, "is the label", "another column", "name another column")


def _require_different(name: str, known: np.ndarray) -> None:
    if not len(known) or known.min() == known.max():
        raise _refused(
            name,
            f"has one value only in the {len(known):,} training rows that have any",
            "two different values or more",
            "leave it out, or fill it in the SQL",
        )


def _refused(name: str, found: str, expected: str, remedy: str) -> SpecError:
    return SpecError(
        f"network.auxiliary: column {name!r} {found}",
        expected=expected,
        remedy=remedy,
        column=name,
    )
