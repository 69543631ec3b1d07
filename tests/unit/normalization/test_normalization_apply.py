"""Raw rows to matrices: against scikit-learn, and with columns in every state."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import NormalizationError
from plumbline.extract.features import feature_table
from plumbline.normalization import apply
from plumbline.normalization.apply import load_matrix, transform
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import MISSING, UNKNOWN
from plumbline.normalization.normal import normal_quantile
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.quantiles import normal_scores, table_size
from plumbline.spec import NormalizationSpec
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

VERSION = NormalizationVersion("n" * 64)


def table_of(rows: int, seed: int = 0) -> pa.Table:
    draw = np.random.default_rng(seed)
    gappy = np.where(draw.random(rows) < 0.2, np.nan, draw.normal(1e3, 7, rows))
    return pa.table({
        "id": range(rows),
        "normal": draw.normal(50, 3, rows),
        "heavy": draw.lognormal(0, 2, rows),
        "count": pa.array(draw.poisson(3, rows), pa.int32()),
        "flag": draw.random(rows) < 0.3,
        "gappy": pa.array(gappy, from_pandas=True),
        "money": pa.array([f"{value:.2f}" for value in draw.gamma(2, 9, rows)]),
        "month": pa.array(draw.integers(1, 13, rows), pa.int16()),
        "city": pa.array(draw.choice(["Oslo", "Rome", "Bern", None], rows, p=[0.5, 0.3, 0.1, 0.1])),
        "label": draw.random(rows) < 0.4,
    })  # fmt: skip


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = tmp_path_factory.mktemp("apply")
    snapshot = snapshot_of(table_of(2_000), folder, postgres_types={"money": "numeric"})
    return split_of(snapshot, SPEC)


SPEC = spec_of(kinds={"month": "category"})


def fitted(split: Split, **options) -> Normalization:
    features = feature_table(split.snapshot, SPEC)
    return fit(split.train(), features, NormalizationSpec(**options), VERSION)


def training_values(split: Split, names: tuple[str, ...]) -> np.ndarray:
    frames = pa.Table.from_batches(list(split.train().batches())).select(names)
    return np.column_stack([frames[n].cast(pa.float64()).to_numpy() for n in names])


@pytest.mark.parametrize("method", ["standard", "min_max", "robust", "quantile"])
def test_scaling_is_scikit_learn_s(split, method):
    from sklearn.preprocessing import (
        MinMaxScaler,
        QuantileTransformer,
        RobustScaler,
        StandardScaler,
    )

    found = fitted(split, method=method)
    names = tuple(feature.name for feature in found.numeric)
    values = training_values(split, names)
    peers = {
        "standard": StandardScaler(),
        "min_max": MinMaxScaler(),
        "robust": RobustScaler(),
        "quantile": QuantileTransformer(
            n_quantiles=table_size(len(values)), output_distribution="normal", subsample=None
        ),
    }
    filled = np.where(np.isnan(values), found.numbers("fill"), values)
    expected = peers[method].fit(values).transform(filled)
    scaled = apply._scaled(found, filled.T, np.zeros(filled.T.shape, dtype=bool)).T
    # scikit-learn takes values within 1e-7 of an end for the end itself.
    tolerance = 1e-9 if method == "quantile" else 1e-12
    np.testing.assert_allclose(scaled, expected, rtol=tolerance, atol=tolerance)
    numeric = load_matrix(split.train(), found).numeric
    np.testing.assert_allclose(numeric[:, : len(names)], expected, rtol=1e-6, atol=1e-6)


def test_statistics_are_numpy_s(split):
    found = fitted(split)
    values = training_values(split, tuple(feature.name for feature in found.numeric))
    for field, of in (("mean", np.nanmean), ("std", np.nanstd), ("min", np.nanmin)):
        np.testing.assert_allclose(found.numbers(field), of(values, axis=0), rtol=1e-12)
    assert found.numbers("max").tolist() == np.nanmax(values, axis=0).tolist()
    assert found.numbers("count").tolist() == (~np.isnan(values)).sum(axis=0).tolist()


def test_scaling_can_be_undone(split):
    found = fitted(split, method="standard")
    names = tuple(feature.name for feature in found.numeric)
    values = training_values(split, names)
    scaled = apply._scaled(found, values.T.copy(), np.isnan(values.T))
    back = scaled.T * found.numbers("scale") + found.numbers("center")
    present = ~np.isnan(values)
    np.testing.assert_allclose(back[present], values[present], rtol=1e-12, atol=1e-12)


def test_a_matrix_has_numbers_indicators_and_codes(split):
    found = fitted(split)
    matrix = load_matrix(split.validation(), found)
    assert matrix.numeric_names[-1] == "gappy is null"
    assert matrix.category_names == ("month", "city")
    assert (matrix.numeric.dtype, matrix.codes.dtype) == (np.float32, np.int32)
    assert len(matrix) == split.validation().count
    assert np.isfinite(matrix.numeric).all()
    gaps = np.concatenate(
        [
            batch.column(0).is_null().to_numpy(False)
            for batch in split.validation().batches(["gappy"])
        ]
    )
    assert (matrix.numeric[:, -1] == gaps).all()
    assert (matrix.numeric[gaps, matrix.numeric_names.index("gappy")] == 0).all()


def test_a_vocabulary_is_ordered_by_count_and_cut(split):
    cities = fitted(split, max_categories=2).categories[1]
    assert (cities.values, cities.distinct) == (("Oslo", "Rome"), 3)


def test_category_codes(split):
    found = fitted(split)
    codes = transform(found, changed(split, "city", ["Oslo", "Rome", "Bern", "Lima", None])).codes
    assert codes[:, 1].tolist() == [2, 3, 4, 0, 1]  # stored models know these numbers


def changed(split: Split, name: str, values: list | pa.Array, rows: int = 5) -> pa.RecordBatch:
    batch = next(iter(split.snapshot.batches())).slice(0, rows)
    at = batch.schema.names.index(name)
    arrays = [*batch.columns[:at], pa.array(values), *batch.columns[at + 1 :]]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("month", pa.array([1, 2, 3, 4, 77], pa.int64())),
        ("month", pa.array([1.0, 2.0, 3.0, 4.0, 77.0])),
        ("month", pa.array(["1", "2", "3", "4", "77"])),
        ("month", pa.array([1, 2, 3, 4, 2**60])),
    ],
)
def test_categories_arrive_in_other_types(split, name, values):
    found = fitted(split)
    narrow = transform(found, changed(split, name, pa.array([1, 2, 3, 4, 77], pa.int8()))).codes
    assert transform(found, changed(split, name, values)).codes.tolist() == narrow.tolist()
    assert (narrow[:4, 0] >= 2).all()
    assert narrow[4, 0] == UNKNOWN


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 0, 2, 7, 4], pa.int64()),
        pa.array([1, 0, 2, 7, 4], pa.uint8()),
        pa.array([1, 0, 2, 7, 4], pa.float32()),
        pa.array(["1", "0", "2", "7", "4"]),
    ],
)
def test_numbers_arrive_in_other_types(split, values):
    found = fitted(split)
    usual = transform(found, changed(split, "count", pa.array([1, 0, 2, 7, 4], pa.int32())))
    other = transform(found, changed(split, "count", values))
    assert (usual.numeric == other.numeric).all()


def test_a_column_of_nothing_but_none_is_missing(split):
    found = fitted(split)
    for name in ("gappy", "city"):
        matrix = transform(found, changed(split, name, pa.nulls(5)))
        assert (matrix.numeric[:, -1] == (name == "gappy")).all() or name == "city"
        assert (matrix.codes[:, 1] == MISSING).all() or name == "gappy"


def test_the_order_of_columns_and_extra_ones_do_not_matter(split):
    found = fitted(split)
    batch = next(iter(split.snapshot.batches()))
    names = batch.schema.names
    turned = batch.select(names[::-1]).append_column("extra", batch.column("id"))
    one, other = transform(found, batch), transform(found, turned)
    assert (one.dense() == other.dense()).all()
    assert one.names == other.names


def test_rows_transform_alike_alone_and_together(split):
    found = fitted(split, method="quantile")
    batch = next(iter(split.snapshot.batches())).slice(0, 20)
    whole = transform(found, batch).dense()
    alone = [transform(found, batch.slice(i, 1)).dense()[0] for i in range(20)]
    assert (whole == np.array(alone)).all()
    assert len(transform(found, batch.slice(0, 0))) == 0


def test_a_missing_column_is_named(split):
    found = fitted(split)
    batch = next(iter(split.snapshot.batches()))
    without = batch.select([n for n in batch.schema.names if n not in ("heavy", "city")])
    with pytest.raises(NormalizationError, match="column 'heavy', 'city' is not in the rows"):
        transform(found, without)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("heavy", [1.0, float("inf"), 1.0, 1.0, 1.0], "infinite values among 5 rows: 1 in 'heavy'"),
        ("heavy", ["1", "2", "much", "4", "5"], "'heavy' of type string cannot be read as double"),
        ("heavy", pa.array([1] * 5).cast(pa.timestamp("us")), "'heavy' of type timestamp"),
        ("month", ["1", "2", "May", "4", "5"], "'month' of type string cannot be read as int64"),
        ("heavy", [1.0, 1e300, 1.0, 1.0, 1.0], "too far from the training rows .*: 1 in 'heavy'"),
    ],
)
def test_values_that_cannot_be_transformed_are_named(split, name, values, said):
    with pytest.raises(NormalizationError, match=said):
        transform(fitted(split), changed(split, name, values))


@settings(deadline=None)
@given(st.floats(1e-300, 1 - 1e-16))
def test_the_normal_quantile_is_scipy_s(probability):
    from scipy.special import ndtri

    found = normal_quantile(np.array([probability]))[0]
    assert found == pytest.approx(ndtri(probability), rel=1e-12, abs=1e-15)


def test_normal_scores_of_ties_are_those_of_scikit_learn():
    from sklearn.preprocessing import QuantileTransformer

    values = np.repeat([0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 5.0], 30)
    peer = QuantileTransformer(n_quantiles=10, output_distribution="normal", subsample=None)
    expected = peer.fit_transform(values[:, None])[:, 0]
    table = peer.quantiles_[:, 0]
    np.testing.assert_allclose(normal_scores(values, table), expected, rtol=1e-9)
    beyond = np.array([-9.0, 9.0, 1.5, 0.3])
    expected = peer.transform(beyond[:, None])[:, 0]
    np.testing.assert_allclose(normal_scores(beyond, table), expected, rtol=1e-9)


def test_the_artifact_holds_the_fit(split, tmp_path):
    features = feature_table(split.snapshot, SPEC)
    options = NormalizationSpec(method="robust")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        apply.build(split.train(), features, options, VERSION, tmp_path / name)
    assert apply.load(tmp_path / "a") == fitted(split, method="robust")
    one, other = (tmp_path / name / "normalization.json" for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
