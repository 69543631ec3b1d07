"""What a certificate says, and what it finds against a bad split."""

import copy
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of, spec_of

from plumbline.extract.snapshot import DATA
from plumbline.split.certificate import assignment_digest, certify, problems
from plumbline.split.label_facts import wilson
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL

TEMPORAL = {"policy": "temporal", "val_from": "2020-01-03", "test_from": "2020-01-05"}


def days(*numbers: int | None) -> pa.Array:
    moments = [None if n is None else dt.datetime(2020, 1, n) for n in numbers]
    return pa.array(moments, pa.timestamp("us", "UTC"))


@pytest.fixture
def table() -> pa.Table:
    return pa.table({
        "id": [1, 2, 3, 4, 5, 6],
        "g": ["a", "a", "b", "b", "c", "c"],
        "at": days(1, 2, 3, 4, 5, 6),
        "x": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
        "label": [True, False, True, False, True, False],
    })  # fmt: skip


SOUND = np.array([TRAIN, TRAIN, VAL, VAL, TEST, TEST], dtype=np.int8)


def test_it_counts_sides_rates_and_times(table, tmp_path):
    snapshot = snapshot_of(table, tmp_path)
    spec = spec_of(timestamp="at", split=TEMPORAL)
    certificate = certify(snapshot, spec, SOUND)
    assert problems(certificate) == ()
    assert certificate["rows"] == 6
    assert certificate["policy"]["policy"] == "temporal"
    assert certificate["dataset"]["digest"] == snapshot.digest
    train = certificate["sides"]["train"]
    assert (train["rows"], train["positives"], train["share"]) == (2, 1, pytest.approx(1 / 3))
    assert train["label_rate"]["value"] == 0.5
    assert certificate["time"]["ranges"]["val"] == {
        "first": "2020-01-03T00:00:00.000000Z",
        "last": "2020-01-04T00:00:00.000000Z",
    }
    assert certificate["time"]["test_from"] == "2020-01-05T00:00:00.000000Z"
    assert json.loads(json.dumps(certificate, allow_nan=False)) == certificate


