"""Two versions compared: rows by key, columns by name, distributions by effect size."""

import datetime as dt
import hashlib
import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of

from plumbline.errors import HistoryError
from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Snapshot
from plumbline.history import diff as diffs
from plumbline.history.diff import Diff, diff
from plumbline.history.effect import ks_distance, size
from plumbline.history.pair import pair
from plumbline.history.places import views
from plumbline.history.ranges import ranges

NAN = math.nan


def _diff(before: pa.Table, after: pa.Table, folder: Path, **options) -> Diff:
    key = options.pop("key", "id")
    types = options.pop("types", ({}, {}))
    return diff(
        snapshot_of(before, folder / "before", key=key, postgres_types=types[0]),
        snapshot_of(
            after, folder / "after", key=key, postgres_types=types[1], dataset_version="v2"
        ),
    )


def _column(found: Diff, name: str) -> dict:
    return next(one for one in found.changes if one["column"] == name)


def test_rows_that_came_went_and_changed(tmp_path):
    before = pa.table({"id": [1, 2, 3, 4], "x": [1.0, 2.0, 3.0, None], "label": [True] * 4})
    after = pa.table({"id": [2, 3, 4, 5], "x": [2.0, 3.5, 4.0, 5.0], "label": [True] * 4})
    found = _diff(before, after, tmp_path)
    assert found.rows == {"added": 1, "removed": 1, "changed": 2, "unchanged": 1}
    assert _column(found, "x")["rows_changed"] == 2
    assert _column(found, "label")["rows_changed"] == 0
    assert found.examples == {
        "added": [{"key": {"id": 5}}],
        "removed": [{"key": {"id": 1}}],
        "changed": [
            {"key": {"id": 3}, "changes": {"x": {"before": 3.0, "after": 3.5}}},
            {"key": {"id": 4}, "changes": {"x": {"before": None, "after": 4.0}}},
        ],
    }
    assert (found.before["dataset_version"], found.after["dataset_version"]) == ("v1", "v2")


def test_a_version_does_not_differ_from_itself(tmp_path):
    table = pa.table({"id": [1, 2], "x": [NAN, -0.0], "t": ["a", None], "label": [True, False]})
    found = _diff(table, table, tmp_path)
    assert found.rows == {"added": 0, "removed": 0, "changed": 0, "unchanged": 2}
    assert {(one["rows_changed"], one["size"]) for one in found.changes} == {(0, "none")}


def test_what_counts_as_equal(tmp_path):
    before = pa.table({"id": [1, 2, 3, 4, 5], "x": [NAN, 0.0, None, math.inf, 1.0]})
    after = pa.table({"id": [1, 2, 3, 4, 5], "x": [-NAN, -0.0, None, -math.inf, NAN]})
    found = _diff(before, after, tmp_path)
    assert [one["key"]["id"] for one in found.examples["changed"]] == [4, 5]
    assert found.examples["changed"][0]["changes"]["x"] == {"before": "inf", "after": "-inf"}
    assert found.examples["changed"][1]["changes"]["x"] == {"before": 1.0, "after": "nan"}


def test_columns_that_came_went_and_changed_their_type(tmp_path):
    day = dt.date(2024, 1, 1)
    before = pa.table(
        {
            "id": [1, 2],
            "gone": ["a", "b"],
            "wider": pa.array([1, 2], pa.int16()),
            "exact": pa.array([1.5, 2.0]),
            "other": [1, 2],
            "day": [day, day],
        }
    )
    after = pa.table(
        {
            "id": [1, 2],
            "wider": pa.array([1, 2**40], pa.int64()),
            "exact": ["1.5", "2.25"],
            "other": ["1", "2"],
            "day": pa.array([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)], pa.timestamp("us")),
            "new": [1, 2],
        }
    )
    found = _diff(before, after, tmp_path, types=({}, {"exact": "numeric"}))
    assert found.columns["added"] == [{"column": "new", "type": "bigint"}]
    assert found.columns["removed"] == [{"column": "gone", "type": "text"}]
    retyped = {one["column"]: (one["before"], one["after"]) for one in found.columns["retyped"]}
    assert retyped == {
        "wider": ("smallint", "bigint"),
        "exact": ("double precision", "numeric"),
        "other": ("bigint", "text"),
        "day": ("date", "timestamp without time zone"),
    }
    changed = {one["column"]: one["rows_changed"] for one in found.changes}
    assert changed == {"wider": 1, "exact": 1, "other": None, "day": 1}
    assert _column(found, "other")["measure"] is None
    # What cannot be compared is told by column, and makes no row a changed one.
    assert found.rows == {"added": 0, "removed": 0, "changed": 1, "unchanged": 1}


