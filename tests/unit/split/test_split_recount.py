"""What straddles, found and counted again: both against plain Python, and against each other."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of

from plumbline.extract.snapshot_sql import row_hashes
from plumbline.split import recount
from plumbline.split.duplicates import Compared, compared
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL
from plumbline.split.straddling import straddlers

few = settings(max_examples=60, deadline=None)

COLUMNS = {
    "flag": (pa.bool_(), st.booleans()),
    "small": (pa.int16(), st.integers(-2, 2)),
    "real": (pa.float32(), st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf])),
    "double": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, math.nan, -math.inf])),
    "exact": (pa.string(), st.sampled_from(["1", "1.5", "10", "100", "NaN", "0.1"])),
    "text": (pa.string(), st.sampled_from(["", "a", "A", "a ", "1", "1.0"])),
    "day": (pa.date32(), st.integers(0, 2)),
}
value_of = {
    "real": lambda value: "NaN" if math.isnan(value) else value + 0.0,
    "double": lambda value: "NaN" if math.isnan(value) else value + 0.0,
}
names = st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recount")


@st.composite
def cases(draw):
    chosen = draw(names)
    row = st.tuples(*(st.none() | COLUMNS[name][1] for name in chosen))
    rows = draw(st.lists(st.tuples(st.integers(TRAIN, EXCLUDED), row), min_size=1, max_size=40))
    return chosen, [side for side, _ in rows], [row for _, row in rows]


def later_rows(chosen, sides, rows) -> list[int]:
    """Positions of the rows on a later side than a row of equal values."""

    def meant(row):
        return tuple(
            None if value is None else value_of.get(name, lambda value: value)(value)
            for name, value in zip(chosen, row, strict=True)
        )

    earliest = defaultdict(lambda: EXCLUDED)
    for side, row in zip(sides, rows, strict=True):
        earliest[meant(row)] = min(side, earliest[meant(row)])
    return [
        place
        for place, (side, row) in enumerate(zip(sides, rows, strict=True))
        if earliest[meant(row)] < side < EXCLUDED
    ]


def snapshot_with(chosen, rows, folder):
    table = pa.table({
        "id": range(len(rows)),
        "label": [False] * len(rows),
        **{name: pa.array([row[at] for row in rows], COLUMNS[name][0])
           for at, name in enumerate(chosen)},
    })  # fmt: skip
    return snapshot_of(table, folder, postgres_types={"exact": "numeric"})


@few
@given(case=cases())
def test_both_means_find_what_plain_python_finds(folder, case):
    chosen, sides, rows = case
    snapshot, assignment = snapshot_with(chosen, rows, folder), np.array(sides, dtype=np.int8)
    expected = later_rows(chosen, sides, rows)
    assert straddlers(row_hashes(snapshot, chosen), assignment).tolist() == expected
    by = Compared(columns=tuple(chosen), near=frozenset())
    assert recount.repeated(snapshot, by, assignment) == {
        name: sum(sides[place] == code for place in expected)
        for name, code in (("val", VAL), ("test", TEST))
    }


@few
@given(
    groups=st.lists(st.sampled_from(["a", "b", "c", "", "d"]), min_size=1, max_size=30),
    data=st.data(),
)
def test_groups_are_recounted_as_plain_python_counts_them(folder, groups, data):
    sides = data.draw(st.lists(st.integers(TRAIN, EXCLUDED), min_size=len(groups),
                               max_size=len(groups)))  # fmt: skip
    table = pa.table({"id": range(len(groups)), "g": groups, "label": [0] * len(groups)})
    on = defaultdict(set)
    for group, side in zip(groups, sides, strict=True):
        if side != EXCLUDED:
            on[group].add(side)
    found = recount.groups(snapshot_of(table, folder), "g", np.array(sides, dtype=np.int8))
    straddling = sum(len(sides) > 1 for sides in on.values())
    assert found == {"column": "g", "count": len(on), "straddling": straddling}


def test_what_the_first_columns_cannot_tell_apart_the_others_can(folder):
    # Two real columns come first; all rows are equal in them.
    table = pa.table({
        "id": range(6),
        "label": [0] * 6,
        "r": [1.0] * 6,
        "s": [2.0] * 6,
        "c": ["a", "b", "c", "a", "d", "a"],
    })  # fmt: skip
    by = Compared(columns=("c", "r", "s"), near=frozenset())
    sides = np.array([TRAIN, TRAIN, VAL, VAL, TEST, TEST], dtype=np.int8)
    assert recount.repeated(snapshot_of(table, folder), by, sides) == {"val": 1, "test": 1}


def test_hashes_that_share_their_high_bits_are_still_told_apart():
    hashes = np.array([5, 6, 5, 7, 6, 5], dtype=np.uint64)
    sides = np.array([TRAIN, VAL, VAL, TEST, TEST, EXCLUDED], dtype=np.int8)
    assert straddlers(hashes, sides).tolist() == [2, 4]
    assert straddlers(hashes[:0], sides[:0]).tolist() == []


def test_features_and_images_are_compared_and_codes_are_never_nearly_equal(folder):
    table = pa.table({
        "id": range(2),
        "label": [0, 1],
        "x": [1.0, 2.0],
        "c": ["a", "b"],
        "code": [1, 2],
        "price": ["1.0", "2.0"],
        "scan": pa.array([b"1", b"2"]),
        "on": [0, 1],
    })  # fmt: skip
    snapshot = snapshot_of(table, folder, postgres_types={"price": "numeric", "scan": "bytea"})
    spec = spec_of(
        split={"policy": "hash", "duplicates": "near"},
        kinds={"code": "category", "scan": "image"},
        drop=["on"],
    )
    by = compared(snapshot, spec)
    assert by.columns == ("x", "c", "code", "price", "scan")
    assert by.near == {"x", "c", "price"}
    assert compared(snapshot, spec.model_copy(update={"split": spec_of().split})).near == set()
    assert len(set(row_hashes(snapshot, by.columns, by.near).tolist())) == 2