def test_wilson_interval_is_the_textbook_one():
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3 without continuity.
    found = wilson(81, 263, 0.95)
    assert (found["low"], found["high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    nothing = wilson(0, 20, 0.95)
    assert (nothing["low"], nothing["high"]) == pytest.approx((0, 0.1611), abs=5e-5)


def test_a_group_on_two_sides_is_a_problem(table, tmp_path):
    snapshot = snapshot_of(table, tmp_path)
    spec = spec_of(group="g")
    sound = certify(snapshot, spec, SOUND)
    assert sound["groups"] == {"column": "g", "count": 3, "straddling": 0}
    assert problems(sound) == ()
    parted = SOUND.copy()
    parted[1], parted[3] = VAL, TRAIN
    certificate = certify(snapshot, spec, parted)
    assert certificate["groups"]["straddling"] == 2
    assert any("2 of 3 groups by 'g'" in problem for problem in problems(certificate))


def test_groups_are_recounted_across_blocks(tmp_path, monkeypatch):
    table = pa.table({"id": range(10), "g": [0, 1] * 5, "x": range(10), "label": [True, False] * 5})
    snapshot = snapshot_of(table, tmp_path)
    assignment = np.array([TRAIN] * 5 + [VAL] * 5, dtype=np.int8)
    whole = type(snapshot).batches
    monkeypatch.setattr(
        type(snapshot), "batches", lambda self, columns, rows=3: whole(self, columns, rows)
    )
    assert certify(snapshot, spec_of(group="g"), assignment)["groups"]["straddling"] == 2


@pytest.mark.parametrize(
    ("row", "side", "said"),
    [
        (2, TRAIN, "train has a row of 2020-01-03"),  # the border itself belongs to val
        (1, VAL, "val has a row of 2020-01-02"),
        (4, VAL, "val has a row of 2020-01-05"),
        (0, TEST, "test has a row of 2020-01-01"),
    ],
)
def test_a_row_out_of_order_in_time_is_a_problem(table, tmp_path, row, side, said):
    spec = spec_of(timestamp="at", split=TEMPORAL)
    assignment = SOUND.copy()
    assignment[row] = side
    found = problems(certify(snapshot_of(table, tmp_path), spec, assignment))
    assert any(problem.startswith(said) for problem in found)


def test_sides_that_do_not_cover_the_rows_are_a_problem(table, tmp_path):
    certificate = certify(snapshot_of(table, tmp_path), spec_of(), SOUND)
    short = copy.deepcopy(certificate)
    short["sides"]["val"]["rows"] = 1
    assert problems(short) == (
        "5 rows are assigned, but the snapshot has 6",
        "val is with one label only: 1 rows of which 1 positive",
    )


def test_null_times_are_left_out_where_time_does_not_decide(table, tmp_path):
    at = days(None, 2, None, None, 5, 6)
    snapshot = snapshot_of(table.set_column(2, "at", at), tmp_path)
    ranges = certify(snapshot, spec_of(timestamp="at"), SOUND)["time"]["ranges"]
    assert ranges.keys() == {"train", "test"}
    assert ranges["train"]["first"] == ranges["train"]["last"]


def test_the_digest_is_of_values_and_not_of_their_encoding(table, tmp_path):
    snapshot = snapshot_of(table, tmp_path)
    before = assignment_digest(snapshot, ["id"], SOUND)
    rewritten(tmp_path / DATA, table, compression="zstd", row_group_size=2, use_dictionary=False)
    assert assignment_digest(snapshot, ["id"], SOUND) == before


def test_the_digest_sees_a_key_a_side_and_a_column_name(table, tmp_path):
    snapshot = snapshot_of(table, tmp_path)
    moved = SOUND.copy()
    moved[5] = TRAIN
    found = {
        assignment_digest(snapshot, ["id"], SOUND),
        assignment_digest(snapshot, ["id"], moved),
        assignment_digest(snapshot, ["g", "id"], SOUND),
    }
    renumbered = table.set_column(0, "id", pa.array([1, 2, 3, 4, 5, 7]))
    found.add(assignment_digest(snapshot_of(renumbered, tmp_path / "b"), ["id"], SOUND))
    assert len(found) == 4


def test_rows_on_no_side_are_counted_with_their_reasons(table, tmp_path):
    assignment = SOUND.copy()
    assignment[[1, 3]] = EXCLUDED
    reasons = {
        "gap": {"train": 1, "val": 0, "test": 0},
        "duplicate": {"train": 0, "val": 1, "test": 0},
    }
    certificate = certify(snapshot_of(table, tmp_path), spec_of(), assignment, reasons)
    assert certificate["excluded"] == {
        "rows": 2,
        "share": pytest.approx(1 / 3),
        "reasons": reasons,
    }
    assert sum(side["rows"] for side in certificate["sides"].values()) == 4
    assert certificate["notes"] == ["50.0% of the val rows are excluded (duplicate 1)"]
    assert not any("excluded" in problem for problem in problems(certificate))
    reasons["gap"]["train"] = 0
    short = certify(snapshot_of(table, tmp_path), spec_of(), assignment, reasons)
    assert "2 rows are excluded, but reasons are given for 1" in problems(short)


def test_a_few_excluded_rows_are_not_worth_a_note(tmp_path):
    rows = 1000
    table = pa.table({"id": range(rows), "x": range(rows), "label": [0, 1] * (rows // 2)})
    assignment = np.array([TRAIN, VAL, TEST, TEST] * (rows // 4), dtype=np.int8)
    for excluded, noted in ((2, 0), (3, 1)):  # of 250
        assignment[1 : 1 + 4 * excluded : 4] = EXCLUDED
        reasons = {"duplicate": {"train": 0, "val": excluded, "test": 0}}
        found = certify(snapshot_of(table, tmp_path), spec_of(), assignment, reasons)
        assert len(found["notes"]) == noted


@pytest.mark.parametrize("mode", ["exact", "near", "keep"])
def test_a_row_that_repeats_an_earlier_side_is_a_problem_unless_kept(table, tmp_path, mode):
    x = pa.array([10.0, 20.0, 30.0, 20.0, 10.0, 30.0])
    snapshot = snapshot_of(table.set_column(3, "x", x), tmp_path)
    spec = spec_of(split={"policy": "hash", "duplicates": mode}, drop=["g", "at"])
    certificate = certify(snapshot, spec, SOUND)
    assert certificate["duplicates"] == {
        "mode": mode,
        "columns": 1,
        "straddling": {"val": 1, "test": 2},
    }
    found = [problem for problem in problems(certificate) if "repeat a row" in problem]
    assert len(found) == (0 if mode == "keep" else 2)
    notes = [note for note in certificate["notes"] if "stay by split.duplicates" in note]
    assert len(notes) == (2 if mode == "keep" else 0)


def test_nearly_equal_rows_are_recounted_as_such(table, tmp_path):
    x = pa.array([10.0, 20.0, 10.001, 40.0, 19.9999, 60.0])
    snapshot = snapshot_of(table.set_column(3, "x", x), tmp_path)
    near, exact = (
        certify(snapshot, spec_of(split={"policy": "hash", "duplicates": mode}, drop=["g"]), SOUND)
        for mode in ("near", "exact")
    )
    assert near["duplicates"]["straddling"] == {"val": 1, "test": 1}
    assert exact["duplicates"]["straddling"] == {"val": 0, "test": 0}


def test_a_row_within_the_gap_is_out_of_order(table, tmp_path):
    spec = spec_of(timestamp="at", split={**TEMPORAL, "gap": "P1D"})
    assignment = SOUND.copy()
    certificate = certify(snapshot_of(table, tmp_path), spec, assignment)
    assert certificate["time"]["train_before"] == "2020-01-02T00:00:00.000000Z"
    assert {problem.partition(" has")[0] for problem in problems(certificate)} == {"train", "val"}
    assignment[[1, 3]] = EXCLUDED
    certificate = certify(snapshot_of(table, tmp_path), spec, assignment)
    assert not any("not before" in problem for problem in problems(certificate))


def test_every_class_has_its_count_and_rate_on_every_side(table, tmp_path):
    label = pa.array(["a", "b", "a", "c", "a", "b"])
    snapshot = snapshot_of(table.set_column(4, "label", label), tmp_path)
    certificate = certify(snapshot, spec_of(task="multiclass"), SOUND)
    assert certificate["task"] == "multiclass"
    train = certificate["sides"]["train"]["classes"]
    assert {name: one["rows"] for name, one in train.items()} == {"a": 1, "b": 1, "c": 0}
    assert train["a"]["rate"] == wilson(1, 2, 0.95)
    assert problems(certificate) == ("train is without 'c': 2 rows of 2 classes",)
    json.dumps(certificate, allow_nan=False)


def test_a_regression_has_means_with_intervals(tmp_path):
    random = np.random.default_rng(0)
    label = 1e6 + random.normal(size=3000)
    table = pa.table({"id": range(3000), "x": range(3000), "label": label})
    assignment = np.repeat(np.array([TRAIN, VAL, TEST], dtype=np.int8), 1000)
    certificate = certify(snapshot_of(table, tmp_path), spec_of(task="regression"), assignment)
    here = label[1000:2000]
    val = certificate["sides"]["val"]
    assert val["mean"]["value"] == pytest.approx(here.mean(), rel=1e-14)
    assert val["std"] == pytest.approx(here.std(ddof=1), rel=1e-9)
    # Student's t with 999 degrees of freedom: 1.96234.
    reach = 1.96234 * here.std(ddof=1) / np.sqrt(1000)
    assert val["mean"]["high"] - val["mean"]["value"] == pytest.approx(reach, rel=1e-5)
    assert (val["min"], val["max"]) == (here.min(), here.max())
    assert problems(certificate) == ()


def test_means_merge_over_blocks_and_constant_sides_are_a_problem(tmp_path, monkeypatch):
    label = [0.1] * 5 + [1.0, 2.0, 4.0, 8.0, 16.0]
    table = pa.table({"id": range(10), "x": range(10), "label": label})
    snapshot = snapshot_of(table, tmp_path)
    whole = type(snapshot).batches
    monkeypatch.setattr(type(snapshot), "batches", lambda self, columns: whole(self, columns, 3))
    assignment = np.array([TRAIN] * 5 + [VAL] * 5, dtype=np.int8)
    certificate = certify(snapshot, spec_of(task="regression"), assignment)
    assert certificate["sides"]["val"]["mean"]["value"] == pytest.approx(6.2, rel=1e-15)
    assert certificate["sides"]["val"]["std"] == pytest.approx(np.std(label[5:], ddof=1))
    assert problems(certificate) == (
        "train is with one value only: 5 rows",
        "test is empty: 0 rows",
    )


def rewritten(path: Path, table: pa.Table, **options) -> None:
    path.unlink()
    pq.write_table(table, path, **options)