def test_images_are_told_by_their_hash(tmp_path):
    picture, other = b"\x89PNG" + bytes(5000), b"\x89PNG" + bytes(4999)
    before = pa.table({"id": [1, 2, 3], "picture": [picture, picture, None]})
    after = pa.table({"id": [1, 2, 3], "picture": [picture, other, None]})
    types = {"picture": "bytea"}
    found = _diff(before, after, tmp_path, types=(types, types))
    (example,) = found.examples["changed"]
    assert example["key"] == {"id": 2}
    assert example["changes"]["picture"]["after"] == hashlib.sha256(other).hexdigest()
    assert _column(found, "picture")["distance"] == 0.5


HOSTILE = [
    '"',
    "'",
    'a"; DROP TABLE "before',
    "select",
    "ü\n",
    "c1",
    "C1",
    "k0",
    "after",
    "[x]",
    "%s",
]


def test_no_name_can_be_part_of_the_sql(tmp_path):
    key, *others = HOSTILE
    before = pa.table({key: [1, 2], **{name: [1, 2] for name in others}})
    after = pa.table({name: [1, 3] for name in reversed(others)} | {key: [1, 2]})
    found = _diff(before, after, tmp_path, key=key)
    assert {one["column"]: one["rows_changed"] for one in found.changes} == dict.fromkeys(others, 1)
    assert found.examples["changed"][0]["key"] == {key: 2}
    assert found.examples["changed"][0]["changes"].keys() == set(others)


