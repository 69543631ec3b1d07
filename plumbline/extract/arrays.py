"""Arrays and vectors: as many columns as they have elements, all rows the same number."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import ExtractError, SpecError
from plumbline.extract.types import SourceColumn, require_contract
from plumbline.spec import SourceSpec

_EMPTY = "no elements, or more than one dimension"

Width = Callable[[SourceColumn], int | None]
"""How many elements an array column has; None if all its rows are NULL."""


def named(
    columns: Sequence[SourceColumn], source: SourceSpec, width: Width
) -> tuple[SourceColumn, ...]:
    """The columns, with a name for each element of an array: as declared, or counted from 1.

    `width` is asked only for arrays without declared names.

    Raises:
        SpecError: names are declared for what is no array, or there are none among them.
        ExtractError: nothing says how many elements an array has.
    """
    arrays = [column.name for column in columns if column.storage.element]
    _require_arrays(source, arrays)
    return tuple(
        replace(column, elements=_names(column, source, width))
        if column.storage.element
        else column
        for column in columns
    )


def conform(
    batch: pa.RecordBatch, columns: Sequence[SourceColumn], file: str, key: Sequence[str] = ()
) -> pa.RecordBatch:
    """A batch as it came from the driver, under the contract's schema.

    A NULL array is NULL in every element. Messages name a row by the columns in `key`.

    Raises:
        UnsupportedType: a column came in another type than the contract's.
        ExtractError: an array has more or fewer elements than there are names, a date or
            timestamp is infinite, or text is not UTF-8.
    """
    require_contract(batch, columns, file)
    stored: list[pa.Array] = []
    for column, values in zip(columns, batch.columns, strict=True):
        if column.storage.element:
            _require_width(column, values, batch, file, key)
            stored += elements(values, len(column.elements))
        else:
            stored.append(values)
    fields = [field for column in columns for field in column.fields]
    return pa.RecordBatch.from_arrays(stored, schema=pa.schema(fields))


def elements(values: pa.Array, width: int) -> Iterator[pa.Array]:
    """The elements of lists that all have `width` of them, or are NULL: `width` arrays."""
    return (pc.list_element(values, place) for place in range(width))


def default_names(array: str, width: int) -> tuple[str, ...]:
    """What an array's elements are called where nothing is declared."""
    return tuple(f"{array}_{place}" for place in range(1, width + 1))


def _names(column: SourceColumn, source: SourceSpec, width: Width) -> tuple[str, ...]:
    if column.name in source.vectors:
        return tuple(source.vectors[column.name])
    found = width(column)
    if not found:
        raise ExtractError(
            f"column {column.name!r} of {source.sql} is {column.postgres_type}, and "
            + ("no row has an array in it" if found is None else f"a row's array has {_EMPTY}"),
            expected="an array with elements, to count how many columns it becomes",
            remedy=f"name its elements under source.vectors, or filter the rows of {source.sql}",
            column=column.name,
        )
    return default_names(column.name, found)


def _require_arrays(source: SourceSpec, arrays: Sequence[str]) -> None:
    for name, declared in source.vectors.items():
        if name not in arrays or not declared:
            raise SpecError(
                f"source.vectors names {len(declared)} elements of {name!r}, which is "
                + ("an array" if name in arrays else f"no array column of {source.sql}"),
                expected=f"names for the elements of {', '.join(arrays) or 'arrays only'}",
                remedy="correct the column's name in defs.yaml, or select the array in the SQL",
                column=name,
            )


def _require_width(
    column: SourceColumn, values: pa.Array, batch: pa.RecordBatch, file: str, key: Sequence[str]
) -> None:
    width = len(column.elements)
    lengths = pc.list_value_length(values).fill_null(width).to_numpy()
    wrong = np.flatnonzero(lengths != width)
    if not len(wrong):
        return
    first, found = int(wrong[0]), int(lengths[wrong[0]])
    row = ", ".join(f"{name} {batch.column(name)[first].as_py()}" for name in key)
    counted = f"{found} elements" if found else _EMPTY
    raise ExtractError(
        f"in the row with {row} of {file}, {column.name!r} has {counted}",
        expected=f"{width} elements in every row, or NULL: {_listed(column.elements)}",
        remedy=f"cut it with {column.name}[1:{width}] or filter by cardinality({column.name}) = "
        f"{width} in the SQL (a vector: cast to real[]), or correct the names in source.vectors",
        column=column.name,
        found_width=found,
        expected_width=width,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= 3 else [*names[:2], "...", names[-1]])
