"""The audit of rows with several labels: each label counts by itself."""

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, audit_of, findings, of_check

OPTIONS = {"label": "tags", "task": "multilabel", "labels": ["a", "b"]}


def table_of(**columns):
    rng = np.random.default_rng(0)
    plain = {"id": np.arange(ROWS), "a": rng.random(ROWS) < 0.5, "b": rng.random(ROWS) < 0.3}
    fine = rng.normal(size=ROWS) + plain["a"] / 2
    return pa.table(plain | {"fine": fine, "noise": rng.normal(size=ROWS)} | columns)


def test_sound_labels_are_not_complained_about(tmp_path):
    found = findings(table_of(), tmp_path, **OPTIONS)
    assert not [one for one in found if one.check in ("label", "target_leakage", "signal")]


@pytest.mark.parametrize("label", ["a", "b"])
def test_a_copy_of_one_label_is_found(label, tmp_path):
    table = table_of()
    copied = table.append_column("copy", table.column(label).cast(pa.int32()))
    (leak,) = of_check(findings(copied, tmp_path, **OPTIONS), "target_leakage")
    assert (leak.column, leak.severity) == ("copy", "ERROR")
    assert "under another name" in leak.message


def test_a_feature_that_nearly_is_a_label_is_found(tmp_path):
    table = table_of()
    near = np.asarray(table.column("b")) + np.random.default_rng(1).normal(0, 0.01, ROWS)
    (leak,) = of_check(
        findings(table.append_column("near", pa.array(near)), tmp_path, **OPTIONS), "target_leakage"
    )
    assert leak.column == "near"
    assert "AUC of the label told best" in leak.message


def test_a_rare_label_is_told(tmp_path):
    rare = np.arange(ROWS) % 301 == 0
    (told,) = of_check(findings(table_of(b=rare), tmp_path, **OPTIONS), "label")
    assert "class 'b'" in told.message
    assert told.column == "tags"
    assert all(rare[row] for row in told.rows)


def test_rows_alike_with_other_labels_contradict_each_other(tmp_path):
    rng = np.random.default_rng(3)
    table = pa.table({
        "id": np.arange(ROWS),
        "a": np.arange(ROWS) % 2 == 0,
        "b": rng.random(ROWS) < 0.5,
        "fine": np.where(np.arange(ROWS) < 40, 7.0, rng.normal(size=ROWS)),
    })  # fmt: skip
    conflicts = of_check(
        findings(table, tmp_path, split={"policy": "hash", "duplicates": "keep"}, **OPTIONS),
        "duplicates",
    )
    assert any("another label" in one.message for one in conflicts)


def test_labels_are_shown_by_their_number(tmp_path):
    sample = audit_of(table_of(), tmp_path, **OPTIONS).profile.sample
    codes, names = sample.groups
    assert names == ("no label", "1 label", "2 labels", "3 labels or more")
    assert codes.tolist() == sample.labels.sampled.sum(axis=1).tolist()
    assert sample.labels.counts == tuple(sample.labels.sampled.sum(axis=0))
