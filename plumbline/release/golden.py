"""Golden rows: raw validation rows, and what every load must make of them, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import BundleError
from plumbline.split.rows import ValRows

GOLDEN, EXPECTED = "golden.parquet", "expected.parquet"
"""The raw rows, which may be scored as they lie there; and what is expected of each."""

_COLUMNS = ["transformed", "model", "released", "answers"]


@dataclass(frozen=True, kw_only=True)
class Golden:
    """Raw rows and what is expected of them, in the order in which it is made."""

    rows: pa.RecordBatch
    transformed: pa.RecordBatch
    """What the model reads: see `plumbline.release.expectations.transformed`."""
    model: np.ndarray
    """What the model says: float64, shape (n,), or (n, classes or labels)."""
    released: np.ndarray
    """The same, calibrated: what `Bundle.score` gives."""
    answers: pa.RecordBatch
    """The columns of `Decision.outputs`."""


def choose(rows: ValRows, columns: Sequence[str], count: int) -> pa.RecordBatch:
    """`count` validation rows (all of them, where there are fewer), in their order.

    For each column its first row with a NULL, as far as half of the places go; the others
    evenly spaced.
    """
    nulls = np.array(_first_nulls(rows, columns)[: count // 2], dtype=np.int64)
    others = np.setdiff1d(np.arange(rows.count), nulls)
    places = min(count - len(nulls), len(others))
    spaced = others[np.linspace(0, len(others) - 1, places).round().astype(np.int64)]
    return _take(rows, columns, np.union1d(nulls, spaced))


def write(folder: Path, golden: Golden) -> None:
    """Write both files into an existing folder."""
    pq.write_table(pa.Table.from_batches([golden.rows]), folder / GOLDEN)
    columns = [
        golden.transformed.to_struct_array(),
        *map(_column, (golden.model, golden.released)),
        golden.answers.to_struct_array(),
    ]
    pq.write_table(pa.Table.from_arrays(columns, names=_COLUMNS), folder / EXPECTED)


def load(folder: Path) -> Golden:
    """What `write` stored.

    Raises:
        BundleError: the files are not what `write` makes.
    """
    try:
        return _read(folder)
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(
            f"{folder} has no golden rows that can be read: {error}",
            expected=f"at least one row in {GOLDEN}, and in {EXPECTED} what to expect of each",
            remedy="fetch the bundle again from where it was released",
        ) from error


def read(folder: Path) -> tuple[pa.RecordBatch, np.ndarray]:
    """The raw rows, and what `Bundle.score` must give of them.

    Raises:
        BundleError: as `load`.
    """
    golden = load(folder)
    return golden.rows, golden.released


def differing(expected: np.ndarray, found: np.ndarray, tolerance: float) -> np.ndarray:
    """Rows whose scores are further apart than `tolerance`, or where one is not a number."""
    apart = ~(np.abs(found - expected) <= tolerance)
    return np.flatnonzero(apart.reshape(len(apart), -1).any(axis=1))


def _read(folder: Path) -> Golden:
    rows, expected = _only_batch(folder / GOLDEN), _only_batch(folder / EXPECTED)
    if expected.schema.names != _COLUMNS or len(expected) != len(rows):
        raise ValueError(f"{EXPECTED} is not of these {len(rows)} rows")
    columns: Any = expected.columns
    transformed, model, released, answers = columns
    return Golden(
        rows=rows,
        transformed=pa.RecordBatch.from_struct_array(transformed),
        model=_scores(model),
        released=_scores(released),
        answers=pa.RecordBatch.from_struct_array(answers),
    )


def _column(scores: np.ndarray) -> pa.Array:
    values = pa.array(scores.ravel(), pa.float64())
    return values if scores.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, len(scores[0]))


def _scores(values: Any) -> np.ndarray:
    if pa.types.is_fixed_size_list(values.type):
        flat = values.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(values), values.type.list_size)
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _only_batch(path: Path) -> pa.RecordBatch:
    with pq.ParquetFile(path) as file:
        stored = file.read().combine_chunks().to_batches()
    if len(stored) != 1:
        raise ValueError(f"{path.name} holds no rows")
    return stored[0]


def _first_nulls(rows: ValRows, columns: Sequence[str]) -> list[int]:
    first, start = dict[str, int](), 0
    for batch in rows.batches(columns):
        for name in columns:
            values = batch.column(name)
            if values.null_count and name not in first:
                first[name] = start + int(values.is_null().index(True).as_py())
        start += batch.num_rows
    return sorted(set(first.values()))


def _take(rows: ValRows, columns: Sequence[str], wanted: np.ndarray) -> pa.RecordBatch:
    parts, start = [], 0
    for batch in rows.batches(columns):
        low, high = np.searchsorted(wanted, (start, start + batch.num_rows))
        if high > low:
            parts.append(
                batch.select(list(columns)).take(pa.array(wanted[low:high] - start, pa.int64()))
            )
        start += batch.num_rows
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
