"""Lists in CSV, which has no place for them: as JSON, one text each."""

import json
from typing import Any

import pyarrow as pa


def spelled_schema(schema: pa.Schema) -> pa.Schema:
    """The schema that `spelled` gives a batch of this one."""
    fields = [one.with_type(pa.string()) if is_list(one.type) else one for one in schema]
    return pa.schema(fields)


def spelled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its lists as text."""
    columns = [_texts(one) if is_list(one.type) else one for one in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=spelled_schema(batch.schema))


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds lists, of whichever kind."""
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _texts(values: pa.Array) -> pa.Array:
    lists = values.to_pylist()
    return pa.array([None if one is None else _text(one) for one in lists], pa.string())


def _text(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)
