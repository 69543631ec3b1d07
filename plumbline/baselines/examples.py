"""What a baseline is fitted on: rows, labels and weights of the training rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.extract.sampling import sampling
from plumbline.leakage import require_side
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.prepared import prepared
from plumbline.spec import Task
from plumbline.split.rows import Rows, TrainRows


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a regression's label is standardized by: the training rows' mean and deviation.

    Trees add up squared labels; of labels such as 1e9 and 1e9 + 1 nothing would be left.
    """

    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, labels: np.ndarray) -> "Units":
        """Of the training rows' labels, shape (n,); give it no others."""
        # About the first label, so that digits in common cost none of the others.
        apart = labels - labels[0]
        widest = float(np.abs(apart).max()) or 1.0
        deviation = widest * float((apart / widest).std())
        return cls(mean=float(labels[0] + apart.mean()), scale=deviation or 1.0)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Units":
        """What `asdict` gave.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        mean, scale = float(record["mean"]), float(record["scale"])
        if not (np.isfinite(mean) and 0 < scale < np.inf):
            raise ValueError(f"its labels are said to have mean {mean} and deviation {scale}")
        return cls(mean=mean, scale=scale)

    def standardized(self, labels: np.ndarray) -> np.ndarray:
        return (labels - self.mean) / self.scale

    def restored(self, scores: np.ndarray) -> np.ndarray:
        """In the label's own units; to the bit what it was given where there are none."""
        return scores if self == Units() else self.mean + self.scale * scores


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Transformed rows with their labels."""

    matrix: Matrix
    labels: np.ndarray
    """As `Rows.labels` gives them: shape (n,), or (n, labels)."""
    task: Task
    outputs: int = 1
    """Classes of multiclass, labels of multilabel, else 1 (count)."""
    weights: np.ndarray | None = None
    """What each row counts for: float32, shape (n,). None: all alike."""
    nulls: tuple[tuple[int, int], ...] = ()
    """Of each number that had NULLs in training: its column of the matrix, its indicator's."""
    units: Units = field(default=Units())
    """Of a regression's label."""
    cache: Path | None = None
    """Folder for what XGBoost keeps of these rows; None: it keeps that in memory."""

    def few(self, most: int) -> "Examples":
        """At most so many of them, by position, and the first row of each class: in memory."""
        rows = len(self.labels)
        if rows <= most:
            return replace(self, matrix=self.matrix.take(slice(None)))
        kept = sampling(rows, most).chosen(0, rows) | _first_of_each(self)
        return replace(
            self,
            matrix=self.matrix.take(np.flatnonzero(kept)),
            labels=self.labels[kept],
            weights=None if self.weights is None else self.weights[kept],
        )

    def targets(self) -> np.ndarray:
        """The labels as trees read them: standardized where they are numbers."""
        return self.units.standardized(self.labels) if self.task == "regression" else self.labels


def _first_of_each(given: Examples) -> np.ndarray:
    """The first row of each class, and of both values of each label: bool, shape (n,)."""
    first = np.zeros(len(given.labels), dtype=bool)
    if given.task != "regression":
        for label in given.labels.reshape(len(first), -1).T:
            first[np.unique(label, return_index=True)[1]] = True
    return first


def training_rows(
    train: TrainRows, normalization: Normalization, folder: Path | None = None
) -> Examples:
    """What a baseline is fitted on; folder: as `examples`.

    Raises:
        LeakageError: `train` is anything but training rows.
        TrainingError: they hold nothing to tell apart.
    """
    require_side(train, TrainRows, "fitted by a baseline")
    labels = train.labels()
    _require_varied(labels, train.coding.task)
    numbers = train.coding.task == "regression"
    units = Units.of(labels) if numbers else Units()
    return examples(train, normalization, labels, units, folder)


def examples(
    rows: Rows,
    normalization: Normalization,
    labels: np.ndarray,
    units: Units,
    folder: Path | None = None,
) -> Examples:
    """The rows of one side.

    units: of the training rows' labels. folder: of the file that the rows are transformed into.
    None: memory.
    """
    task, columns = rows.coding.task, normalization.tabular
    several = task in ("multiclass", "multilabel")
    return Examples(
        matrix=prepared(rows, columns, folder) if folder else load_matrix(rows, columns),
        labels=labels,
        task=task,
        outputs=len(rows.coding.classes) if several else 1,
        weights=rows.weights(),
        nulls=nulls(normalization),
        units=units,
    )


def nulls(normalization: Normalization) -> tuple[tuple[int, int], ...]:
    """Column and indicator column, in a matrix, of each number that had NULLs in training.

    A number whose values were all alike is in the matrix as its indicator alone, and not here.
    """
    scaled = [one.name for one in normalization.numeric]
    return tuple(
        (scaled.index(name), len(scaled) + place)
        for place, name in enumerate(normalization.indicators)
        if name in scaled
    )


def _require_varied(labels: np.ndarray, task: Task) -> None:
    if task == "binary":
        positives = int(labels.sum())
        if positives in (0, len(labels)):
            raise _alike(f"{positives} of {len(labels)} training rows are positive", "both labels")
    varied: Any = labels != labels[:1]
    if not varied.any(axis=0).all():
        told = f"the {len(labels)} training rows hold one value of a label"
        raise _alike(told, "two values or more of each label")


def _alike(found: str, expected: str) -> TrainingError:
    return TrainingError(
        found,
        expected=f"training rows of {expected}",
        remedy="choose a split that leaves them on every side",
    )
