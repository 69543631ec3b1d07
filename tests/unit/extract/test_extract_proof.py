"""The key is proved unique and the label to fit its task, over block borders too."""

import datetime as dt
import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of

from plumbline.errors import KeyViolation, LabelViolation
from plumbline.extract.labels import coding, encode
from plumbline.extract.proof import KeyProof, LabelProof


def blocks(columns, size):
    return pa.table(columns).to_batches(max_chunksize=size)


def prove_key(columns, size=100):
    proof = KeyProof(spec_of(key=list(columns)).source)
    for block in blocks(columns, size):
        proof.see(block)
    proof.conclude()


def prove_label(values, size=100, **source):
    proof = LabelProof(spec_of(**source).source)
    for block in blocks({"label": values}, size):
        proof.see(block)
    proof.conclude()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1), st.integers(1, 5)
)
def test_repeats_are_counted_whatever_the_blocks(rows, size):
    rows.sort()
    columns = {"a": [a for a, _ in rows], "b": [b for _, b in rows]}
    repeats = len(rows) - len(set(rows))
    if not repeats:
        prove_key(columns, size)
        return
    with pytest.raises(KeyViolation) as caught:
        prove_key(columns, size)
    assert caught.value.values["repeats"] == repeats
    twice = [row for row, group in itertools.groupby(rows) if len(list(group)) > 1]
    assert caught.value.values["examples"][0] == f"a {twice[0][0]}, b {twice[0][1]}"


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"],
        [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 1, 2, tzinfo=dt.UTC)],
        [False, True],
    ],
)
def test_keys_of_every_type(values):
    prove_key({"k": values})
    with pytest.raises(KeyViolation, match=r"\(k\) of sql/extracts/tested.sql repeats: 1 rows"):
        prove_key({"k": [*values, values[-1]]}, size=2)


def test_nulls_in_a_key_are_counted_by_column():
    with pytest.raises(KeyViolation, match="is NULL: b in 2 rows") as caught:
        prove_key({"a": [1, 2, 3], "b": pa.array([1, None, None], pa.int64())}, size=1)
    assert caught.value.values["nulls"] == {"b": 2}


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([True, False], None),
        ([0, 1, 1], None),
        ([0.0, 1.0], None),
        (["0", "1"], None),
        (["no", "yes"], "yes"),
        ([1, 2], 2),
        (["1", "2"], 2),
        ([True, False], False),
    ],
)
def test_labels_of_two_classes(values, positive):
    prove_label(values, size=1, positive_label=positive)


@pytest.mark.parametrize(
    ("values", "positive", "told"),
    [
        ([1, None, 0], None, "the label 'label' of sql/extracts/tested.sql is NULL in 1 of 3 rows"),
        (pa.array([None, None], pa.int64()), None, "is NULL in 2 of 2 rows"),
        ([0, 0], None, "holds 0 in 2 rows; expected both classes"),
        ([True], None, "holds True in 1 rows; expected both classes"),
        ([0, 1, 2], None, "holds 0, 1, 2; expected boolean, or 0 and 1"),
        ([0.0, float("nan")], None, "holds 0.0, nan; expected boolean"),
        (["yes", "no"], None, "holds 'no', 'yes'; expected boolean"),
        (
            ["yes", "no", "maybe"],
            "yes",
            "holds 'maybe', 'no', 'yes' in 3 rows; expected two values",
        ),
        (["yes", "yes"], "yes", "holds 'yes' in 2 rows; expected both classes"),
        (["yes", "no"], True, "holds 'no', 'yes' in 2 rows; expected the declared"),
        ([1, 2], "yes", "holds int64 values, and source.positive_label is 'yes'"),
        (list(range(500)), 1, "holds 0, 1, 2, 3, 4, ... in 500 rows"),
    ],
)
def test_labels_that_are_not_binary(values, positive, told):
    with pytest.raises(LabelViolation) as caught:
        prove_label(values, size=2, positive_label=positive)
    assert told in str(caught.value)


