"""Raw rows as a model expects them: its columns, in its order, in its types."""

from collections.abc import Sequence

import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.release.manifest import Input


def conform(
    batch: pa.RecordBatch,
    inputs: Sequence[Input],
    schema: pa.Schema,
    *,
    where: str = "the rows",
    first_row: int = 1,
) -> pa.RecordBatch:
    """The columns that `inputs` names, in that order and in the types of `schema`.

    Other columns are left out. Types of the same family are cast where no value changes
    (int64 to int32, say); text is never read as a number. Messages call the rows `where`
    and count them from `first_row`.

    Raises:
        BundleError: a column is missing, twice there, of another type, or holds a value
            that its type cannot.
    """
    require_columns(batch.schema, inputs, schema, where=where)
    columns = [
        _cast(batch.column(one.name), one, schema.field(place).type, where, first_row)
        for place, one in enumerate(inputs)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def require_columns(
    found: pa.Schema, inputs: Sequence[Input], schema: pa.Schema, *, where: str
) -> None:
    """Refuse columns that are missing, ambiguous or of another family of types."""
    missing = [one.name for one in inputs if one.name not in found.names]
    if missing:
        raise BundleError(
            f"{where}: no column {', '.join(map(repr, missing))}",
            expected=", ".join(f"{one.name} ({one.postgres_type})" for one in inputs),
            remedy="give every column the model was trained on, under the same name",
            missing=missing,
        )
    twice = [one.name for one in inputs if found.names.count(one.name) > 1]
    if twice:
        raise BundleError(
            f"{where}: more than one column {', '.join(map(repr, twice))}",
            expected="each of the model's columns once",
            remedy="drop or rename the others",
            columns=twice,
        )
    for one in inputs:
        _require_type(found.field(one.name).type, one, schema.field(one.name).type, where)


def _require_type(found: pa.DataType, one: Input, wanted: pa.DataType, where: str) -> None:
    if not pa.types.is_null(found) and _family(found) != _family(wanted):
        raise BundleError(
            f"{where}: column {one.name!r} is {found}",
            expected=f"{one.postgres_type} ({wanted})",
            remedy="give the column in the type that the extract's SQL selects",
            column=one.name,
        )


def _cast(
    values: pa.Array, one: Input, wanted: pa.DataType, where: str, first_row: int
) -> pa.Array:
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid as error:
        row = first_misfit(values, wanted)
        raise BundleError(
            f"{where}: column {one.name!r} holds {values[row].as_py()!r} in row {first_row + row}",
            expected=f"values of {one.postgres_type} ({wanted})",
            remedy="correct the value, or leave it NULL",
            column=one.name,
            row=first_row + row,
        ) from error


def first_misfit(values: pa.Array, wanted: pa.DataType) -> int:
    """Place of the first value that cannot be cast; one of them cannot."""
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if _fits(values.slice(low, middle - low + 1), wanted):
            low = middle + 1
        else:
            high = middle
    return low


def _fits(values: pa.Array, wanted: pa.DataType) -> bool:
    try:
        values.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _family(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return str(kind)
