"""Small tables with a simple signal, for tests that train networks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from snapshots import snapshot_of, spec_of, split_of

from plumbline.extract.features import feature_table
from plumbline.network.auxiliary import Auxiliary
from plumbline.network.examples import Examples
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec, Task
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

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


def beside(train: Examples, missing: Sequence[int] = ()) -> tuple[Auxiliary, ...]:
    """Columns beside the label: a number that follows the signal, unknown in some rows; a kind."""
    matrix = train.matrix
    known = np.ones(len(matrix), np.float32)
    known[list(missing)] = 0
    number = 2 * matrix.numeric[:, 0] + matrix.codes[:, 0] % 2 - 0.5
    return (
        learned("delay", "regression", number, known / known.mean()),
        learned("a kind/of it", "multiclass", matrix.codes[:, 0] % 3),
    )


def learned(
    name: str, task: Task, values: np.ndarray, weights: np.ndarray | None = None
) -> Auxiliary:
    """A column beside the label, of 3 classes where it has several."""
    chosen = objective(task, 3, NetworkSpec())
    return Auxiliary(
        name=name,
        goal=chosen,
        weight=0.5,
        targets=values.astype(np.int32 if task == "multiclass" else np.float32)[:, None],
        weights=np.ones(len(values), np.float32) if weights is None else weights,
        classes=("a", "b", "c") if task == "multiclass" else (),
    )


def table(train: Examples, codes: tuple[int, ...] = CODES) -> Table:
    return Table.described(train.matrix, codes)


def goal(task: str, options: NetworkSpec) -> Objective:
    names = [str(one) for one in range(LABELS[task])]
    return objective(task, LABELS[task], options, names)


def normalized_split(folder: Path, count: int) -> tuple[Split, Normalization]:
    """A frozen table of numbers, one with NULLs, and a category, split and normalized."""
    rows = np.arange(count)
    columns = pa.table(
        {
            "id": rows,
            "amount": rows * 7919 % 1000 / 10,
            "age": pa.array([None if one % 11 == 0 else one % 70 for one in rows.tolist()]),
            "channel": [("web", "shop", "phone")[one % 3] for one in rows.tolist()],
            "label": (rows * 7919 % 1000 / 10 + rows % 3 * 10) > 60,
        }
    )
    spec = spec_of()
    split = split_of(snapshot_of(columns, folder), spec)
    features = feature_table(split.snapshot, spec)
    version = NormalizationVersion("normalization-1")
    return split, fit(split.train(), features, spec.normalization, version)