def test_keys_of_several_columns_match_in_any_order(tmp_path):
    days = [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
    before = pa.table({"day": days, "name": ["a", "b", "a"], "x": [1, 2, 3]})
    after = pa.table({"x": [3, 5], "name": ["a", "b"], "day": [days[2], days[1]]})
    one = snapshot_of(before, tmp_path / "before", key=["day", "name"], label="x")
    two = snapshot_of(after, tmp_path / "after", key=["name", "day"], label="x")
    found = diff(one, two)
    assert found.rows == {"added": 0, "removed": 1, "changed": 1, "unchanged": 1}
    assert found.examples["removed"] == [{"key": {"name": "a", "day": "2024-01-01"}}]


@pytest.mark.parametrize(
    ("key", "after", "told"),
    [
        (("id",), {"id": ["1"], "other": [1]}, r"\(id bigint\), and that of v2 is \(id text\)"),
        (("other",), {"id": [1], "other": [1]}, r"\(id bigint\), and that of v2 is \(other bigint"),
    ],
)
def test_keys_that_changed_are_told_with_both(tmp_path, key, after, told):
    before = snapshot_of(pa.table({"id": [1], "x": [1]}), tmp_path / "before")
    later = snapshot_of(pa.table(after), tmp_path / "after", key=key, dataset_version="v2")
    with pytest.raises(HistoryError, match=told):
        diff(before, later)
    diffs.build(before, later, tmp_path)
    found, reason = diffs.load(tmp_path)
    assert found is None
    assert "the key of v1" in reason


def test_what_is_stored_is_what_was_found(tmp_path):
    before = snapshot_of(pa.table({"id": [1, 2], "x": [1.0, NAN]}), tmp_path / "before")
    after = snapshot_of(pa.table({"id": [1, 3], "x": [2.0, NAN]}), tmp_path / "after")
    diffs.build(before, after, tmp_path)
    assert diffs.load(tmp_path) == (diff(before, after), "")


def test_the_first_version_has_nothing_to_differ_from(tmp_path):
    only = snapshot_of(pa.table({"id": [1], "x": [1]}), tmp_path / "only")
    diffs.build(None, only, tmp_path)
    found, reason = diffs.load(tmp_path)
    assert found is None
    assert "v1 is the first dataset version" in reason


def test_effects_are_named_by_their_size(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=4000)
    columns = {"none": 0.0, "small": 0.1, "medium": 0.5, "large": 2.0}
    before = dict.fromkeys(columns, values)
    after = {name: values + shift for name, shift in columns.items()}
    ids = {"id": np.arange(4000)}
    found = _diff(pa.table(ids | before), pa.table(ids | after), tmp_path)
    assert {one["column"]: one["size"] for one in found.changes} == {n: n for n in columns}


@pytest.mark.parametrize(
    ("effect", "word"),
    [(0, "none"), (0.01, "small"), (0.1, "medium"), (0.3, "large"), (1, "large")],
)
def test_bounds_belong_to_the_larger_word(effect, word):
    assert size(effect) == word


def test_a_rise_of_nulls_is_an_effect_too(tmp_path):
    before = pa.table({"id": range(10), "x": [1.0] * 10, "t": ["a"] * 10})
    after = pa.table({"id": range(10), "x": [1.0] * 8 + [None] * 2, "t": pa.nulls(10, pa.string())})
    found = _diff(before, after, tmp_path)
    half, gone = _column(found, "x"), _column(found, "t")
    assert (half["distance"], half["nulls_after"], half["size"]) == (0.0, 0.2, "medium")
    assert (gone["distance"], gone["nulls_after"], gone["size"]) == (None, 1.0, "large")


def test_large_versions_are_measured_on_the_same_sampled_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("plumbline.history.effect.SAMPLE", 500)
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    before = pa.table({"id": np.arange(5000), "x": x, "y": x})
    after = pa.table({"id": np.arange(5000), "x": x, "y": x + 1})
    found = _diff(before, after, tmp_path)
    assert _column(found, "x")["distance"] == 0.0
    exact = ks_distance(x, x + 1)
    assert _column(found, "y")["distance"] == pytest.approx(exact, abs=0.1)
    assert _column(found, "y")["distance"] != exact


_numbers = st.lists(st.one_of(st.floats(allow_subnormal=False), st.integers(-3, 3)), min_size=1)


@given(_numbers, _numbers)
def test_the_ks_distance_is_the_largest_gap_of_the_distribution_functions(before, after):
    def below(values, bound):
        ordered = [math.isnan(bound) or v <= bound for v in values]
        return sum(ordered) / len(values)

    gaps = [abs(below(before, bound) - below(after, bound)) for bound in before + after]
    found = ks_distance(np.array(before, float), np.array(after, float))
    assert found == pytest.approx(max(gaps))


_KINDS = {
    "number": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, NAN, math.inf, None])),
    "whole": (pa.int32(), st.sampled_from([0, 1, -7, None])),
    "word": (pa.string(), st.sampled_from(["a", "A", "", "NULL", None])),
    "flag": (pa.bool_(), st.sampled_from([True, False, None])),
    "day": (pa.date32(), st.sampled_from([dt.date(2024, 1, 1), dt.date(1900, 1, 1), None])),
}


@st.composite
def _tables(draw) -> pa.Table:
    ids = draw(st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=10))
    columns = {
        name: pa.array([draw(values) for _ in ids], kind) for name, (kind, values) in _KINDS.items()
    }
    return pa.table({"id": pa.array(ids, pa.int64()), **columns})


