"""Arrow's columns in PostgreSQL: the type of each, and its values as COPY reads them."""

from collections.abc import Mapping
from typing import Any, LiteralString

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import ScoringError
from plumbline.scoring.csv_lists import is_list
from plumbline.training_features.copy_lines import between, quoted

_TYPES: Mapping[str, LiteralString] = {
    "bool": "boolean",
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "smallint",
    "uint16": "integer",
    "uint32": "bigint",
    "uint64": "numeric",
    "halffloat": "real",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "binary": "bytea",
    "large_binary": "bytea",
    "date32[day]": "date",
    "date64[ms]": "date",
    "null": "text",
}
"""By the name of Arrow's type."""


def postgres_type(field: pa.Field) -> LiteralString:
    """The type of PostgreSQL that a column fits into.

    Raises:
        ScoringError: there is none.
    """
    kind: Any = field.type
    if pa.types.is_dictionary(kind):
        return postgres_type(field.with_type(kind.value_type))
    if is_list(kind):
        return f"{postgres_type(pa.field(field.name, kind.value_type))}[]"
    if pa.types.is_timestamp(kind):
        return f"timestamp {'with' if kind.tz else 'without'} time zone"
    if pa.types.is_decimal(kind):
        return "numeric"
    if str(kind) not in _TYPES:
        raise ScoringError(
            f"column {field.name!r} is {kind}, which has no type in PostgreSQL",
            expected=f"one of {', '.join(_TYPES)}, timestamps, decimals, or lists of them",
            remedy="leave the column out, or score into a Parquet file",
            column=field.name,
        )
    return _TYPES[str(kind)]


def written(values: pa.Array) -> pa.Array:
    """The values as text that COPY reads as `postgres_type`: lists in braces, bytes in hex."""
    kind: Any = values.type
    if pa.types.is_dictionary(kind):
        return written(values.cast(kind.value_type))
    if is_list(kind):
        return _braced(values)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        hexed = [None if one is None else f"\\x{one.hex()}" for one in values.to_pylist()]
        return pa.array(hexed, pa.string())
    if pa.types.is_timestamp(kind) and kind.tz:
        return values.cast(pa.timestamp("us", tz="UTC")).cast(pa.string())
    return values.cast(pa.string())


def _braced(lists: pa.Array) -> pa.Array:
    whole: Any = lists.cast(pa.list_(lists.type.value_type))
    elements: Any = quoted(written(whole.flatten())).fill_null("NULL")
    lengths: Any = pc.list_value_length(whole)
    ends = np.concatenate([[0], np.cumsum(lengths.fill_null(0))])
    joined: Any = pc.binary_join(
        pa.ListArray.from_arrays(pa.array(ends, pa.int32()), elements), ","
    )
    return pc.if_else(whole.is_valid(), between("{", joined, "}"), pa.scalar(None, pa.string()))
