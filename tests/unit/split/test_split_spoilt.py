"""The spoilt split: training rows as they are, every other row adversarial."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.split.rows import EXCLUDED, TEST, TRAIN
from plumbline.split.split import Split
from plumbline.split.spoilt import rows_beside, spoilt

ROWS = 600
KINDS = {
    "x": "numeric",
    "gaps": "numeric",
    "real": "numeric",
    "small": "numeric",
    "flag": "numeric",
    "money": "numeric",
    "city": "category",
    "month": "category",
    "day": "category",
}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    draw = np.random.default_rng(5)
    gaps = np.where(draw.random(ROWS) < 0.3, np.nan, draw.random(ROWS))
    table = pa.table({
        "id": range(ROWS),
        "x": draw.normal(size=ROWS),
        "gaps": pa.array(gaps, mask=draw.random(ROWS) < 0.3),
        "real": pa.array(draw.normal(size=ROWS).astype(np.float32)),
        "small": pa.array(draw.integers(0, 9, ROWS), pa.int16()),
        "flag": draw.random(ROWS) < 0.5,
        "money": [f"{value:.2f}" for value in draw.random(ROWS)],
        "city": draw.choice(["Oslo", "Rome"], ROWS),
        "month": pa.array(draw.integers(1, 13, ROWS), pa.int16()),
        "day": pa.array(draw.integers(1, 99, ROWS), pa.int32()).cast(pa.date32()),
        "other": range(ROWS),
        "label": draw.random(ROWS) < 0.5,
    })  # fmt: skip
    folder = tmp_path_factory.mktemp("spoilt")
    made = split_of(snapshot_of(table, folder, postgres_types={"money": "numeric"}), spec_of())
    some = np.flatnonzero(made.assignment == TEST)[:5]
    assignment = made.assignment.copy()
    assignment[some] = EXCLUDED
    return replace(made, assignment=assignment)


def table_of(split: Split, rows: int = 65_536) -> pa.Table:
    return pa.Table.from_batches(list(split.snapshot.batches(rows=rows)))


def test_training_rows_and_unnamed_columns_are_as_they_were(split):
    before, after = table_of(split), table_of(spoilt(split, KINDS))
    assert after.schema == before.schema
    training = pa.array(split.assignment == TRAIN)
    assert repr(after.filter(training).to_pydict()) == repr(before.filter(training).to_pydict())
    for name in ("id", "other"):
        assert after.column(name).equals(before.column(name))


@pytest.mark.parametrize("rows", [65_536, 250])
@pytest.mark.parametrize("name", [*KINDS, "label"])
def test_no_other_value_is_what_it_was(split, name, rows):
    others = np.flatnonzero(split.assignment != TRAIN)
    before, after = (
        table_of(one, rows).column(name).take(pa.array(others)).to_pylist()
        for one in (split, spoilt(split, KINDS))
    )
    for row, old, new in zip(others, before, after, strict=True):
        if name != "label" and (row % 3 == 0 or name == "day"):
            assert new is None
        else:
            assert new not in (None, old)


@pytest.mark.parametrize("name", ["x", "gaps", "real", "money", "small"])
def test_numbers_end_far_out(split, name):
    others = pa.array(split.assignment != TRAIN)
    found = table_of(spoilt(split, KINDS)).column(name).filter(others).drop_null()
    least = 9_999 if name == "small" else 1e6
    assert (np.abs(found.cast(pa.float64()).to_numpy()) > least).mean() > 0.99


def test_excluded_rows_are_spoilt_and_counted(split):
    counts = split.counts
    assert rows_beside(split) == {"val": counts["val"], "test": counts["test"] - 5, "excluded": 5}
    without = replace(split, assignment=np.where(split.assignment == EXCLUDED, TEST,
                                                 split.assignment))  # fmt: skip
    assert "excluded" not in rows_beside(without)
    excluded = pa.array(split.assignment == EXCLUDED)
    one, other = (table_of(s).filter(excluded).column("x") for s in (split, spoilt(split, KINDS)))
    assert not one.equals(other)


def test_what_is_recorded_of_the_snapshot_is_spoilt_too(split):
    snapshot = spoilt(split, KINDS).snapshot
    assert snapshot.digest != split.snapshot.digest
    assert all(
        one.nulls != other.nulls and one.digest != other.digest
        for one, other in zip(snapshot.columns, split.snapshot.columns, strict=True)
    )
    assert not snapshot.folder.exists()


@settings(max_examples=20)
@given(size=st.integers(1, ROWS))
def test_training_rows_do_not_depend_on_the_blocks(split, size):
    names = [name for name in KINDS if name != "gaps"]  # NaN equals nothing
    whole = pa.Table.from_batches(list(split.train().batches(names)))
    parts = pa.Table.from_batches(list(spoilt(split, KINDS).train().batches(names, rows=size)))
    assert parts.combine_chunks().equals(whole.combine_chunks())


@pytest.mark.parametrize("kind", ["int", "text", "regression"])
def test_labels_of_every_type_become_others(split, kind):
    draw = np.random.default_rng(1)
    labels = {
        "int": pa.array(draw.integers(0, 3, ROWS), pa.int16()),
        "text": pa.array(draw.choice(["a", "b", "c"], ROWS)),
        "regression": pa.array(draw.normal(size=ROWS)),
    }[kind]
    table = table_of(split).drop_columns(["label"]).append_column("label", labels)
    snapshot = snapshot_of(table, split.snapshot.folder / kind, postgres_types={"money": "numeric"})
    changed = table_of(spoilt(replace(split, snapshot=snapshot), KINDS)).column("label")
    same = np.array(changed.to_pylist()) == np.array(labels.to_pylist())
    assert (same == (split.assignment == TRAIN)).all()
