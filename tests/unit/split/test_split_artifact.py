"""Build, load, record; and the door to the rows."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import register, snapshot_of, spec_of, split_of

import plumbline
from plumbline.errors import LabelViolation, LeakageError, RegistryError, SplitError
from plumbline.extract.labels import LabelCoding
from plumbline.split import ledger, split
from plumbline.split.rows import EXCLUDED, TEST, TRAIN, VAL, TestRows, TrainRows, ValRows
from plumbline.versions import SplitVersion


@pytest.fixture
def table() -> pa.Table:
    rows = np.arange(200)
    return pa.table({"id": rows, "x": rows * 0.5, "label": rows % 3 == 0})


def test_a_split_covers_every_row_once_and_keeps_their_order(table, tmp_path):
    snapshot = snapshot_of(table, tmp_path)
    made = split_of(snapshot, spec_of())
    assert sum(made.counts.values()) == 200
    stored = pq.read_table(tmp_path / "split" / "assignment.parquet")
    assert stored.column_names == ["id", "split"]
    assert stored["id"].to_pylist() == list(range(200))
    words = dict(enumerate(("train", "val", "test")))
    assert stored["split"].to_pylist() == [words[side] for side in made.assignment.tolist()]


def test_the_rows_of_each_side_are_its_own(table, tmp_path):
    made = split_of(snapshot_of(table, tmp_path), spec_of())
    for rows, side in ((made.train(), TRAIN), (made.validation(), VAL)):
        ids = np.concatenate([batch.column(0).to_numpy() for batch in rows.batches(["id"], 37)])
        assert ids.tolist() == np.flatnonzero(made.assignment == side).tolist()
        assert rows.count == len(ids)
        assert rows.labels().tolist() == (ids % 3 == 0).astype(int).tolist()


def test_nobody_can_change_the_assignment(table, tmp_path):
    made = split_of(snapshot_of(table, tmp_path), spec_of())
    with pytest.raises(ValueError, match="read-only"):
        made.train().assignment[0] = TRAIN


@pytest.mark.parametrize("kind", [TrainRows, ValRows, TestRows])
def test_rows_cannot_be_made_outside_the_split(table, tmp_path, kind):
    snapshot = snapshot_of(table, tmp_path)
    with pytest.raises(LeakageError, match=f"{kind.__name__} was made outside"):
        kind(
            snapshot=snapshot,
            assignment=np.zeros(200, dtype=np.int8),
            coding=LabelCoding(task="binary", classes=("0", "1")),
            minted=object(),
        )


def test_rows_cannot_be_made_from_other_rows(table, tmp_path):
    train = split_of(snapshot_of(table, tmp_path), spec_of()).train()
    with pytest.raises((TypeError, ValueError), match="minted"):
        dataclasses.replace(train, assignment=np.zeros(200, dtype=np.int8))


REMEDIES = {
    "hash": "choose split.policy 'stratified'",
    "stratified": "raise split.val and split.test",
    "temporal": r"move split.val_from and split.test_from within 2020-01-01.*to 2020-01-02",
    "column": "correct the values of 'part'",
}
OPTIONS = {
    "hash": {"split": {"policy": "hash"}},
    "stratified": {"split": {"policy": "stratified"}},
    "temporal": {
        "timestamp": "at",
        "split": {"policy": "temporal", "val_from": "2020-01-02", "test_from": "2020-02-01"},
    },
    "column": {"split": {"policy": "column", "column": "part"}},
}


@pytest.mark.parametrize("policy", sorted(OPTIONS))
def test_two_rows_are_too_few_for_any_policy(tmp_path, policy):
    table = pa.table({
        "id": [1, 2],
        "at": pa.array([18262, 18263], pa.int32()).cast(pa.date32()),
        "part": ["train", "val"],
        "x": [0.5, 1.5],
        "label": [True, False],
    })  # fmt: skip
    with pytest.raises(SplitError, match=REMEDIES[policy]) as raised:
        split_of(snapshot_of(table, tmp_path), spec_of(**OPTIONS[policy]))
    counts = raised.value.values["counts"]
    assert sum(side["rows"] for side in counts.values()) == 2
    assert f"policy '{policy}' leaves" in str(raised.value)
    told = "test {rows} rows of which {positives} positive".format(**counts["test"])
    assert told in str(raised.value)


def test_a_side_with_one_label_only_is_refused_with_its_counts(tmp_path):
    table = pa.table({
        "id": range(8),
        "part": ["train"] * 4 + ["val"] * 2 + ["test"] * 2,
        "x": range(8),
        "label": [1, 0, 1, 0, 1, 1, 1, 0],
    })  # fmt: skip
    with pytest.raises(SplitError, match=r"leaves val with one label only .*val 2 rows"):
        split_of(snapshot_of(table, tmp_path), spec_of(**OPTIONS["column"]))


def test_a_remedy_for_groups_speaks_of_groups(tmp_path):
    table = pa.table({"id": range(8), "g": ["only"] * 8, "x": range(8), "label": [0, 1] * 4})
    with pytest.raises(SplitError, match=r"split by a finer source\.group"):
        split_of(snapshot_of(table, tmp_path), spec_of(group="g"))


def test_a_side_of_which_everything_is_excluded_says_why(tmp_path):
    table = pa.table({
        "id": range(12),
        "part": ["train"] * 4 + ["val"] * 4 + ["test"] * 4,
        "x": [1.0, 2.0, 3.0, 4.0] * 2 + [5.0, 6.0, 7.0, 8.0],
        "label": [0, 1] * 6,
    })  # fmt: skip
    with pytest.raises(SplitError, match="leaves val empty") as raised:
        split_of(snapshot_of(table, tmp_path), spec_of(**OPTIONS["column"]))
    assert "4 val rows are excluded by the rule on duplicates" in str(raised.value)
    assert "declare split.duplicates: keep if" in raised.value.remedy
    assert raised.value.values["excluded"] == {"val": {"duplicate": 4}}
    kept = {"policy": "column", "column": "part", "duplicates": "keep"}
    assert split_of(snapshot_of(table, tmp_path), spec_of(split=kept)).counts["val"] == 4


def test_a_gap_that_leaves_nothing_is_to_be_shortened(tmp_path):
    table = pa.table({
        "id": range(8),
        "at": pa.array([18262 + day for day in range(8)], pa.int32()).cast(pa.date32()),
        "x": range(8),
        "label": [0, 1] * 4,
    })  # fmt: skip
    split = {"policy": "temporal", "val_from": "2020-01-03", "test_from": "2020-01-06"}
    assert split_of(snapshot_of(table, tmp_path), spec_of(timestamp="at", split=split))
    with pytest.raises(SplitError, match=r"3 val rows are .* gaps.*to fix: shorten split\.gap"):
        split_of(
            snapshot_of(table, tmp_path), spec_of(timestamp="at", split={**split, "gap": "P3D"})
        )


def test_a_column_that_parts_groups_names_them(tmp_path):
    table = pa.table({
        "id": range(8),
        "part": ["train", "val", "test", "train"] * 2,
        "g": ["ann", "ann", "ben", "cy", "ann", "ben", "ben", "cy"],
        "x": range(8),
        "label": [0, 1] * 4,
    })  # fmt: skip
    with pytest.raises(SplitError) as raised:
        split_of(snapshot_of(table, tmp_path), spec_of(group="g", **OPTIONS["column"]))
    assert "puts 2 groups by 'g' on more than one side: 'ann' is on train, val; 'ben' is on " in (
        str(raised.value)
    )
    assert raised.value.values["examples"]["ben"] == ["val", "test"]


def test_excluded_rows_are_stored_as_such_and_are_on_no_side(tmp_path, registry):
    table = pa.table({
        "id": range(14),
        "part": ["train"] * 4 + ["val"] * 5 + ["test"] * 5,
        "x": [*range(8), 0, *range(8, 12), 5],
        "label": [0, 1] * 7,
    })  # fmt: skip
    spec = spec_of(**OPTIONS["column"])
    made = split_of(snapshot_of(table, tmp_path), spec)
    assert np.flatnonzero(made.assignment == EXCLUDED).tolist() == [8, 13]
    stored = pq.read_table(tmp_path / "split" / "assignment.parquet")["split"].to_pylist()
    assert [place for place, word in enumerate(stored) if word == "excluded"] == [8, 13]
    assert (made.train().count, made.validation().count) == (4, 4)
    assert made.counts == {"train": 4, "val": 4, "test": 4}
    register(registry, made, spec)
    recorded = registry.one("split_versions", split_version=made.version)
    assert recorded is not None
    assert (recorded["excluded_rows"], recorded["val_rows"]) == (2, 4)
    rows = ledger.open_test(made, registry, model_versions=["m"], purpose="evaluation")
    ids = [key for batch in rows.batches(["id"]) for key in batch.column(0).to_pylist()]
    assert ids == [9, 10, 11, 12]


def test_classes_are_codes_and_quantities_are_numbers(tmp_path):
    table = pa.table({"id": range(600), "x": range(600), "label": ["a", "b", "c"] * 200})
    snapshot = snapshot_of(table, tmp_path / "classes")
    spec = spec_of(task="multiclass", split={"policy": "stratified"})
    made = split_of(snapshot, spec)
    assert made.coding.classes == ("a", "b", "c")
    labels = made.validation().labels()
    assert (labels.dtype, np.bincount(labels).tolist()) == (np.int16, [30, 30, 30])
    quantities = table.set_column(2, "label", pa.array(np.arange(600) / 7))
    spec = spec_of(task="regression")
    made = split_of(snapshot_of(quantities, tmp_path / "quantities"), spec)
    labels = made.train().labels()
    assert labels.dtype == np.float64
    assert labels.tolist() == (np.flatnonzero(made.assignment == TRAIN) / 7).tolist()
    assert split_of(snapshot_of(table_of_two(), tmp_path), spec_of()).train().labels().dtype == (
        np.int8
    )


def table_of_two() -> pa.Table:
    return pa.table({"id": range(200), "x": range(200), "label": [0, 1] * 100})


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["a", "b", "a", "b", "a", "b", "c", "c"], "leaves train without 'c', test with one class"),
        (["a", "b", "c", "c", "a", "b", "a", "b"], "leaves val empty"),
    ],
)
def test_every_class_is_trained_on_and_no_side_has_one_only(tmp_path, labels, told):
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    if "empty" in told:
        parts[4:6] = ["train", "test"]
    table = pa.table({"id": range(8), "part": parts, "x": range(8), "label": labels})
    with pytest.raises(SplitError) as raised:
        split_of(snapshot_of(table, tmp_path), spec_of(task="multiclass", **OPTIONS["column"]))
    assert told in str(raised.value)
    assert "rows of every class in train" in raised.value.expected


def test_a_regression_needs_two_values_on_every_side(tmp_path):
    table = pa.table({
        "id": range(6),
        "part": ["train"] * 2 + ["val"] * 2 + ["test"] * 2,
        "x": range(6),
        "label": [1.5, 2.5, 3.0, 3.0, 1.0, 2.0],
    })  # fmt: skip
    with pytest.raises(SplitError, match="leaves val with one value only"):
        split_of(snapshot_of(table, tmp_path), spec_of(task="regression", **OPTIONS["column"]))


def test_a_label_that_is_not_binary_is_refused(tmp_path):
    table = pa.table({"id": range(6), "label": [0, 1, 2] * 2})
    with pytest.raises(LabelViolation, match="the label holds 0, 1, 2"):
        split_of(snapshot_of(table, tmp_path), spec_of(split={"policy": "stratified"}))


def test_a_positive_label_is_honoured(tmp_path):
    table = pa.table({"id": range(400), "x": range(400), "label": ["yes", "no", "no", "no"] * 100})
    spec = spec_of(positive_label="yes", split={"policy": "stratified"})
    made = split_of(snapshot_of(table, tmp_path), spec)
    assert [side["positives"] for side in made.certificate["sides"].values()] == [70, 15, 15]


def test_a_key_column_may_not_take_the_name_of_the_side(tmp_path):
    table = pa.table({"split": range(4), "label": [0, 1] * 2})
    with pytest.raises(SplitError, match="a key column is named 'split'"):
        split_of(snapshot_of(table, tmp_path, key="split"), spec_of(key="split"))


def test_the_split_of_other_data_is_not_loaded(table, tmp_path):
    snapshot, spec = snapshot_of(table, tmp_path / "a"), spec_of()
    split_of(snapshot, spec)
    other = snapshot_of(table.set_column(1, "x", table["id"]), tmp_path / "b")
    with pytest.raises(SplitError, match="materialize the split for this dataset version"):
        split.load(snapshot.folder / "split", other, spec, SplitVersion("s"))


def test_two_builds_write_the_same_bytes(table, tmp_path):
    snapshot, spec = snapshot_of(table, tmp_path), spec_of()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        split.build(snapshot, spec, tmp_path / name)
    for file in ("assignment.parquet", "certificate.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_registry_holds_what_the_split_says(table, tmp_path, registry):
    spec = spec_of(timestamp=None)
    made = split_of(snapshot_of(table, tmp_path), spec)
    register(registry, made, spec)
    stored = registry.one("split_versions", split_version=made.version)
    assert stored is not None
    assert stored["certificate"] == made.certificate
    assert stored["train_rows"] == made.counts["train"] == made.train().count
    assert stored["assignment_digest"] == made.assignment_digest
    assert not registry.record("split_versions", **split.row(made, spec))


def test_the_test_rows_are_counted_before_they_are_handed_out(table, tmp_path, registry):
    spec = spec_of()
    made = split_of(snapshot_of(table, tmp_path), spec)
    register(registry, made, spec)
    assert ledger.test_reads(registry, "tested", "v1") == 0
    rows = ledger.open_test(made, registry, model_versions=["m1", "m2"], purpose="evaluation")
    assert isinstance(rows, TestRows)
    assert rows.count == np.count_nonzero(made.assignment == TEST)
    assert ledger.test_reads(registry, "tested", "v1") == 1
    (read,) = registry.rows("test_reads")
    assert (read["model_versions"], read["purpose"]) == (["m1", "m2"], "evaluation")
    assert "@" in read["reader"]


def test_test_rows_that_cannot_be_counted_stay_closed(table, tmp_path, registry):
    made = split_of(snapshot_of(table, tmp_path), spec_of())
    with pytest.raises(RegistryError, match="without a model"):
        ledger.open_test(made, registry, model_versions=[], purpose="evaluation")
    with pytest.raises(RegistryError, match="could not be recorded"):
        ledger.open_test(made, registry, model_versions=["m"], purpose="evaluation")
    assert ledger.test_reads(registry, "tested", "v1") == 0


def test_a_user_without_a_name_is_recorded_by_number(monkeypatch):
    def nameless() -> str:
        raise OSError("no user name")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert ledger.reader().partition("@")[0].isdigit()


def test_only_the_split_names_the_mint():
    root = Path(plumbline.__path__[0])
    users = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "_mint" in path.read_text("utf-8")
    }
    assert users == {"split/rows.py", "split/split.py", "split/ledger.py"}


def test_the_certificate_on_disk_is_the_one_in_hand(table, tmp_path):
    made = split_of(snapshot_of(table, tmp_path), spec_of())
    assert json.loads((tmp_path / "split" / "certificate.json").read_text()) == made.certificate
