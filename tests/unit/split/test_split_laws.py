"""Laws of every policy: who may move, who may not part, and what comes before what."""

import datetime as dt
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of

from plumbline.errors import SplitError
from plumbline.spec import StratifiedSplit
from plumbline.split import shares
from plumbline.split.evening import evened
from plumbline.split.placement import place
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL

few = settings(max_examples=50, deadline=None)

DAY = dt.datetime(2020, 1, 1)
POLICIES: dict[str, dict[str, Any]] = {
    "hash": {"policy": "hash", "val": 0.3, "test": 0.3},
    "stratified": {"policy": "stratified", "val": 0.3, "test": 0.3},
    "temporal": {"policy": "temporal", "val_from": "2020-01-04", "test_from": "2020-01-07"},
    "temporal with a gap": {
        "policy": "temporal",
        "val_from": "2020-01-04",
        "test_from": "2020-01-07",
        "gap": "P1D",
    },
    "column": {"policy": "column", "column": "part"},
}

numbers = st.sampled_from([None, math.nan, 0.0, -0.0, 1.0, 1.0004, 1.04, 999.6, 1000.4])
texts = st.sampled_from([None, "", "a", "A", " a", "a  b", "A\tb"])
# Often at a border, or a whole number of days before one.
hours = st.integers(0, 9 * 24) | st.integers(0, 9).map(lambda days: 24 * days)
row = st.fixed_dictionaries({
    "x": numbers,
    "c": texts,
    "g": st.sampled_from("abcdefgh"),
    "at": hours.map(lambda hours: DAY + dt.timedelta(hours=hours)),
    "part": st.sampled_from(["train", "val", "test"]),
    "label": st.booleans(),
})  # fmt: skip
# Hypothesis makes short lists, in which little can collide.
rows = st.lists(row, min_size=1, max_size=3) | st.lists(row, min_size=15, max_size=40)
SCHEMA = pa.schema({
    "id": pa.int64(),
    "x": pa.float64(),
    "c": pa.string(),
    "g": pa.string(),
    "at": pa.timestamp("us", "UTC"),
    "part": pa.string(),
    "label": pa.bool_(),
})  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws")


def placed(rows: dict[int, dict], folder: Path, policy: str, **options) -> dict[int, int]:
    """Code by key."""
    table = pa.Table.from_pylist([{"id": key, **one} for key, one in rows.items()], SCHEMA)
    source = {"timestamp": "at", "drop": ["g", "part"]}
    if policy == "column":
        source["drop"] = ["g"]
    if group := options.pop("group", None):
        source |= {"group": group, "drop": [name for name in source["drop"] if name != group]}
    spec = spec_of(split={**POLICIES[policy], **options}, **source)
    made = place(snapshot_of(table, folder), spec)
    excluded = sum(sum(counts.values()) for counts in made.exclusions.values())
    assert excluded == np.count_nonzero(made.assignment == EXCLUDED)
    return dict(zip(rows, made.assignment.tolist(), strict=True))


def numbered(found: list[dict]) -> dict[int, dict]:
    return dict(enumerate(found))


@few
@given(data=st.data(), mode=st.sampled_from(["exact", "near", "keep"]))
def test_under_hash_no_row_moves_another_from_side_to_side(folder, data, mode):
    keys = data.draw(st.lists(st.integers(0, 10**6), min_size=12, max_size=30, unique=True))
    before = {key: data.draw(row) for key in keys}
    kept = data.draw(st.permutations(keys))[: data.draw(st.integers(1, len(keys)))]
    added = data.draw(st.lists(st.integers(10**6 + 1, 10**7), max_size=10, unique=True))
    edited = data.draw(st.sets(st.sampled_from(kept)))
    after = {key: data.draw(row) if key in {*added, *edited} else before[key]
             for key in [*added, *kept]}  # fmt: skip
    one = placed(before, folder, "hash", duplicates=mode)
    two = placed(after, folder, "hash", duplicates=mode)
    for key in kept:
        assert len({one[key], two[key]} - {EXCLUDED}) <= 1
        if mode == "keep":
            assert one[key] == two[key] != EXCLUDED


@few
@given(
    rows=rows,
    policy=st.sampled_from(sorted(POLICIES)),
    mode=st.sampled_from(["exact", "near", "keep"]),
)
def test_no_group_is_on_two_sides(folder, rows, policy, mode):
    by_key = numbered(rows)
    parts = defaultdict(set)
    for one in rows:
        parts[one["g"]].add(one["part"])
    if policy == "column" and any(len(on) > 1 for on in parts.values()):
        with pytest.raises(SplitError, match="groups by 'g' on more than one side"):
            placed(by_key, folder, policy, duplicates=mode, group="g")
        return
    found = placed(by_key, folder, policy, duplicates=mode, group="g")
    on_sides = defaultdict(set)
    for key, side in found.items():
        on_sides[by_key[key]["g"]].add(side)
    assert all(len(sides - {EXCLUDED}) <= 1 for sides in on_sides.values())


