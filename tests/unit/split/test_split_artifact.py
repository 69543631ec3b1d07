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
from plumbline.split import ledger, split
from plumbline.split.rows import TEST, TRAIN, VAL, TestRows, TrainRows, ValRows
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
            positive_label=None,
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
        "label": [1, 0, 1, 0, 1, 1, 1, 0],
    })  # fmt: skip
    with pytest.raises(SplitError, match=r"leaves val empty or with one label only .*val 2 rows"):
        split_of(snapshot_of(table, tmp_path), spec_of(**OPTIONS["column"]))


def test_a_remedy_for_groups_speaks_of_groups(tmp_path):
    table = pa.table({"id": range(8), "g": ["only"] * 8, "label": [0, 1] * 4})
    with pytest.raises(SplitError, match=r"split by a finer source\.group"):
        split_of(snapshot_of(table, tmp_path), spec_of(group="g"))


def test_a_label_that_is_not_binary_is_refused(tmp_path):
    table = pa.table({"id": range(6), "label": [0, 1, 2] * 2})
    with pytest.raises(LabelViolation, match="the label holds 0, 1, 2"):
        split_of(snapshot_of(table, tmp_path), spec_of(split={"policy": "stratified"}))


def test_a_positive_label_is_honoured(tmp_path):
    table = pa.table({"id": range(400), "label": ["yes", "no", "no", "no"] * 100})
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
