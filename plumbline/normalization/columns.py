"""Raw columns of a batch as numbers or as text, whatever type they arrive in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import NormalizationError


def require_columns(batch: pa.RecordBatch, names: Sequence[str]) -> None:
    """Raises NormalizationError where a column is missing, or there twice."""
    present = batch.schema.names
    wrong = [name for name in names if present.count(name) != 1]
    if wrong:
        raise NormalizationError(
            f"column {', '.join(map(repr, wrong))} is not in the rows to transform exactly once",
            expected=f"the columns {', '.join(names)}",
            remedy="select the column under the name it had in training",
            columns=wrong,
        )


def number(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """One column as float64, shape (n,): NULL and NaN both as NaN. A view where it can be one.

    Integers and decimals are cast, booleans become 0 and 1, text (how `numeric` columns
    arrive) is parsed.

    Raises:
        NormalizationError: the column's type or a text holds no number.
    """
    column = _cast(batch.column(name), pa.float64(), name, safe=False)
    return column.to_numpy(zero_copy_only=False)


def numbers(batch: pa.RecordBatch, names: Sequence[str]) -> np.ndarray:
    """The named columns side by side, each as `number` reads it: shape (len(names), n)."""
    values = np.empty((len(names), batch.num_rows))
    for row, name in enumerate(names):
        values[row] = number(batch, name)
    return values


def texts(batch: pa.RecordBatch, name: str, kind: pa.DataType | None = None) -> pa.Array:
    """A category column as text: string array, shape (n,); NaN counts as NULL.

    Values are first read as `kind`, the type they had in training, so that a month is "1"
    whether it arrives as 16 or 64 bits, or as 1.0 beside a NaN.

    Raises:
        NormalizationError: a value cannot be read as `kind`.
    """
    column = _decoded(batch.column(name))
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    kind = kind or category_type(column.type)
    return _cast(_cast(column, kind, name), pa.string(), name)


def category_type(kind: pa.DataType) -> pa.DataType:
    """The type whose text stands for a category value: one per kind, whatever its width."""
    known: Any = kind
    if pa.types.is_dictionary(kind):
        return category_type(known.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=known.tz)
    kinds = {
        pa.types.is_integer: pa.int64(),
        pa.types.is_floating: pa.float64(),
        pa.types.is_boolean: pa.bool_(),
        pa.types.is_date: pa.date32(),
    }
    return next((canonical for fits, canonical in kinds.items() if fits(kind)), pa.string())


def type_named(text: str) -> pa.DataType:
    """The type that `str(type)` named."""
    zone = text.removeprefix("timestamp[us, tz=").removesuffix("]")
    alias: Any = text
    return pa.timestamp("us", tz=zone) if ", tz=" in text else pa.type_for_alias(alias)


def infinities(values: np.ndarray) -> np.ndarray:
    """Infinite values per row of `values`: int64, shape (len(values),)."""
    return np.isinf(values).sum(axis=1)


def require_finite(infinite: np.ndarray, names: Sequence[str], rows: int, what: str) -> None:
    """Raises NormalizationError naming each column with an infinite value, with its count."""
    bad = {name: int(count) for name, count in zip(names, infinite, strict=True) if count}
    if bad:
        told = ", ".join(f"{count:,} in {name!r}" for name, count in bad.items())
        raise NormalizationError(
            f"infinite values among {rows:,} {what}: {told}",
            expected="finite numbers or NULL",
            remedy="replace them in the SQL, with nullif(x, 'Infinity') for instance",
            infinite=bad,
        )


def _decoded(column: pa.Array) -> pa.Array:
    kind: Any = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _cast(column: pa.Array, kind: pa.DataType, name: str, safe: bool = True) -> pa.Array:
    try:
        return _decoded(column).cast(kind, safe=safe)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise NormalizationError(
            f"column {name!r} of type {column.type} cannot be read as {kind} ({reason})",
            expected="the type it had in training, or one that converts without loss",
            remedy=f"cast {name!r} in the SQL, or correct source.kinds",
            column=name,
        ) from None
