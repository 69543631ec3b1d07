"""Counting categories in bounded memory, exactly."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.normalization.vocabulary import frequencies
from plumbline.split.rows import TrainRows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vocabulary")


def train_of(folder: Path, values: pa.Array) -> TrainRows:
    rows = len(values)
    table = pa.table({
        "id": range(rows + 4),
        "c": pa.concat_arrays([values, pa.nulls(4, values.type)]),
        "label": [i % 2 for i in range(rows + 4)],
        "part": ["train"] * rows + ["val", "val", "test", "test"],
    })  # fmt: skip
    split = {"policy": "column", "column": "part", "duplicates": "keep"}
    spec = spec_of(split=split, kinds={"c": "category"})
    types = {"c": "as given"}
    return split_of(snapshot_of(table, folder, postgres_types=types), spec).train()


@settings(max_examples=25, deadline=None)
@example(values=[f"v{i % 50}" for i in range(180)], size=60, limit=3, rows=41)
@given(
    values=st.lists(st.none() | st.text("abcde", max_size=2), min_size=2, max_size=80),
    size=st.integers(1, 40),
    limit=st.integers(1, 6),
    rows=st.integers(1, 90),
)
def test_counts_are_exact_however_few_are_held(folder, values, size, limit, rows):
    found = frequencies(train_of(folder, pa.array(values, pa.string())), "c", size,
                        rows=rows, limit=limit)  # fmt: skip
    counts = Counter(value for value in values if value is not None)
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    assert list(found.values) == ranked[:size]
    assert (found.distinct, found.nulls) == (len(counts), values.count(None))


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        (pa.array([3, 12, 3], pa.int16()), "int64", ("3", "12")),
        (pa.array([True, False, False]), "bool", ("false", "true")),
        (pa.array([0.5, float("nan"), 2.0]), "double", ("0.5", "2")),
        (pa.array([1, 0]).cast(pa.int32()).cast(pa.date32()), "date32[day]",
         ("1970-01-01", "1970-01-02")),
        (pa.array(["b", "a"]), "string", ("a", "b")),
    ],
)  # fmt: skip
def test_values_are_text_of_one_type_per_kind(folder, values, type_, expected):
    found = frequencies(train_of(folder, values), "c", 10, rows=2)
    assert (found.arrow_type, found.values) == (type_, expected)
