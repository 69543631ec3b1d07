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
from plumbline.split.certificate import assignment_digest, certify, problems, wilson
from plumbline.split.rows import TEST, TRAIN, VAL

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
    table = pa.table({"id": range(10), "g": [0, 1] * 5, "label": [True, False] * 5})
    snapshot = snapshot_of(table, tmp_path)
    assignment = np.array([TRAIN] * 5 + [VAL] * 5, dtype=np.int8)
    whole = type(snapshot).batches
    monkeypatch.setattr(type(snapshot), "batches", lambda self, columns: whole(self, columns, 3))
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
        "val has 1 rows, 1 of them positive",
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


def rewritten(path: Path, table: pa.Table, **options) -> None:
    path.unlink()
    pq.write_table(table, path, **options)