def exactly(one: dict) -> tuple:
    x = one["x"]
    return ("nan" if x is not None and math.isnan(x) else x, one["c"])


def nearly(one: dict) -> tuple:
    x, c = one["x"], one["c"]
    return (x if x is None else f"{x + 0.0:.2e}", c if c is None else " ".join(c.lower().split()))


@few
@given(rows=rows, policy=st.sampled_from(sorted(POLICIES)), near=st.booleans())
def test_rows_alike_are_on_one_side_and_no_others_are_excluded_for_it(folder, rows, policy, near):
    by_key, alike = numbered(rows), nearly if near else exactly
    free = placed(by_key, folder, policy, duplicates="keep")
    found = placed(by_key, folder, policy, duplicates="near" if near else "exact")
    earliest = defaultdict(lambda: EXCLUDED)
    for key, side in free.items():
        earliest[alike(by_key[key])] = min(earliest[alike(by_key[key])], side)
    for key, side in free.items():
        repeats = earliest[alike(by_key[key])] < side
        assert found[key] == (EXCLUDED if repeats else side)


@few
@given(rows=rows, gap=st.integers(0, 100) | st.sampled_from([24, 48]), grouped=st.booleans())
def test_time_is_in_order_with_ties_and_gaps(folder, rows, gap, grouped):
    by_key, apart = numbered(rows), dt.timedelta(hours=gap)
    options = {"gap": f"PT{gap}H", "duplicates": "keep", "group": "g" if grouped else None}
    found = placed(by_key, folder, "temporal", **options)
    val, test = dt.datetime(2020, 1, 4), dt.datetime(2020, 1, 7)
    groups = {}
    for key, one in sorted(by_key.items(), key=lambda item: item[1]["at"]):
        at = one["at"]
        side = TRAIN if at < val else VAL if at < test else TEST
        close = any(border - apart <= at < border for border in (val, test))
        later = grouped and not close and groups.setdefault(one["g"], side) != side
        assert found[key] == (EXCLUDED if close or later else side)


@few
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=150),
    rate=st.floats(0, 1),
    seed=st.integers(0, 5),
)
def test_whole_groups_come_near_the_shares_of_every_label(folder, sizes, rate, seed):
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    label = random.random(len(group)) < rate
    table = pa.table({"id": range(len(group)), "g": group, "x": range(len(group)), "label": label})
    split = {"policy": "stratified", "val": 0.2, "test": 0.3, "seed": seed}
    found = place(snapshot_of(table, folder), spec_of(split=split, group="g")).assignment
    for value in (True, False):
        for side, share in ((VAL, 0.2), (TEST, 0.3)):
            here = np.count_nonzero(found[label == value] == side)
            assert abs(here - share * np.count_nonzero(label == value)) <= max(sizes)


def test_groups_of_all_sizes_and_mixtures_come_within_a_thousandth(folder):
    random = np.random.default_rng(0)
    sizes = np.maximum(1, random.lognormal(1, 1, 600).astype(int))
    group = np.repeat(np.arange(600), sizes)
    label = random.random(len(group)) < random.random(600)[group]
    table = pa.table({"id": range(len(group)), "g": group, "x": range(len(group)), "label": label})
    split = {"policy": "stratified", "val": 0.2, "test": 0.15}
    found = place(snapshot_of(table, folder), spec_of(split=split, group="g")).assignment
    for value in (True, False):
        for side, share in ((VAL, 0.2), (TEST, 0.15)):
            assert np.mean(found[label == value] == side) == pytest.approx(share, abs=0.0015)


def test_ranks_alone_give_groups_of_one_row_the_shares_of_the_rows(monkeypatch):
    monkeypatch.setattr(shares, "is_small", lambda *_: False)
    label = (np.arange(20_000) % 50 == 0).astype(int)
    hashes = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    split = StratifiedSplit(policy="stratified", val=0.15, test=0.15)
    found = shares.of_labels_by_group(hashes, label, split)
    assert abs(np.count_nonzero(found[label == 1] == TEST) - 60) <= 2
    assert abs(np.count_nonzero(found[label == 0] == VAL) - 2940) <= 2


def test_groups_are_moved_until_no_label_is_far_from_its_share():
    counts = np.array([[5, 0], [5, 0], [0, 5], [0, 5], [1, 0], [0, 1], [4, 4], [6, 6]])
    everything_in_train = np.zeros(len(counts), dtype=np.int8)
    found = evened(everything_in_train, counts, np.array([0.5, 0.25, 0.25]))
    rows = np.stack([counts[found == side].sum(axis=0) for side in (TRAIN, VAL, TEST)])
    assert np.abs(rows - np.outer([0.5, 0.25, 0.25], [21, 21])).max() <= 2
    assert everything_in_train.sum() == 0
