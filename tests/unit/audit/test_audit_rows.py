"""Findings on rows: duplicates and contradictions, and the classes of the label."""

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, audit_of, findings, of_check, table_of
from hypothesis import given
from hypothesis import strategies as st

from plumbline.audit.rowhash import RowHashes, fixed_width
from plumbline.split.rows import TEST, TRAIN


def keys(finding):
    return [example["id"] for example in finding.examples]


def with_rows(table, copies, **changed):
    """`table` and, at its end, some of its rows again under new keys."""
    again = table.take(pa.array(copies))
    again = again.set_column(0, "id", pa.array(np.arange(ROWS, ROWS + len(copies))))
    for name, values in changed.items():
        at = again.column_names.index(name)
        again = again.set_column(at, name, pa.array(values).cast(again.schema.field(name).type))
    return pa.concat_tables([table, again])


@pytest.fixture
def table():
    words = [f"word {i % 7}" for i in range(ROWS)]
    flags = [None if i % 3 == 0 else i % 2 == 0 for i in range(ROWS)]
    return table_of(word=words, flag=flags, day=pa.array(range(ROWS), pa.date32()))


def test_rows_that_are_there_twice(table, tmp_path):
    (finding,) = findings(with_rows(table, [5, 5, 9]), tmp_path)
    assert (finding.check, finding.severity, finding.column) == ("duplicates", "WARN", None)
    assert (finding.count, keys(finding)) == (3, [2000, 2001, 2002])
    assert "3 of 2,003 rows" in finding.message


@pytest.mark.parametrize(
    ("column", "value"), [("word", "another"), ("flag", True), ("fine", 0.25), ("day", 1)]
)
def test_rows_that_differ_in_any_column_are_none(table, tmp_path, column, value):
    changed = pa.array([value], pa.date32()) if column == "day" else [value]
    assert findings(with_rows(table, [3], **{column: changed}), tmp_path) == ()


def test_a_feature_of_the_key_is_compared(tmp_path):
    table = table_of().append_column("part", pa.array([1, 2] * (ROWS // 2)))
    doubled = table.set_column(2, "fine", pa.array(np.repeat(np.arange(ROWS / 2) / 100, 2)))
    doubled = doubled.set_column(1, "label", pa.array([True, True, False, False] * (ROWS // 4)))
    options = {"key": ["id", "part"]}
    assert (
        of_check(
            findings(doubled, tmp_path / "a", kinds={"part": "category"}, **options), "duplicates"
        )
        == []
    )
    (found,) = of_check(findings(doubled, tmp_path / "b", **options), "duplicates")
    assert found.count == ROWS // 2


def test_few_combinations_repeat_by_nature(tmp_path):
    table = table_of().drop_columns(["fine"]).append_column("x", pa.array([1, 2] * (ROWS // 2)))
    options = {"split": {"policy": "hash", "duplicates": "keep"}}
    found = of_check(findings(table, tmp_path, **options), "duplicates")
    assert [finding.severity for finding in found] == ["INFO", "INFO"]


def assigned(table, tests=()):
    """All rows to train but some."""
    sides = np.full(table.num_rows, TRAIN, dtype=np.int8)
    sides[list(tests)] = TEST
    return sides


def test_the_same_features_with_another_label(table, tmp_path):
    labels = table.column("label").to_pylist()
    torn = with_rows(table, [5, 5, 9], label=[not labels[5], not labels[5], not labels[9]])
    found = findings(torn, tmp_path, assignment=assigned(torn))
    doubled, conflict = found
    assert (doubled.column, doubled.count) == (None, 1)
    assert (conflict.check, conflict.severity, conflict.column) == ("duplicates", "WARN", "label")
    assert (conflict.count, keys(conflict)) == (5, [5, 9, 2000, 2001, 2002])
    assert "no model can be right about 2 of them" in conflict.message


def test_labels_of_test_rows_contradict_nobody(table, tmp_path):
    labels = table.column("label").to_pylist()
    torn = with_rows(table, [9], label=[not labels[9]])
    assert findings(torn, tmp_path, assignment=assigned(torn, tests=[ROWS])) == ()


@given(data=st.data(), rows=st.integers(1, 30))
def test_rows_have_equal_hashes_exactly_if_they_are_equal(data, rows):
    kinds = data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3))
    values = (st.integers(-2, 2), st.sampled_from([0.0, -0.0, 1.5]), st.booleans())
    types = (pa.int64(), pa.float64(), pa.bool_())
    columns = [
        pa.array(data.draw(st.lists(values[k] | st.none(), min_size=rows, max_size=rows)), types[k])
        for k in kinds
    ]
    hashes = RowHashes(rows)
    for at, column in enumerate(columns):
        assert fixed_width(column.type)
        hashes.add(at, 0, column.slice(0, rows // 2))
        hashes.add(at, rows // 2, column.slice(rows // 2))
    tuples = list(zip(*(column.to_pylist() for column in columns), strict=True))
    assert len(set(hashes.values.tolist())) == len(set(tuples))
    seen = [tuples.count(one) > 1 for one in tuples]
    assert hashes.among(hashes.repeated()).tolist() == np.flatnonzero(seen).tolist()


def test_values_do_not_wander_between_columns():
    one, other = RowHashes(1), RowHashes(1)
    for hashes, values in ((one, (1, 2)), (other, (2, 1))):
        for at, value in enumerate(values):
            hashes.add(at, 0, pa.array([value]))
    assert one.values != other.values


def classes(*counts):
    return [f"c{at}" for at, count in enumerate(counts) for _ in range(count)]


def test_classes_that_are_rare(tmp_path):
    labels = classes(ROWS - 75, 66, 9)
    table = table_of().set_column(1, "label", pa.array(labels))
    found = of_check(
        findings(table, tmp_path, task="multiclass", assignment=assigned(table)), "label"
    )
    rare, small = found
    assert (rare.severity, rare.column, rare.count) == ("WARN", "label", 9)
    assert "class 'c2' has 9 of 2,000 training rows" in rare.message
    assert "10 training rows per class" in rare.threshold
    assert keys(rare) == [1991, 1992, 1993, 1994, 1995]
    assert (small.severity, small.count) == ("INFO", 66)
    assert "'c1' is 3.30%" in small.message


def test_balanced_classes_have_no_finding_and_regression_has_no_classes(tmp_path):
    assert of_check(findings(table_of(), tmp_path / "a"), "label") == []
    numbers = table_of().set_column(1, "label", pa.array(np.arange(ROWS) % 83 * 1.0))
    assert of_check(findings(numbers, tmp_path / "b", task="regression"), "label") == []


def test_only_labels_of_training_rows_are_read(tmp_path):
    table = table_of()
    labels = table.column("label").to_pylist()
    sides = assigned(table, tests=range(0, ROWS, 3))
    other = [not one if side == TEST else one for one, side in zip(labels, sides, strict=True)]
    swapped = table.set_column(1, "label", pa.array(other))
    one = audit_of(table, tmp_path / "a", assignment=sides)
    two = audit_of(swapped, tmp_path / "b", assignment=sides)
    assert one.findings == two.findings
    assert one.profile.columns == two.profile.columns
    assert one.profile.sample.labels.counts == two.profile.sample.labels.counts
