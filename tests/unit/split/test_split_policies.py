"""Where rows go, and that nothing but what decides a row's side can move it."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of

from plumbline.errors import SplitError
from plumbline.split.policies import assign
from plumbline.split.rows import TEST, TRAIN, VAL

KEYS = {
    "int64": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "text": (st.text(st.characters(blacklist_categories=["Cs"]), max_size=8), pa.string()),
    "date": (st.dates(), pa.date32()),
    "time": (
        st.datetimes(min_value=dt.datetime(1678, 1, 1), max_value=dt.datetime(2200, 1, 1)),
        pa.timestamp("us", tz="UTC"),
    ),
    "uuid": (st.uuids().map(str), pa.string()),
}

few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


def sides(table: pa.Table, folder: Path, **options) -> list[int]:
    spec = spec_of(**options)
    return assign(snapshot_of(table, folder, key=spec.source.key), spec).tolist()


def labelled(columns: dict[str, pa.Array]) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({**columns, "label": pa.array([i % 2 for i in range(rows)], pa.int64())})


@few
@given(data=st.data(), kind=st.sampled_from(sorted(KEYS)), seed=st.integers(0, 5))
def test_hash_depends_on_nothing_but_the_row_s_own_key(folder, data, kind, seed):
    values, type_ = KEYS[kind]
    keys = data.draw(st.lists(values, min_size=2, max_size=40, unique=True))
    others = data.draw(st.permutations(keys))[: len(keys) // 2 + 1]
    split = {"policy": "hash", "seed": seed}
    whole = sides(labelled({"id": pa.array(keys, type_)}), folder, split=split)
    # Fewer rows, in another order, with a column that was not there before.
    edited = labelled({"x": pa.array(range(len(others))), "id": pa.array(others, type_)})
    part = sides(edited, folder, split=split)
    expected = dict(zip(keys, whole, strict=True))
    assert part == [expected[key] for key in others]


@few
@given(groups=st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=60))
def test_hash_never_parts_a_group(folder, groups):
    table = labelled({"id": pa.array(range(len(groups))), "g": pa.array(groups)})
    found: dict[str, set[int]] = {}
    for group, side in zip(groups, sides(table, folder, group="g"), strict=True):
        found.setdefault(group, set()).add(side)
    assert all(len(sides_of_group) == 1 for sides_of_group in found.values())


def test_hash_meets_its_shares_and_its_seed_matters(folder):
    table = labelled({"id": pa.array(range(20_000))})
    split = {"policy": "hash", "val": 0.2, "test": 0.1}
    found = np.array(sides(table, folder, split=split))
    shares = [np.mean(found == side) for side in (TRAIN, VAL, TEST)]
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.012)
    other = np.array(sides(table, folder, split={**split, "seed": 1}))
    assert np.mean(found == other) == pytest.approx(0.7**2 + 0.2**2 + 0.1**2, abs=0.02)


def test_another_share_of_validation_rows_moves_no_test_row(folder):
    table = labelled({"id": pa.array(range(2_000))})
    before = np.array(sides(table, folder, split={"policy": "hash", "val": 0.1, "test": 0.2}))
    after = np.array(sides(table, folder, split={"policy": "hash", "val": 0.3, "test": 0.2}))
    assert ((before == TEST) == (after == TEST)).all()
    assert (after[before == VAL] == VAL).all()


def test_the_side_of_a_key_never_changes_between_releases(folder):
    # A change here moves rows of every hash split that was ever made.
    table = labelled({"id": pa.array(range(24), pa.int32())})
    assert "".join(map(str, sides(table, folder))) == GOLDEN_INTEGERS
    text = labelled({"a": pa.array([f"k{i}" for i in range(24)]), "id": pa.array([1] * 24)})
    assert "".join(map(str, sides(text, folder, key=["a", "id"]))) == GOLDEN_PAIRS


GOLDEN_INTEGERS = "200000100011022012000000"
GOLDEN_PAIRS = "001020000000200211021100"


def test_integers_of_any_width_and_dictionaries_of_text_hash_alike(folder):
    wide = labelled({"id": pa.array(range(50), pa.int64())})
    narrow = labelled({"id": pa.array(range(50), pa.int16())})
    assert sides(wide, folder) == sides(narrow, folder)


def test_values_of_two_key_columns_do_not_run_into_each_other(folder):
    one = pa.table({"a": ["x" * i for i in range(40)], "b": ["x" * (40 - i) for i in range(40)]})
    found = sides(one.append_column("label", pa.array([0] * 40)), folder, key=["a", "b"])
    assert len(set(found)) > 1


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 1001])
def test_stratified_shares_are_exact_to_a_row_within_each_label(folder, rows):
    labels = [i % 3 == 0 for i in range(rows)]
    table = pa.table({"id": range(rows), "label": labels})
    found = np.array(sides(table, folder, split={"policy": "stratified", "val": 0.15}))
    for label in (True, False):
        of_label = found[np.array(labels) == label]
        for side, share in ((TRAIN, 0.7), (VAL, 0.15), (TEST, 0.15)):
            assert abs(np.sum(of_label == side) - share * len(of_label)) <= 1


def test_stratified_is_the_same_twice_and_whatever_the_order_of_rows(folder):
    ids = np.random.default_rng(3).permutation(500)
    table = pa.table({"id": ids, "label": ids % 5 == 0})
    split = {"policy": "stratified"}
    found = dict(zip(ids.tolist(), sides(table, folder, split=split), strict=True))
    ordered = table.sort_by("id")
    assert sides(ordered, folder, split=split) == [found[i] for i in range(500)]


moments = st.datetimes(min_value=dt.datetime(2020, 1, 1), max_value=dt.datetime(2020, 1, 9))
whole_days = st.integers(1, 9).map(lambda day: dt.datetime(2020, 1, day))


@few
@given(at=st.lists(moments | whole_days, min_size=1, max_size=50), zoned=st.booleans())
def test_temporal_keeps_order_and_puts_ties_on_one_side(folder, at, zoned):
    table = labelled({"id": pa.array(range(len(at)))})
    table = table.append_column("at", pa.array(at, pa.timestamp("us", "UTC" if zoned else None)))
    split = {"policy": "temporal", "val_from": "2020-01-04", "test_from": "2020-01-07"}
    found = sides(table, folder, timestamp="at", split=split)
    expected = [0 if t < dt.datetime(2020, 1, 4) else 1 if t < dt.datetime(2020, 1, 7) else 2
                for t in at]  # fmt: skip
    assert found == expected


def test_temporal_reads_dates_as_midnight_and_borders_in_their_zone(folder):
    days = pa.array([dt.date(2020, 1, day) for day in (1, 2, 3, 4)])
    table = labelled({"id": pa.array(range(4)), "at": days})
    split = {
        "policy": "temporal",
        "val_from": "2020-01-02T01:00:00+01:00",
        "test_from": "2020-01-03T00:00:00.000001Z",
    }
    assert sides(table, folder, timestamp="at", split=split) == [TRAIN, VAL, VAL, TEST]


def test_temporal_refuses_null_timestamps_with_their_count(folder):
    at = pa.array([dt.datetime(2020, 1, 1), None, None], pa.timestamp("us", "UTC"))
    table = labelled({"id": pa.array(range(3)), "at": at})
    split = {"policy": "temporal", "val_from": "2020-01-04", "test_from": "2020-01-07"}
    with pytest.raises(SplitError, match=r"source\.timestamp 'at' is NULL in 2 rows of 3"):
        sides(table, folder, timestamp="at", split=split)


def test_temporal_refuses_a_column_that_says_no_time(folder):
    table = labelled({"id": pa.array(range(3)), "at": pa.array(["monday"] * 3)})
    split = {"policy": "temporal", "val_from": "2020-01-04", "test_from": "2020-01-07"}
    with pytest.raises(SplitError, match="'at' has the type string; expected a date or"):
        sides(table, folder, timestamp="at", split=split)


def test_column_places_rows_as_it_says(folder):
    table = labelled({"id": pa.array(range(4)), "part": pa.array(["test", "val", "train", "val"])})
    split = {"policy": "column", "column": "part"}
    assert sides(table, folder, split=split) == [TEST, VAL, TRAIN, VAL]


def test_column_refuses_null_and_other_words_with_their_counts(folder):
    parts = ["train", "Test", None, "Test", "val"]
    table = labelled({"id": pa.array(range(5)), "part": pa.array(parts)})
    split = {"policy": "column", "column": "part"}
    with pytest.raises(SplitError, match=r"'part' holds 'Test' \(2 rows\), NULL \(1 rows\)"):
        sides(table, folder, split=split)


def test_column_refuses_numbers(folder):
    table = labelled({"id": pa.array(range(2)), "part": pa.array([0, 1])})
    with pytest.raises(SplitError, match="'part' has the type int64"):
        sides(table, folder, split={"policy": "column", "column": "part"})


def test_a_group_that_is_null_has_no_side(folder):
    table = labelled({"id": pa.array(range(2)), "g": pa.array([1, None])})
    with pytest.raises(SplitError, match="'g' decides the split, but has NULLs"):
        sides(table, folder, group="g")


def test_a_column_that_the_query_lacks_is_named(folder):
    table = labelled({"id": pa.array(range(2))})
    with pytest.raises(SplitError, match=r"tested\.sql does not select g, which the split reads"):
        sides(table, folder, group="g")


def test_a_key_that_cannot_be_hashed_is_named_with_its_type(folder):
    table = labelled({"id": pa.array([[1], [2]])})
    spec = spec_of()
    snapshot = snapshot_of(table, folder, postgres_types={"id": "integer[]"})
    with pytest.raises(SplitError, match="'id' has the type list"):
        assign(snapshot, spec)
