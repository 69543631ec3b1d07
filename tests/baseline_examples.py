"""Rows of every task for tests of baselines, with columns named oddly and values missing."""

from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines.examples import Examples, Units
from plumbline.baselines.training import Baseline
from plumbline.normalization.matrix import FIRST_VALUE, MISSING, Matrix
from plumbline.spec import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "regression")
CLASSES = 4
"""Of the multiclass label; the third has no row."""
LABELS = 3
"""Of the multilabel one."""
NUMERIC = ("age [years]", "x<y", "flag", "age [years] is null")
CATEGORIES = ("carrier", "größe")
NULLS = ((0, 3),)


def matrix_of(rows: int = 600, seed: int = 0) -> Matrix:
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(rows, 4)).astype(np.float32)
    numeric[:, 2] = numeric[:, 2] > 1
    numeric[:, 3] = random.random(rows) < 0.1
    numeric[numeric[:, 3] == 1, 0] = 0
    codes = random.integers(FIRST_VALUE, 9, size=(rows, 2)).astype(np.int32)
    codes[random.random(rows) < 0.05, 0] = MISSING
    return Matrix(numeric=numeric, codes=codes, numeric_names=NUMERIC, category_names=CATEGORIES)


def labels_of(task: Task, matrix: Matrix, seed: int = 0) -> np.ndarray:
    """Labels that depend on numbers and on a category, in the types of `Rows.labels`."""
    random = np.random.default_rng([seed, 1])
    signal = matrix.numeric[:, 0] + 1.5 * np.isin(matrix.codes[:, 0], [3, 6])
    noisy = signal[:, None] + random.normal(size=(len(matrix), LABELS))
    match task:
        case "binary":
            return (noisy[:, 0] > 0.3).astype(np.int8)
        case "multiclass":
            return np.array([0, 1, 3])[np.digitize(noisy[:, 0], [0, 1])].astype(np.int16)
        case "multilabel":
            return (noisy > [0, 0.5, 1]).astype(np.int8)
        case "regression":
            return 5000 + 100.0 * noisy[:, 0].astype(np.float64)


def given(task: Task, rows: int = 600, seed: int = 0, **changes: Any) -> Examples:
    matrix = matrix_of(rows, seed)
    labels = labels_of(task, matrix, seed)
    made = {
        "matrix": matrix,
        "labels": labels,
        "task": task,
        "outputs": {"multiclass": CLASSES, "multilabel": LABELS}.get(task, 1),
        "nulls": NULLS,
        "units": Units.of(labels) if task == "regression" else Units(),
    }
    return Examples(**{**made, **changes})


def trained(kind: str, low: float, value: float, high: float, metric: str = "auc") -> Baseline:
    """A baseline of 1,000 rows, of which only its score is known."""
    training = {
        "kind": kind,
        "rows": 1000,
        "seconds": 1.5,
        "confidence": 0.95,
        "val": {"metric": metric, "interval": {"value": value, "low": low, "high": high}},
    }
    return Baseline(kind=kind, model_version=f"{kind}-1", folder=Path(), training=training)