def test_encoding_a_label():
    assert encode(pa.array(["b", "a"]), "a").tolist() == [0, 1]
    assert encode(pa.array([True, False]), None).tolist() == [1, 0]
    assert encode(pa.array(["1", "0"]), None).tolist() == [1, 0]
    assert encode(pa.array([1.0, 0.0]), None).dtype == "int8"
    with pytest.raises(LabelViolation, match="the label has 1 NULLs"):
        encode(pa.array([1, None]), None)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (["a", "b", "c"], {}),
        (["a", "b", "c"], {"classes": ["a", "b", "c", "d"]}),
        ([1, 2, 7], {"classes": [7, 1, 2]}),
        (["1", "2"], {"classes": [1, 2]}),  # numeric columns are kept as text
        (list(range(1000)), {}),
    ],
)
def test_labels_of_many_classes(values, options):
    prove_label(values, size=2, task="multiclass", **options)


@pytest.mark.parametrize("values", [[1, 2, 3], [0.5, -1.5], ["1.50", "20"], list(range(5000))])
def test_labels_of_a_regression(values):
    prove_label(values, size=2, task="regression")


@pytest.mark.parametrize(
    ("values", "options", "told"),
    [
        (["a", None, "b"], {"task": "multiclass"}, "is NULL in 1 of 3 rows"),
        (["a", "a"], {"task": "multiclass"}, "holds 'a' in 2 rows; expected two values at least"),
        ([1.0, float("nan"), 2.0], {"task": "multiclass"}, "is NaN in some of 3 rows"),
        (list(range(1001)), {"task": "multiclass"}, "holds more than 1,000 values in 1,001 rows"),
        (
            ["a", "b", "x"],
            {"task": "multiclass", "classes": ["a", "b"]},
            "holds 'x', outside the declared classes; expected one of 'a', 'b'",
        ),
        (
            ["yes", "no"],
            {"task": "multiclass", "classes": [True, False]},
            "quote classes in defs.yaml if the label is text",
        ),
        ([0, 1], {"classes": [0, 2]}, "holds 1, outside the declared classes"),
        ([1.5, None], {"task": "regression"}, "is NULL in 1 of 2 rows"),
        ([1.5, 1.5], {"task": "regression"}, "holds 1.5 in 2 rows; expected two values at least"),
        ([1.0, float("inf"), float("nan")], {"task": "regression"}, "infinite in 2 of 3 rows"),
        (["1.5", "NaN"], {"task": "regression"}, "is NaN or infinite in 1 of 2 rows"),
        (["1.5", "much"], {"task": "regression"}, "holds string values, and source.task is"),
        ([True, False], {"task": "regression"}, "holds bool values, and source.task is"),
    ],
)
def test_labels_that_do_not_fit_their_task(values, options, told):
    with pytest.raises(LabelViolation) as caught:
        prove_label(values, size=2, **options)
    assert told in str(caught.value)


def test_too_many_classes_are_advised_to_be_a_quantity():
    with pytest.raises(
        LabelViolation, match=r"declare source\.task: regression if it is a quantity"
    ):
        prove_label(list(range(3000)), size=400, task="multiclass")


def test_codes_of_classes_and_numbers(tmp_path):
    table = pa.table({"id": range(4), "label": ["b", "a", "c", "a"]})
    found = coding(snapshot_of(table, tmp_path), spec_of(task="multiclass"))
    assert found.classes == ("a", "b", "c")
    assert found.encode(pa.array(["c", "a"])).tolist() == [2, 0]
    with pytest.raises(LabelViolation, match="holds 'd'; expected one of a, b, c"):
        found.encode(pa.array(["a", "d"]))
    numbers = coding(snapshot_of(table, tmp_path), spec_of(task="regression"))
    assert numbers.encode(pa.array([1, 2])).dtype == "float64"
    with pytest.raises(LabelViolation, match="NaN or infinite in 1 of 2 rows"):
        numbers.encode(pa.array([1.0, float("inf")]))
