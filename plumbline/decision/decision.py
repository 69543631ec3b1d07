"""What is answered of a row, from what a model says of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field, TypeAdapter, ValidationError

from plumbline.decision.curves import CLOSED, Calibration, Isotonic, Platt, Temperature, require
from plumbline.decision.sets import Conformal, of_both
from plumbline.errors import DecisionError
from plumbline.metrics.parts import EVEN
from plumbline.spec import Task

FILE = "decision.json"
"""What a decision is called where it is written by itself."""

BOTH = ("0", "1")
"""Names of a binary label's classes where none were given."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """From a model's scores to answers. Chosen on the validation rows, part of the bundle.

    `scores` are everywhere what a predictor gives: float64, shape (n,), or (n, classes) for
    multiclass and (n, labels) for multilabel.

    Raises:
        DecisionError: its parts do not go with the task, or with each other.
    """

    __pydantic_config__: ClassVar = CLOSED

    task: Task
    classes: tuple[str, ...] = ()
    """Names of the classes (multiclass) or labels (multilabel), in the order of the scores; for
    the binary task none or two, the second that of the label 1."""
    threshold: float | None = None
    """For the binary task: from which score on a row counts as positive."""
    thresholds: tuple[float, ...] = ()
    """For multilabel: from which score on each label is given; none: 0.5 for all."""
    calibration: Annotated[Calibration, Field(discriminator="method")] | None = None
    """What makes probabilities of the scores; None: they are released as they are."""
    conformal: Conformal | None = None
    """None: answers come without sets and intervals."""

    def __post_init__(self) -> None:
        _require_classes(self.task, self.classes)
        _require_thresholds(self)
        _require_calibration(self.task, self.calibration, len(self.classes))
        if self.conformal is not None:
            count = len(self.classes) if self.task == "multilabel" else 1
            require(len(self.conformal.margins) == count, f"{count} conformal margins")

    def to_json(self) -> dict[str, Any]:
        """Plain values, of which `from_json` makes the same decision to the last bit."""
        return _adapter().dump_python(self, mode="json")

    @classmethod
    def from_json(cls, record: object) -> "Decision":
        """What `to_json` gave; from wherever it comes, it is checked as if it were hostile.

        Raises:
            DecisionError: names that a decision does not have, values of other types, NaN,
                infinities, or parts that do not go together.
        """
        try:
            text = json.dumps(record, allow_nan=False)
            return _adapter().validate_json(text, strict=True)
        except (ValidationError, ValueError, TypeError, RecursionError) as error:
            raise DecisionError(
                f"a written decision is none: {_summary(error)}",
                expected="what Plumbline writes as decision.json",
                remedy="take the decision from where it was made",
            ) from error

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """The scores that are released: of the same shape."""
        return released(self.task, self.calibration, scores)

    @property
    def cuts(self) -> float | np.ndarray:
        """From which calibrated score on a row, or each label (an array of them), is positive."""
        if self.task == "multilabel" and self.thresholds:
            return np.array(self.thresholds)
        return EVEN if self.threshold is None else self.threshold

    @property
    def schema(self) -> pa.Schema:
        """The columns of `outputs`."""
        return pa.schema([*_ANSWERS[self.task](self.classes), *self._conformal_fields()])

    def outputs(self, scores: np.ndarray) -> pa.RecordBatch:
        """A row of answers for each row of calibrated scores."""
        columns = [*self._answers(scores), *self._conformal_columns(scores)]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _answers(self, scores: np.ndarray) -> list[pa.Array]:
        match self.task:
            case "binary":
                return [pa.array(scores), pa.array((scores >= self.cuts).astype(np.int8))]
            case "multiclass":
                names = pa.array(self.classes, pa.string())
                return [_fixed(scores), names.take(pa.array(scores.argmax(axis=1)))]
            case "multilabel":
                return [_fixed(scores), _chosen(scores >= self.cuts, self.classes)]
            case "regression":
                return [pa.array(scores)]

    def _conformal_fields(self) -> list[pa.Field]:
        if self.conformal is None:
            return []
        if self.task == "regression":
            return [pa.field("low", pa.float64()), pa.field("high", pa.float64())]
        return [pa.field("prediction_set", pa.list_(pa.string()))]

    def _conformal_columns(self, scores: np.ndarray) -> list[pa.Array]:
        if self.conformal is None:
            return []
        match self.task:
            case "binary":
                inside = self.conformal.members(of_both(scores))
                return [_chosen(inside, self.classes or BOTH)]
            case "multiclass":
                return [_chosen(self.conformal.members(scores), self.classes)]
            case "multilabel":
                return [_chosen(self.conformal.labels(scores), self.classes)]
            case "regression":
                return [pa.array(end) for end in self.conformal.ends(scores)]


def released(task: Task, calibration: Calibration | None, scores: np.ndarray) -> np.ndarray:
    """Calibrated scores; those of several classes add up to 1 again."""
    if calibration is None:
        return scores
    found = calibration.of(scores)
    if task == "multiclass" and calibration.method == "isotonic":
        return found / found.sum(axis=1, keepdims=True)
    return found


@cache
def _adapter() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)


def _summary(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _require_classes(task: Task, classes: tuple[str, ...]) -> None:
    count = len(classes)
    right = {
        "binary": count in (0, 2),
        "multiclass": count > 1,
        "multilabel": count > 0,
        "regression": count == 0,
    }
    require(right[task] and len(set(classes)) == count, f"names of the classes of task {task}")


def _require_thresholds(decision: Decision) -> None:
    one, several = decision.threshold, decision.thresholds
    require((one is not None) == (decision.task == "binary"), "a threshold for a binary label")
    allowed = (0, len(decision.classes)) if decision.task == "multilabel" else (0,)
    require(len(several) in allowed, "a threshold for each of several labels")
    given = np.array([*several, *([] if one is None else [one])])
    require(bool((np.isfinite(given) & (given >= 0)).all()), "thresholds of 0 or more")


def _require_calibration(task: Task, calibration: Calibration | None, classes: int) -> None:
    match calibration:
        case Temperature():
            require(task == "multiclass", "a temperature for several classes only")
        case Platt():
            require(task in ("binary", "multilabel"), "a calibration that suits the task")
        case Isotonic():
            require(task != "regression", "a calibration that suits the task")
    if isinstance(calibration, Platt | Isotonic):
        count = 1 if task == "binary" else classes
        require(len(calibration.curves) == count, f"{count} calibration curves")
        if task == "multiclass":
            require(_positive(calibration), "shares of classes above 0")


def _positive(calibration: Platt | Isotonic) -> bool:
    """Whether the classes of a row never add up to 0."""
    return isinstance(calibration, Isotonic) and all(
        curve is not None and curve.shares[0] > 0 for curve in calibration.curves
    )


_ANSWERS = {
    "binary": lambda _: [pa.field("score", pa.float64()), pa.field("predicted", pa.int8())],
    "multiclass": lambda classes: [
        pa.field("scores", pa.list_(pa.float64(), len(classes))),
        pa.field("predicted", pa.string()),
    ],
    "multilabel": lambda classes: [
        pa.field("scores", pa.list_(pa.float64(), len(classes))),
        pa.field("predicted", pa.list_(pa.string())),
    ],
    "regression": lambda _: [pa.field("predicted", pa.float64())],
}
"""The columns of every answer, by task."""


def _chosen(inside: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Names of the columns that are true, a list for each row."""
    rows, columns = np.nonzero(inside)
    ends = np.searchsorted(rows, np.arange(len(inside) + 1))
    taken = pa.array(names, pa.string()).take(pa.array(columns, pa.int64()))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), taken)


def _fixed(scores: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel()), scores.shape[1])
