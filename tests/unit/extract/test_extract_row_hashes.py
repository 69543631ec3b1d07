"""Hashes of rows: equal, or nearly equal, values have equal ones, in the file's order."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of

from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.extract.snapshot_sql import row_hashes

VALUES = {
    "real": (
        [9.996, 10.0, 10.04, 10.06, 0.0, -0.0, math.nan, None, math.inf, 1e-25, 9.996e-26],
        [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9],
        [0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 6],
    ),
    "whole": (
        [1234, 1230, 1235, 1236, 0, 0, -1234, -1229, None, None, 7],
        [0, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8],
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5],
    ),
    "text": (
        ["A b", "a  B ", " a\tb", "ab", None, None, "", " ", "10.0", "10.01", "Ö"],
        [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9],
        [0, 0, 0, 1, 2, 2, 3, 3, 4, 5, 6],
    ),
    "amount": (
        ["10", "10.01", "10.1", "10.04", None, None, "NaN", "0", "-10", "1001", "1000"],
        [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9],
        [0, 0, 1, 0, 2, 2, 3, 4, 5, 6, 6],
    ),
    "flag": (
        [True, False, None, True, False, None, True, True, True, True, True],
        [0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0],
        [0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0],
    ),
}


def numbered(hashes: np.ndarray) -> list[int]:
    """Each hash by its first appearance."""
    seen: dict[int, int] = {}
    return [seen.setdefault(one, len(seen)) for one in hashes.tolist()]


@pytest.mark.parametrize("name", VALUES)
def test_equal_and_nearly_equal_values(tmp_path, name):
    values, exact, near = VALUES[name]
    table = pa.table({"id": range(len(values)), "label": [0] * len(values), name: values})
    snapshot = snapshot_of(table, tmp_path, postgres_types={"amount": "numeric"})
    assert numbered(row_hashes(snapshot, [name])) == exact
    assert numbered(row_hashes(snapshot, [name], near={name})) == near


def test_a_null_is_at_its_own_place(tmp_path):
    table = pa.table({"id": [0, 1], "label": [0, 1], "a": [1, None], "b": [None, 1]})
    assert len(set(row_hashes(snapshot_of(table, tmp_path), ["a", "b"]).tolist())) == 2


def test_hashes_come_in_the_order_of_the_file(tmp_path):
    rows = 300_000
    table = pa.table({"id": range(rows), "label": [0] * rows, "x": np.arange(rows) // 2})
    hashes = row_hashes(snapshot_of_many(table, tmp_path), ["x"])
    assert (hashes[::2] == hashes[1::2]).all()
    assert len(np.unique(hashes)) == rows // 2


def snapshot_of_many(table: pa.Table, folder: Path) -> Snapshot:
    """Without the digest of `snapshot_of`, which is slow for many rows."""
    made = snapshot_of(table.slice(0, 2), folder)
    pq.write_table(table, folder / DATA, row_group_size=20_000)
    return replace(made, rows=table.num_rows)
