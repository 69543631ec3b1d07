"""What rows count for: read beside the labels, checked, certified, and never a feature."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import SplitError
from plumbline.extract.features import feature_table
from plumbline.network.examples import Examples
from plumbline.normalization.fit import fit
from plumbline.split import weights
from plumbline.split.split import Split
from plumbline.stages import stage_code_version
from plumbline.versions import NormalizationVersion

ROWS = 300
SIDES = np.array(["train", "val", "test"])[np.arange(ROWS) % 3]


def table_of(weight: pa.Array) -> pa.Table:
    return pa.table({
        "id": np.arange(ROWS),
        "x": np.random.default_rng(0).normal(size=ROWS),
        "heavy": weight,
        "side": SIDES,
        "label": np.arange(ROWS) // 3 % 2 == 0,
    })  # fmt: skip


SPEC = spec_of(weight="heavy", split={"policy": "column", "column": "side"})


def split_with(weight: pa.Array, folder) -> Split:
    return split_of(snapshot_of(table_of(weight), folder), SPEC)


def test_weights_lie_beside_the_labels_of_their_side(tmp_path):
    split = split_with(pa.array(np.arange(ROWS) / 7), tmp_path)
    train = split.train().weights()
    np.testing.assert_array_equal(train, (np.arange(0, ROWS, 3) / 7).astype(np.float32))
    assert train.dtype == np.float32
    assert len(split.validation().weights()) == split.validation().count


def test_without_a_column_there_are_none(tmp_path):
    split = split_of(snapshot_of(table_of(pa.array(np.ones(ROWS))), tmp_path), spec_of())
    assert split.train().weights() is None


def test_a_weight_is_no_feature_and_reaches_the_examples(tmp_path):
    snapshot = snapshot_of(table_of(pa.array(np.arange(ROWS))), tmp_path)
    features = feature_table(snapshot, SPEC)
    assert [one.name for one in features.features] == ["x"]
    assert features.ignored["heavy"] == "weighs rows"
    split = split_of(snapshot, SPEC)
    version = NormalizationVersion("n")
    normalization = fit(split.train(), features, SPEC.normalization, version)
    examples = Examples.of(split.train(), normalization)
    assert examples.matrix.names == ("x",)
    np.testing.assert_array_equal(examples.weights, np.arange(0, ROWS, 3))


def test_the_certificate_tells_what_each_side_weighs(tmp_path):
    weight = np.where(np.arange(ROWS) < 30, 5, 1)
    sides = split_with(pa.array(weight), tmp_path).certificate["sides"]
    for at, name in enumerate(("train", "val", "test")):
        here = weight[at::3]
        assert sides[name]["weight"] == {
            "sum": here.sum(),
            "effective_rows": pytest.approx(here.sum() ** 2 / (here**2).sum()),
        }


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        (pa.array([1.0] * 299 + [None]), "NULL in 1 rows"),
        (pa.array([1.0] * 298 + [np.nan, np.inf]), "NaN or infinite in 2 rows"),
        (pa.array([1] * 299 + [-1]), "negative in 1 rows"),
        (pa.array([-np.inf, None] + [1.0] * 298), "NULL in 1 rows and NaN or infinite in 1 rows"),
        (pa.array(["heavy"] * 300), "holds string values"),
    ],
)
def test_what_is_no_weight_is_refused(weight, told, tmp_path):
    with pytest.raises(SplitError, match=told) as caught:
        split_with(weight, tmp_path)
    assert "'heavy'" in caught.value.found
    assert "SQL" in caught.value.remedy


def test_a_side_without_any_weight_is_refused(tmp_path):
    weight = np.where(SIDES == "val", 0.0, 1.0)
    with pytest.raises(SplitError, match="val without a row of any weight"):
        split_with(pa.array(weight), tmp_path)


def test_a_numeric_column_arrives_as_text(tmp_path):
    split = split_with(pa.array([f"{one / 4}" for one in range(ROWS)]), tmp_path)
    np.testing.assert_array_equal(split.train().weights(), np.arange(0, ROWS, 3) / 4)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 3)), min_size=1), st.integers(1, 5))
def test_a_tally_does_not_depend_on_blocks(rows, cut):
    values, sides = (np.array(part) for part in zip(*rows, strict=True))
    whole, parts = weights.Tally(), weights.Tally()
    whole.see(values, sides.astype(np.int8))
    for at in range(0, len(values), cut):
        parts.see(values[at : at + cut], sides[at : at + cut].astype(np.int8))
    for code in range(4):
        assert whole.side(code) == pytest.approx(parts.side(code))
        assert whole.side(code)["effective_rows"] <= np.count_nonzero(sides == code) * (1 + 1e-9)


def test_only_a_declared_weight_is_part_of_the_splits_version():
    """So that adding the option has not renewed any split."""
    from plumbline.stages import STAGES

    assert "weight" not in STAGES["split"].options(spec_of())
    assert stage_code_version(SPEC, "split") != stage_code_version(
        spec_of(split={"policy": "column", "column": "side"}), "split"
    )
