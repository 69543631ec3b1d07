"""Several labels per row: read, counted on every side, and asked to teach something."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import LabelViolation, SplitError
from plumbline.extract.features import feature_table
from plumbline.extract.labels import LabelCoding
from plumbline.extract.proof import label_proofs
from plumbline.split.certificate import problems
from plumbline.split.label_facts import tally
from plumbline.split.rows import NAMES
from plumbline.split.spoilt import spoilt

ROWS = 300
SIDES = np.array(["train", "val", "test"])[np.arange(ROWS) % 3]
SPEC = spec_of(
    task="multilabel",
    label="tags",
    labels=["a", "b"],
    split={"policy": "column", "column": "side"},
)


def table_of(**columns: Any) -> pa.Table:
    number = np.arange(ROWS)
    given = {
        "id": number,
        "x": np.random.default_rng(0).normal(size=ROWS),
        "b": number // 3 % 2,
        "a": number // 3 % 5 == 0,
        "side": SIDES,
    }
    return pa.table(given | columns)


def split(folder: Path, **columns: Any):
    return split_of(snapshot_of(table_of(**columns), folder, label="tags"), SPEC)


def test_labels_are_a_column_each_in_declared_order(tmp_path):
    train = split(tmp_path).train()
    labels = train.labels()
    assert (labels.dtype, labels.shape) == (np.int8, (100, 2))
    number = np.arange(0, ROWS, 3)
    np.testing.assert_array_equal(labels, np.stack([number // 3 % 5 == 0, number // 3 % 2], axis=1))


def test_labels_are_no_features(tmp_path):
    table = feature_table(split(tmp_path).snapshot, SPEC)
    assert [one.name for one in table.features] == ["x"]
    assert table.ignored["a"] == table.ignored["b"] == "is the label"


def test_the_certificate_counts_each_label(tmp_path):
    certificate = split(tmp_path).certificate
    train = certificate["sides"]["train"]["labels"]
    assert {name: one["rows"] for name, one in train.items()} == {"a": 20, "b": 50}
    assert train["a"]["rate"]["value"] == 0.2
    assert problems(certificate) == ()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"a": (SIDES != "train") & (np.arange(ROWS) % 2 == 0)},
            "train with one value only of 'a'",
        ),
        ({"a": SIDES == "train", "b": SIDES == "val"}, "train with one value only of every label"),
    ],
)
def test_a_side_that_teaches_nothing_is_refused(columns, told, tmp_path):
    with pytest.raises(SplitError, match=told) as caught:
        split(tmp_path, **columns)
    assert "each label in train" in caught.value.expected


def test_elsewhere_a_rare_label_may_be_absent(tmp_path):
    a = (SIDES == "train") & (np.arange(ROWS) % 2 == 0)
    assert problems(split(tmp_path, a=a).certificate) == ()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"a": [None] + [True] * 299}, "'a'.* is NULL in 1 of 300"),
        ({"b": np.arange(ROWS) % 3}, "'b'"),
        ({"b": np.zeros(ROWS, dtype=np.int64)}, "'b'"),
    ],
)
def test_each_label_is_proved_while_it_is_read(columns, told):
    block = table_of(**columns).combine_chunks().to_batches()[0]
    with pytest.raises(LabelViolation, match=told):  # noqa: PT012
        for proof in label_proofs(SPEC.source):
            proof.see(block)
            proof.conclude()


def test_spoilt_rows_have_other_labels(tmp_path):
    honest = split(tmp_path)
    false = spoilt(honest, {"x": "numeric"})
    np.testing.assert_array_equal(false.train().labels(), honest.train().labels())
    assert (false.validation().labels() != honest.validation().labels()).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_tally_counts_whatever_the_blocks(seed, cut):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, (50, 3)).astype(np.int8)
    sides = generator.integers(0, len(NAMES), 50).astype(np.int8)
    seen = tally(LabelCoding(task="multilabel", classes=("p", "q", "r")))
    for at in range(0, 50, cut):
        seen.see(labels[at : at + cut], sides[at : at + cut])
    for code in range(len(NAMES)):
        counted = [one["rows"] for one in seen.side(code)["labels"].values()]
        assert counted == labels[sides == code].sum(axis=0).tolist()
