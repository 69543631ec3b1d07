"""Rows to score whose vectors come whole, as PostgreSQL has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import BundleError
from plumbline.release.manifest import Element, Input

_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def from_arrays(found: pa.Schema, inputs: Sequence[Input]) -> dict[str, Element]:
    """The model's columns that are missing in `found`, but elements of a list column there."""
    return {
        one.name: one.element
        for one in inputs
        if one.element and one.name not in found.names and _is_list(found, one.element.array)
    }


def offered(found: pa.Schema, inputs: Sequence[Input]) -> pa.Schema:
    """The columns of `found` and those that `expanded` adds."""
    for name, element in from_arrays(found, inputs).items():
        whole: Any = found.field(element.array).type
        found = found.append(pa.field(name, whole.value_type))
    return found


def expanded(
    batch: pa.RecordBatch, inputs: Sequence[Input], *, where: str, first_row: int
) -> pa.RecordBatch:
    """The batch with the elements that `from_arrays` names as columns of their own.

    A NULL array is NULL in every element.

    Raises:
        BundleError: an array has more or fewer elements than in training.
    """
    elements = from_arrays(batch.schema, inputs)
    for array, width in _widths(batch.schema, inputs).items():
        _require_width(batch.column(array), array, width, where, first_row)
    for name, element in elements.items():
        values = pc.list_element(batch.column(element.array), element.place - 1)
        batch = batch.append_column(name, values)
    return batch


def misshapen(batch: pa.RecordBatch, inputs: Sequence[Input]) -> dict[int, tuple[str, int, int]]:
    """The rows whose arrays `expanded` would refuse: array, elements found and expected, by
    place.
    """
    found: dict[int, tuple[str, int, int]] = {}
    for array, width in _widths(batch.schema, inputs).items():
        lengths = _lengths(batch.column(array), width)
        for place in np.flatnonzero(lengths != width).tolist():
            found.setdefault(place, (array, int(lengths[place]), width))
    return found


def _widths(found: pa.Schema, inputs: Sequence[Input]) -> dict[str, int]:
    """Elements that an array must have, by its name."""
    return {element.array: element.width for element in from_arrays(found, inputs).values()}


def _lengths(values: pa.Array, width: int) -> np.ndarray:
    """Elements of each array; NULL counts as right: int, shape (n,)."""
    return np.asarray(pc.list_value_length(values).fill_null(width))


def _is_list(found: pa.Schema, name: str) -> bool:
    if found.names.count(name) != 1:
        return False
    kind = found.field(name).type
    return any(is_list(kind) for is_list in _LISTS)


def _require_width(values: pa.Array, array: str, width: int, where: str, first_row: int) -> None:
    lengths = _lengths(values, width)
    wrong = np.flatnonzero(lengths != width)
    if len(wrong):
        row = first_row + int(wrong[0])
        raise BundleError(
            f"{where}: {array!r} has {lengths[wrong[0]]} elements in row {row}",
            expected=f"{width} elements, as in training, or NULL",
            remedy="give the whole vector, its elements in the order of the extract",
            column=array,
            row=row,
        )
