"""The floor: a logistic regression, or a ridge regression where the label is a number."""

import json
import logging
import time
import warnings
import zipfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np

from plumbline.baselines.blocks import by_blocks
from plumbline.baselines.dummy import malformed
from plumbline.baselines.examples import Examples, Units, training_rows
from plumbline.baselines.fitted import Fitted
from plumbline.baselines.predictor import Predictor, require_columns, width
from plumbline.normalization.matrix import UNKNOWN, Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.prepared import READ_ROWS
from plumbline.spec import Task
from plumbline.split.rows import TrainRows

log = logging.getLogger(__name__)

ITERATIONS = 200
"""Steps of the solver at most (count); whether it got there before is recorded."""

ROWS = 100_000
"""Training rows that it is fitted on at most (count)."""

CELLS = 20_000_000
"""Rows times columns times outputs of one step at most: about a fifth of a second (count)."""

FORMAT = "plumbline.linear.1"
_FILE = "linear.npz"


@dataclass(frozen=True, kw_only=True)
class Linear(Predictor):
    """A weight for each number, and for each code of each category, per output."""

    numbers: np.ndarray
    """float64, shape (numeric columns, outputs)."""
    codes: tuple[np.ndarray, ...]
    """Of each category: float64, shape (codes, outputs)."""
    intercept: np.ndarray
    """float64, shape (outputs,); -inf for a class without training rows."""
    task: Task
    names: tuple[str, ...]
    units: Units = Units()  # noqa: RUF009  (frozen)

    def predict(self, matrix: Matrix) -> np.ndarray:
        """A row's score is the same to the bit, whichever rows are asked for with it."""
        require_columns(matrix, self.names)
        return by_blocks(self._scored, matrix, width(self.task, len(self.intercept)))

    def _scored(self, matrix: Matrix) -> np.ndarray:
        raw = np.tile(self.intercept, (len(matrix), 1))
        for column, weights in enumerate(self.numbers):
            raw += matrix.numeric[:, column, None] * weights
        for column, weights in enumerate(self.codes):
            code = matrix.codes[:, column]
            raw += weights[np.where(code < len(weights), code, UNKNOWN)]
        return self._said(raw).reshape(len(matrix), *width(self.task, len(self.intercept)))

    def _said(self, raw: np.ndarray) -> np.ndarray:
        from scipy.special import expit, softmax

        if self.task == "regression":
            return self.units.restored(raw)
        return softmax(raw, axis=1) if self.task == "multiclass" else expit(raw)

    def save(self, folder: Path) -> None:
        about = {"format": FORMAT, "task": self.task, "names": self.names}
        arrays: dict[str, Any] = {f"codes_{at}": one for at, one in enumerate(self.codes)}
        np.savez(
            folder / _FILE,
            about=np.array(json.dumps({**about, "units": asdict(self.units)})),
            numbers=self.numbers,
            intercept=self.intercept,
            **arrays,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not what `save` wrote."""
        path = folder / _FILE
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return cls._read({name: file[name] for name in file.files})
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise malformed(path, str(error), FORMAT) from error

    @classmethod
    def _read(cls, arrays: dict[str, np.ndarray]) -> Self:
        about = json.loads(str(arrays["about"]))
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']}")
        codes = tuple(arrays[f"codes_{at}"] for at in range(len(arrays) - 3))
        numbers, intercept = arrays["numbers"], arrays["intercept"]
        for weights in (numbers, *codes):
            if weights.shape[1:] != intercept.shape or not np.isfinite(weights).all():
                raise ValueError("its weights do not belong together, or are not finite")
        if len(numbers) + len(codes) != len(about["names"]):
            raise ValueError("it has other columns than it names")
        return cls(
            numbers=numbers,
            codes=codes,
            intercept=intercept,
            task=about["task"],
            names=tuple(map(str, about["names"])),
            units=Units.read(about["units"]),
        )


def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:  # noqa: ARG001
    """scikit-learn's defaults on numbers and one-hot codes, of at most 100,000 training rows.

    Raises:
        LeakageError, TrainingError: as `training_rows`.
    """
    return fit_examples(training_rows(train, normalization))


def fit_examples(given: Examples) -> Fitted:
    """`fit` on transformed rows; the caller answers for them being training rows."""
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    columns = max(1, len(given.matrix.names))
    few = given.few(min(ROWS, max(1_000, CELLS // (columns * given.outputs))))
    sizes = (_highest(given.matrix) + 1).tolist()
    # Sums by several threads would have other bits; and they wait by spinning.
    with threadpool_limits(1):
        weights, intercept, steps = _solved(_columns(few.matrix, sizes), few)
    numeric = len(given.matrix.numeric_names)
    ends = numeric + np.cumsum([0, *sizes])
    converged = max(steps) < ITERATIONS
    if not converged:
        log.warning("linear: not converged after %d steps", ITERATIONS)
    return Fitted(
        predictor=Linear(
            numbers=weights[:numeric],
            codes=tuple(weights[a:b] for a, b in pairwise(ends)),
            intercept=intercept,
            task=given.task,
            names=given.matrix.names,
            units=given.units,
        ),
        importances={},
        hyperparameters={
            **_CHOSEN["regression" if given.task == "regression" else "classes"],
            "max_iter": ITERATIONS,
            "rows": len(few.labels),
            "columns": len(weights),
        },
        seconds=time.perf_counter() - started,
        facts={"iterations": max(steps), "converged": converged},
    )


_CHOSEN: dict[str, dict[str, Any]] = {
    "regression": {"model": "Ridge", "alpha": 1.0, "solver": "lsqr"},
    "classes": {"model": "LogisticRegression", "C": 1.0, "solver": "lbfgs"},
}


def _highest(matrix: Matrix) -> np.ndarray:
    """The highest code of each category: int32, shape (categories,)."""
    highest = np.full(matrix.codes.shape[1], UNKNOWN, dtype=np.int32)
    for start in range(0, len(matrix), READ_ROWS):
        part = matrix.take(slice(start, start + READ_ROWS))
        highest = np.maximum(highest, part.codes.max(axis=0, initial=UNKNOWN))
    return highest


def _columns(matrix: Matrix, sizes: list[int]) -> Any:
    """Numbers and one-hot codes side by side: (n, columns), sparse where there are codes."""
    from scipy import sparse

    numeric = matrix.numeric.astype(np.float64)
    if not sizes:
        return numeric
    hot = [
        sparse.csr_array(
            (np.ones(len(matrix)), (np.arange(len(matrix)), code)), shape=(len(matrix), size)
        )
        for code, size in zip(matrix.codes.T, sizes, strict=True)
    ]
    return sparse.hstack([sparse.csr_array(numeric), *hot], format="csr")


def _solved(X: Any, few: Examples) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Weights (columns, outputs), intercept (outputs,) and the steps of each solver."""
    match few.task:
        case "regression":
            found = [_ridge(X, few)]
        case "multiclass":
            found = [_of_classes(_logistic(X, few.labels, few), few.outputs)]
        case _:
            labels = few.labels.reshape(len(few.labels), -1).T
            models = [_logistic(X, label, few) for label in labels]
            found = [(model.coef_.T, model.intercept_, _steps(model)) for model in models]
    weights, intercepts, steps = zip(*found, strict=True)
    return np.concatenate(weights, axis=1), np.concatenate(intercepts), list(steps)


def _ridge(X: Any, few: Examples) -> tuple[np.ndarray, np.ndarray, int]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0, solver="lsqr", max_iter=ITERATIONS)
    model.fit(X, few.targets(), sample_weight=few.weights)
    return model.coef_[:, None], np.array([model.intercept_]), _steps(model)


def _logistic(X: Any, labels: np.ndarray, few: Examples) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is recorded
        return model.fit(X, labels, sample_weight=few.weights)


def _of_classes(model: Any, classes: int) -> tuple[np.ndarray, np.ndarray, int]:
    """An output for each class; one without training rows has no chance."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # of which scikit-learn has the second one's alone
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weights, intercept = np.zeros((model.n_features_in_, classes)), np.full(classes, -np.inf)
    weights[:, model.classes_] = coefficients.T
    intercept[model.classes_] = intercepts
    return weights, intercept, _steps(model)


def _steps(model: Any) -> int:
    return int(np.max(model.n_iter_))
