"""Before the first step: do rows, labels and weights fit the network, and each other?"""

from collections.abc import Iterator

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.examples import Examples
from plumbline.network.table import Table
from plumbline.network.tasks import Objective

ROWS = 100_000
"""Rows whose codes are looked at, at most: evenly spaced ones (count)."""

Wrong = tuple[str, object, object]
"""What it is, as it was found, as it was expected."""


def require_shapes(sides: dict[str, Examples], table: Table, goal: Objective) -> None:
    """Raises TrainingError with both shapes, or both types, where something does not fit.

    sides: rows by the name of their side of the split.
    """
    for side, rows in sides.items():
        for what, found, expected in _wrong(rows, table, goal):
            raise TrainingError(
                f"{what} of the {side} rows: {found}",
                expected=str(expected),
                remedy=f"hand the network rows of the {len(table.numeric_names)} numbers, "
                f"{len(table.category_names)} categories and {len(table.images)} images that it "
                "was made for, and a label each",
                side=side,
            )


def _wrong(rows: Examples, table: Table, goal: Objective) -> Iterator[Wrong]:
    matrix, count = rows.matrix, len(rows.matrix)
    arrays: dict[str, tuple[np.ndarray, tuple[int, ...], str]] = {
        "numbers": (matrix.numeric, (count, len(table.numeric_names)), "float32"),
        "codes": (matrix.codes, (count, len(table.cardinalities)), "int32"),
    }
    for name, shape in table.images.items():
        found = matrix.images.get(name, np.empty(0, np.uint8))
        arrays[f"image {name!r}"] = (found, (count, *shape), "uint8")
    for what, (found, shape, kind) in arrays.items():
        if found.shape != shape:
            yield f"shape of the {what}", found.shape, shape
        if found.dtype != kind:
            yield f"type of the {what}", found.dtype, kind
    yield from _wrong_names(rows, table)
    yield from _wrong_codes(rows, table)
    yield from _wrong_labels(rows, goal)
    weights = {
        "weights": rows.weights,
        **{f"weights of {a.name!r}": a.weights for a in rows.auxiliary},
    }
    for what, found in weights.items():
        if found is not None and found.shape != (count,):
            yield f"shape of the {what}", found.shape, (count,)
    for one in rows.auxiliary:
        if len(one.targets) != count:
            yield f"number of values of {one.name!r}", len(one.targets), count


def _wrong_names(rows: Examples, table: Table) -> Iterator[Wrong]:
    found, expected = rows.matrix.names, table.numeric_names + table.category_names
    if found != expected:
        yield "names of the columns", found, expected


def _wrong_codes(rows: Examples, table: Table) -> Iterator[Wrong]:
    step = max(1, -(-len(rows.matrix) // ROWS))
    codes = rows.matrix.without_images().take(slice(None, None, step)).codes
    if not codes.size or codes.shape[1:] != (len(table.cardinalities),):
        return
    least, most = codes.min(axis=0), codes.max(axis=0)
    for name, low, high, size in zip(
        table.category_names, least, most, table.cardinalities, strict=True
    ):
        if low < 0 or high >= size:
            yield f"codes of {name!r}", f"{low} to {high}", f"0 to {size - 1}"


def _wrong_labels(rows: Examples, goal: Objective) -> Iterator[Wrong]:
    labels, count = rows.labels, len(rows.matrix)
    shape = (count, goal.outputs) if goal.task == "multilabel" else (count,)
    if labels.shape != shape:
        yield "shape of the labels", labels.shape, shape
    if goal.task == "regression":
        if not np.issubdtype(labels.dtype, np.number):
            yield "type of the labels", labels.dtype, "a number"
    elif not np.issubdtype(labels.dtype, np.integer):
        yield "type of the labels", labels.dtype, "an integer"
    elif labels.size:
        highest = goal.outputs - 1 if goal.task == "multiclass" else 1
        if labels.min() < 0 or labels.max() > highest:
            yield "labels", f"{labels.min()} to {labels.max()}", f"0 to {highest}"