def _same(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


def _naive(before: list[dict], after: list[dict]) -> tuple[dict, dict, dict]:
    """Rows by kind, rows changed by column, and total variation, the slow way."""
    old, new = ({row["id"]: row for row in rows} for rows in (before, after))
    both = old.keys() & new.keys()
    by_column = {n: sum(not _same(old[k][n], new[k][n]) for k in both) for n in _KINDS}
    changed = sum(any(not _same(old[k][n], new[k][n]) for n in _KINDS) for k in both)
    rows = {
        "added": len(new.keys() - both),
        "removed": len(old.keys() - both),
        "changed": changed,
        "unchanged": len(both) - changed,
    }
    variation = {}
    for name in ("word", "flag"):
        values = [[row[name] for row in rows if row[name] is not None] for rows in (before, after)]
        if all(values):
            shares = [{v: vs.count(v) / len(vs) for v in set(vs)} for vs in values]
            seen = shares[0].keys() | shares[1].keys()
            variation[name] = sum(abs(shares[0].get(v, 0) - shares[1].get(v, 0)) for v in seen) / 2
    return rows, by_column, variation


@settings(max_examples=60)
@given(_tables(), _tables())
def test_a_diff_is_what_comparing_row_by_row_finds(before, after):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("plumbline.history.ranges.BLOCK_ROWS", 4)
        patch.setattr("plumbline.history.ranges.CELLS", 1)
        found = _diff(before, after, Path(folder))
    rows, by_column, variation = _naive(before.to_pylist(), after.to_pylist())
    assert found.rows == rows
    assert {one["column"]: one["rows_changed"] for one in found.changes} == by_column
    for name, distance in variation.items():
        assert _column(found, name)["distance"] == pytest.approx(distance)
    for kind, examples in found.examples.items():
        ids = [one["key"]["id"] for one in examples]
        assert ids == sorted(ids)
        assert len(ids) == min(rows[kind], 5)


@pytest.mark.parametrize("key", [["day", "name"], ["flag", "day", "name"], ["at", "name"]])
def test_ranges_of_keys_part_the_rows(tmp_path, monkeypatch, key):
    monkeypatch.setattr("plumbline.history.ranges.BLOCK_ROWS", 3)
    monkeypatch.setattr("plumbline.history.ranges.CELLS", 1)
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=i // 5) for i in range(60)]
    table = pa.table(
        {
            "day": days,
            "at": [dt.datetime(1677, 1, 1, tzinfo=dt.UTC) + 9 * (day - days[0]) for day in days],
            "name": [f"{'äz%'[i % 3]} {i % 5}" for i in range(60)],
            "flag": [i % 2 > 0 for i in range(60)],
            "x": list(range(60)),
        }
    )
    found = _diff(table.slice(0, 50), table.slice(7), tmp_path, key=key, label="x")
    assert found.rows == {"added": 10, "removed": 7, "changed": 0, "unchanged": 43}
    for examples in (found.examples["added"], found.examples["removed"]):
        keys = [tuple(one["key"].values()) for one in examples]
        assert len(keys) == 5
        assert keys == sorted(keys)


def _written(table: pa.Table, folder: Path) -> Snapshot:
    """A snapshot whose digests nobody reads: those of tests/snapshots.py take long."""
    template = snapshot_of(table.slice(0, 1), folder)
    pq.write_table(table, folder / DATA, row_group_size=BLOCK_ROWS)
    return replace(template, rows=table.num_rows)


def test_versions_may_be_larger_than_the_memory(tmp_path, monkeypatch):
    # Two versions of 80 MB each. Where they are matched as a whole, spilling has to help.
    rng = np.random.default_rng(0)
    rows = 600_000
    numbers = {f"x{i}": rng.integers(0, 1000, rows).astype(float) for i in range(16)}
    table = pa.table({"id": np.arange(rows), **numbers, "label": np.ones(rows, bool)})
    changed = table.set_column(1, "x0", pa.array(numbers["x0"] + 1))
    before, after = _written(table, tmp_path / "before"), _written(changed, tmp_path / "after")
    monkeypatch.setattr("plumbline.extract.snapshot_sql.MEMORY", "60MB")
    assert diff(before, after).rows["changed"] == rows
    with views(before=before.folder / DATA, after=after.folder / DATA) as connection:
        assert len(list(ranges(connection, pair(before, after)))) > 1


def test_snapshots_are_only_read(tmp_path):
    one = snapshot_of(pa.table({"id": [1], "x": [1]}), tmp_path / "one")
    present = {path: path.stat().st_mtime_ns for path in one.folder.iterdir()}
    diff(one, one)
    assert {path: path.stat().st_mtime_ns for path in one.folder.iterdir()} == present
