"""The floor below the floor: what is said without looking at a single feature."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from plumbline.baselines.examples import Examples
from plumbline.baselines.fitted import Fitted
from plumbline.baselines.predictor import Predictor, require_columns, width
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix
from plumbline.spec import Task

FORMAT = "plumbline.dummy.1"
_FILE = "dummy.json"


@dataclass(frozen=True, kw_only=True)
class Dummy(Predictor):
    """The shares of the labels among the training rows, or their mean: the same of every row."""

    values: tuple[float, ...]
    task: Task
    names: tuple[str, ...]

    def predict(self, matrix: Matrix) -> np.ndarray:
        require_columns(matrix, self.names)
        said = np.tile(np.array(self.values), (len(matrix), 1))
        return said.reshape(len(matrix), *width(self.task, len(self.values)))

    def save(self, folder: Path) -> None:
        record = {"format": FORMAT, **vars(self)}
        (folder / _FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not what `save` wrote."""
        path = folder / _FILE
        try:
            record = json.loads(path.read_text("utf-8"))
            _require_format(record.pop("format"))
            values, names = map(float, record.pop("values")), map(str, record.pop("names"))
            made = cls(values=tuple(values), names=tuple(names), **record)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise malformed(path, str(error), FORMAT) from error
        if not np.isfinite(made.values).all():
            raise malformed(path, "a value is not finite", FORMAT)
        return made


def fit_examples(given: Examples) -> Fitted:
    """Of the training rows' labels, each by its weight; the caller answers for them being so."""
    started = time.perf_counter()
    labels: Any = given.labels
    if given.task == "multiclass":
        labels = labels[:, None] == np.arange(given.outputs)
    values = np.atleast_1d(np.average(labels, axis=0, weights=given.weights))
    return Fitted(
        predictor=Dummy(values=tuple(values.tolist()), task=given.task, names=given.matrix.names),
        importances={},
        hyperparameters={"strategy": "mean" if given.task == "regression" else "prior"},
        seconds=time.perf_counter() - started,
    )


def malformed(path: Path, problem: str, known: str) -> BundleError:
    """For a small model's file that cannot be read; known: its format."""
    return BundleError(
        f"{path} is not a model that can be read: {problem}",
        expected=f"a file in format {known}, as its save wrote it",
        remedy="restore the artifact from a backup, or train the model again",
        path=str(path),
    )


def _require_format(found: object) -> None:
    if found != FORMAT:
        raise ValueError(f"its format is {found}")
