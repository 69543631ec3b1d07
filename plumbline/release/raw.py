"""Raw rows as a model expects them: its columns, in its order, in their types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import BundleError
from plumbline.release.arrays import expanded, offered
from plumbline.release.manifest import Input


class Fault(NamedTuple):
    """What is wrong with one value."""

    column: str
    found: str


def conform(
    batch: pa.RecordBatch,
    inputs: Sequence[Input],
    schema: pa.Schema,
    *,
    where: str = "the rows",
    first_row: int = 1,
) -> pa.RecordBatch:
    """The columns that `inputs` names, in that order and in the types of `schema`.

    Other columns are left out; a column that is missing is taken from its array, where that is
    there as a list. Types of one family are cast where no value changes (int64 to
    int32, say); text is read as a number only for `numeric`, which Plumbline itself holds as
    text. Messages call the rows `where` and count them from `first_row`.

    Raises:
        BundleError: a column is missing, twice there, of another type, or holds a value
            that its type cannot; an array has another width than in training.
    """
    require_columns(batch.schema, inputs, schema, where=where)
    batch = expanded(batch, inputs, where=where, first_row=first_row)
    columns = [
        _Cast(one=one, where=where, first_row=first_row).column(
            batch.column(one.name), schema.field(one.name).type
        )
        for one in inputs
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def require_columns(
    found: pa.Schema, inputs: Sequence[Input], schema: pa.Schema, *, where: str
) -> None:
    """Refuse columns that are missing, there twice, or of another family of types."""
    found = offered(found, inputs)
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
        _require_family(found.field(one.name).type, one, schema.field(one.name).type, where)


def misread(batch: pa.RecordBatch, inputs: Sequence[Input], schema: pa.Schema) -> dict[int, Fault]:
    """The rows for whose values `conform` would refuse the batch: the first fault of each, by
    place. Their columns and widths are right already.
    """
    batch = expanded(batch, inputs, where="the rows", first_row=1)
    found: dict[int, Fault] = {}
    for one in inputs:
        values, wanted = batch.column(one.name), schema.field(one.name).type
        for place in _misread(values, wanted, one):
            written = f"{values[place].as_py()!r} is not {one.postgres_type}"
            found.setdefault(place, Fault(one.name, written))
    return found


def parsed_schema(inputs: Sequence[Input], schema: pa.Schema) -> pa.Schema:
    """Types that text is parsed into: those of `schema`, and float8 for `numeric` numbers."""
    return pa.schema(
        [
            pa.field(one.name, pa.float64())
            if _is_exact(one) and one.kind == "numeric"
            else schema.field(one.name)
            for one in inputs
        ]
    )


def misfits(values: pa.Array, wanted: pa.DataType) -> list[int]:
    """Places of the values that cannot be cast."""
    if not len(values) or _fits(values, wanted):
        return []
    if len(values) == 1:
        return [0]
    half = len(values) // 2
    later = misfits(values.slice(half), wanted)
    return [*misfits(values.slice(0, half), wanted), *(half + place for place in later)]


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


@dataclass(frozen=True, kw_only=True)
class _Cast:
    """One column on its way to its type."""

    one: Input
    where: str
    first_row: int

    def column(self, values: pa.Array, wanted: pa.DataType) -> pa.Array:
        if not _is_exact(self.one):
            return self.to(wanted, values)
        text = self.to(pa.string(), values)
        self.to(pa.float64(), text)
        return _trimmed(text) if self.one.kind == "category" else text

    def to(self, wanted: pa.DataType, values: pa.Array) -> pa.Array:
        try:
            return values.cast(wanted)
        except pa.ArrowInvalid as error:
            place = first_misfit(values, wanted)
            row = self.first_row + place
            raise BundleError(
                f"{self.where}: column {self.one.name!r} holds {values[place].as_py()!r} "
                f"in row {row}",
                expected=f"values of {self.one.postgres_type} ({wanted})",
                remedy="correct the value, or leave it NULL",
                column=self.one.name,
                row=row,
            ) from error


def _misread(values: pa.Array, wanted: pa.DataType, one: Input) -> list[int]:
    if not _is_exact(one):
        return misfits(values, wanted)
    written = misfits(values, pa.string())
    return written or misfits(values.cast(pa.string()), pa.float64())


def _require_family(found: pa.DataType, one: Input, wanted: pa.DataType, where: str) -> None:
    accepted = ("number", "text") if _is_exact(one) else (_family(wanted),)
    if _family(found) not in (*accepted, "null"):
        raise BundleError(
            f"{where}: column {one.name!r} is {found}",
            expected=f"{one.postgres_type} ({wanted})",
            remedy="give the column in the type that the extract's SQL selects",
            column=one.name,
        )


def _is_exact(one: Input) -> bool:
    """Whether the snapshot holds the column's numbers as text."""
    return one.postgres_type == "numeric"


def _trimmed(text: pa.Array) -> pa.Array:
    """Without trailing zeros, as the extract selects them: equal numbers, equal categories."""
    return pc.replace_substring_regex(text, r"^(-?\d+)(?:\.0*|(\.\d*[1-9])0*)$", r"\1\2")


def _fits(values: pa.Array, wanted: pa.DataType) -> bool:
    try:
        values.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, whichever of Arrow's types it has."""
    types = pa.types
    variable = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return variable or types.is_fixed_size_binary(kind)


def _family(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_timestamp(kind):
        return f"timestamp {'with' if kind.tz else 'without'} time zone"
    families = {
        "number": (types.is_integer, types.is_floating, types.is_decimal),
        "text": (types.is_string, types.is_large_string, types.is_string_view),
        "date": (types.is_date,),
        "bytes": (is_bytes,),
    }
    return next(
        (name for name, tests in families.items() if any(t(kind) for t in tests)), str(kind)
    )
