"""Small tables with a simple signal, for tests that train networks."""

import numpy as np

from plumbline.network.examples import Examples
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

CODES = (6, 9)
LABELS = {"binary": 2, "multiclass": 4, "multilabel": 3, "regression": 0}
"""Classes, or labels, of each task (count)."""


def matrix(rows: int, seed: int, width: int = 4, codes: tuple[int, ...] = CODES) -> Matrix:
    """Standard normal numbers, of which the last is an indicator, and categories."""
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, width), dtype=np.float32)
    numeric[:, 3:] = numeric[:, 3:] > 0
    columns = [generator.integers(0, one, rows) for one in codes]
    return Matrix(
        numeric=numeric,
        codes=np.array(columns, dtype=np.int32).reshape(len(codes), rows).T,
        numeric_names=tuple(f"number {one}" for one in range(width)),
        category_names=tuple(f"category/{one}" for one in range(len(codes))),
    )


def examples(
    rows: int,
    seed: int,
    task: str = "binary",
    width: int = 4,
    codes: tuple[int, ...] = CODES,
) -> Examples:
    """The label follows the first number and the first category, with some noise."""
    made = matrix(rows, seed, width, codes)
    signal = np.random.default_rng([seed, 1]).normal(scale=0.5, size=rows)
    signal += 2 * made.numeric[:, 0] if width else 0
    signal += 2 * (made.codes[:, 0] % 2) - 1 if codes else 0
    return Examples(matrix=made, labels=_labels(signal, task))


def _labels(signal: np.ndarray, task: str) -> np.ndarray:
    if task == "binary":
        return (signal > 0).astype(np.int8)
    if task == "multiclass":
        return np.digitize(signal, [-1.5, 0, 1.5]).astype(np.int16)
    if task == "multilabel":
        return (signal[:, None] > [-1.5, 0, 1.5]).astype(np.int8)
    return 40 + 7 * signal


def table(train: Examples, codes: tuple[int, ...] = CODES) -> Table:
    return Table.described(train.matrix, codes)


def goal(task: str, options: NetworkSpec) -> Objective:
    names = [str(one) for one in range(LABELS[task])]
    return objective(task, LABELS[task], options, names)
