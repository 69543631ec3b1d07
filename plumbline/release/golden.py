"""Golden rows: raw validation rows with the scores that every load must reproduce."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import BundleError
from plumbline.split.rows import ValRows

GOLDEN = "golden.parquet"
EXPECTED = "expected_score"


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


def write(folder: Path, rows: pa.RecordBatch, scores: np.ndarray) -> None:
    """Write the rows and their scores (float64, shape (n,)) into an existing folder."""
    schema = rows.schema.append(pa.field(EXPECTED, pa.float64()))
    columns = [*rows.columns, pa.array(scores, pa.float64())]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / GOLDEN)


def read(folder: Path) -> tuple[pa.RecordBatch, np.ndarray]:
    """The rows and scores that `write` stored.

    Raises:
        BundleError: the file is not what `write` makes.
    """
    with pq.ParquetFile(folder / GOLDEN) as file:
        stored = file.read().combine_chunks().to_batches()
    if len(stored) != 1 or stored[0].schema.names[-1:] != [EXPECTED]:
        raise BundleError(
            f"{folder / GOLDEN} holds no rows with their expected scores",
            expected=f"at least one row, its last column {EXPECTED}",
            remedy="fetch the bundle again from where it was released",
        )
    batch = stored[0]
    # By place: a model may read a column that is itself called expected_score.
    kept = pa.RecordBatch.from_arrays(batch.columns[:-1], schema=pa.schema(list(batch.schema)[:-1]))
    return kept, batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False)


def differing(expected: np.ndarray, found: np.ndarray, tolerance: float) -> np.ndarray:
    """Places where the scores are further apart than `tolerance`, or one is not a number."""
    return np.flatnonzero(~(np.abs(found - expected) <= tolerance))


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
