"""Training features as the lines that COPY reads: arrays, keys and labels in PostgreSQL's text."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from plumbline.extract.labels import LabelCoding
from plumbline.normalization.apply import transform
from plumbline.normalization.columns import numbers, texts, type_named
from plumbline.normalization.parameters import Normalization


def lines(columns: Sequence[pa.Array]) -> memoryview:
    """Rows of CSV without a header: NULL is nothing, every value is quoted."""
    block = pa.record_batch(list(columns), names=[str(place) for place in range(len(columns))])
    sink = pa.BufferOutputStream()
    csv.write_csv(block, sink, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return memoryview(sink.getvalue())


def repeated(value: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(str(value)), rows)


def keys(batch: pa.RecordBatch, key: Sequence[str]) -> pa.Array:
    """The key columns of each row as a JSON object; dates and times as in ISO 8601."""
    rows = batch.select(list(key)).to_pylist()
    return pa.array([json.dumps(row, ensure_ascii=False, default=_iso) for row in rows])


def raw_vectors(batch: pa.RecordBatch, normalization: Normalization) -> pa.Array:
    """The numbers as they were extracted, as float8[]: NULL stays NULL, NaN stays NaN."""
    names = normalization.number_columns
    columns = zip(names, numbers(batch, names), strict=True)
    listed = [pa.array(one, mask=np.asarray(batch.column(name).is_null())) for name, one in columns]
    return _vectors(listed, len(batch))


def raw_categories(batch: pa.RecordBatch, normalization: Normalization) -> pa.Array:
    """The categories as the normalization reads them, as text[]."""
    found = [texts(batch, one.name, type_named(one.arrow_type)) for one in normalization.categories]
    return _vectors([quoted(values) for values in found], len(batch))


def scaled_vectors(batch: pa.RecordBatch, normalization: Normalization) -> pa.Array:
    """`Matrix.dense()` as float4[], to the last bit."""
    dense = transform(normalization, batch).dense()
    return _vectors([pa.array(column) for column in np.ascontiguousarray(dense.T)], len(batch))


def labels(values: pa.Array, coding: LabelCoding) -> tuple[pa.Array, pa.Array]:
    """`label_index` and `label_value`: one of them NULL."""
    codes = pa.array(coding.encode(values))
    none = pa.nulls(len(values), codes.type)
    return (none, codes) if coding.task == "regression" else (codes, none)


def _vectors(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Arrays in PostgreSQL's text, an element per column."""
    if not columns:
        return repeated("{}", rows)
    texts: list[Any] = [column.cast(pa.string()) for column in columns]
    joined = pc.binary_join_element_wise(
        *texts, ",", null_handling="replace", null_replacement="NULL"
    )
    return between("{", joined, "}")


def quoted(values: pa.Array) -> pa.Array:
    """Texts between quotes, as elements of an array need them; NULL stays NULL."""
    escaped = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    return between('"', escaped, '"')


def between(left: str, values: pa.Array, right: str) -> pa.Array:
    """Texts between two others; NULL stays NULL."""
    ends: list[Any] = [left, values, right]
    return pc.binary_join_element_wise(*ends, "")


def _iso(value: Any) -> str:
    return value.isoformat()
