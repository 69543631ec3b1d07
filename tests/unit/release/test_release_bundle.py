"""A bundle gives the scores that its predictor gave, whatever the shape of the rows."""

import datetime as dt
import decimal
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_bundles import ROWS, VERSIONS, build, prepare, raw_table

from plumbline.baselines import random_forest
from plumbline.errors import BundleError
from plumbline.normalization.apply import transform
from plumbline.release import bundle, golden
from plumbline.release.bundle import load_bundle
from plumbline.release.predictors import TOLERANCE

pytest_plugins = ["release_fixtures"]


def rows_of(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


RAW = rows_of(raw_table())


def scores_of(built, batch: pa.RecordBatch = RAW) -> np.ndarray:
    return built.predictor.predict(transform(built.prepared.normalization, batch))


def with_column(name: str, values: pa.Array) -> pa.RecordBatch:
    return rows_of(raw_table().set_column(RAW.schema.get_field_index(name), name, values))


def test_a_loaded_bundle_scores_as_the_predictor_did(built):
    loaded = load_bundle(built.folder)
    scores = loaded.score(RAW)
    assert scores.dtype == np.float64
    assert scores.shape == (ROWS,)
    assert np.ptp(scores) > 0.1
    np.testing.assert_allclose(
        scores, scores_of(built), rtol=0, atol=TOLERANCE[loaded.manifest.kind]
    )


def test_trees_may_not_differ_at_all():
    assert {kind for kind, most in TOLERANCE.items() if most == 0} == {
        *("dummy", "random_forest", "xgboost")
    }
    assert (TOLERANCE["linear"], TOLERANCE["network"]) == (1e-12, 1e-6)


@pytest.fixture
def opened(built):
    found = load_bundle(built.folder)
    return found, found.score(RAW)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(7, 40))
def test_scores_depend_neither_on_batch_size_nor_on_order(opened, seed, rows):
    found, expected = opened
    order = np.random.default_rng(seed).permutation(ROWS)[:40]
    shuffled = RAW.take(pa.array(order))
    parts = [found.score(shuffled.slice(at, rows)) for at in range(0, 40, rows)]
    tolerance = TOLERANCE[found.manifest.kind]
    np.testing.assert_allclose(np.concatenate(parts), expected[order], rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def loaded(forest):
    return load_bundle(forest.folder)


def test_the_order_of_columns_does_not_matter(loaded):
    backwards = RAW.select(RAW.schema.names[::-1])
    assert np.array_equal(loaded.score(backwards), loaded.score(RAW))


def test_columns_that_the_model_does_not_read_are_not_needed(loaded):
    needed = RAW.select(loaded.schema.names)
    assert "note" not in needed.schema.names
    assert np.array_equal(loaded.score(needed), loaded.score(RAW))


def test_no_rows_have_no_scores(opened):
    found, _ = opened
    assert found.score(RAW.slice(0, 0)).shape == (0,)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("age", pa.int64()),
        ("age", pa.float64()),
        ("age", pa.decimal128(12, 3)),
        ("weight", pa.float64()),
        ("fee", pa.float64()),
        ("fee", pa.decimal128(12, 4)),
        ("fee", pa.large_string()),
        ("month", pa.int64()),
        ("month", pa.float64()),
        ("city", pa.large_string()),
        ("city", pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_another_type_of_the_same_values_gives_the_same_scores(loaded, name, kind):
    values = RAW.column(name)
    if pa.types.is_decimal(kind):
        values = pa.array([None if v is None else decimal.Decimal(v) for v in values.to_pylist()])
    other = with_column(name, values.cast(kind))
    assert other.column(name).type == kind
    assert np.array_equal(loaded.score(other), loaded.score(RAW))


def test_a_column_without_any_value_may_come_without_a_type(loaded):
    typed = with_column("age", pa.nulls(ROWS, pa.int32()))
    untyped = with_column("age", pa.nulls(ROWS))
    assert np.array_equal(loaded.score(untyped), loaded.score(typed))


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("age", ["40"] * ROWS, "integer (int32)"),
        ("age", [True] * ROWS, "integer (int32)"),
        ("amount", [dt.date(2024, 1, 1)] * ROWS, "double precision (double)"),
        ("member", [1] * ROWS, "boolean (bool)"),
        ("fee", [True] * ROWS, "numeric (string)"),
        ("city", [1] * ROWS, "text (string)"),
        ("month", ["1"] * ROWS, "smallint (int16)"),
    ],
)
def test_a_column_of_the_wrong_type_is_named_with_the_right_one(loaded, name, values, expected):
    with pytest.raises(BundleError) as refused:
        loaded.score(with_column(name, pa.array(values)))
    assert f"column {name!r} is {pa.array(values).type}" in str(refused.value)
    assert refused.value.expected == expected
    assert refused.value.values["column"] == name


@pytest.mark.parametrize(
    ("name", "bad"),
    [("age", 41.5), ("age", 2.0**40), ("month", 1e6), ("fee", "12,50"), ("fee", "free")],
)
def test_a_value_that_its_type_cannot_hold_is_named_with_its_row(loaded, name, bad):
    values = RAW.column(name).to_pylist()
    values[17] = bad
    with pytest.raises(BundleError, match=f"column {name!r} holds {bad!r} in row 118"):
        loaded.score(with_column(name, pa.array(values)), first_row=101)


def test_every_missing_column_is_named(loaded):
    with pytest.raises(BundleError, match="the rows: no column 'amount', 'city'") as refused:
        loaded.score(RAW.drop_columns(["city", "amount"]))
    assert refused.value.values["missing"] == ["amount", "city"]
    assert "city (text)" in refused.value.expected


def test_a_column_that_is_there_twice_is_refused(loaded):
    twice = RAW.append_column("age", RAW.column("age"))
    with pytest.raises(BundleError, match="more than one column 'age'"):
        loaded.score(twice)


def test_an_infinite_number_is_refused(loaded):
    amounts = RAW.column("amount").to_pylist()
    amounts[3] = float("inf")
    with pytest.raises(BundleError, match=r"the rows: infinite values .* 'amount'"):
        loaded.score(with_column("amount", pa.array(amounts)))


@pytest.mark.parametrize("city", ["never seen", None, "NA", "nan", "None", ""])
def test_categories_are_what_they_were_in_training(built, city):
    batch = with_column("city", pa.array([city] * ROWS, pa.string()))
    found = load_bundle(built.folder).score(batch)
    tolerance = TOLERANCE[load_bundle(built.folder).manifest.kind]
    np.testing.assert_allclose(found, scores_of(built, batch), rtol=0, atol=tolerance)


def test_text_that_looks_like_nothing_is_not_null(loaded):
    by_city = {
        city: loaded.score(with_column("city", pa.array([city] * ROWS, pa.string())))
        for city in ("NA", "Bonn", None)
    }
    assert not np.array_equal(by_city["NA"], by_city[None])
    assert not np.array_equal(by_city["NA"], by_city["Bonn"])


def test_an_exact_number_read_as_a_category_keeps_its_text(tmp_path):
    changed = prepare(tmp_path / "snapshot", kinds={"fee": "category"})
    fitted = random_forest.fit(changed.split.train(), changed.normalization, 0)
    made = build(changed, "random_forest", fitted.predictor, tmp_path / "bundle")
    loaded = load_bundle(made.folder)
    four = decimal.Decimal("0.0001")
    fees = [decimal.Decimal(fee).quantize(four) for fee in RAW["fee"].to_pylist()]
    assert np.array_equal(loaded.score(with_column("fee", pa.array(fees))), loaded.score(RAW))


def test_the_same_values_build_the_same_bytes(forest, boosted, tmp_path):
    for number, (built, kind) in enumerate([(forest, "random_forest"), (boosted, "xgboost")]):
        again = build(built.prepared, kind, built.predictor, tmp_path / str(number))
        for path in built.folder.rglob("*.*"):
            same = again.folder / path.relative_to(built.folder)
            assert same.read_bytes() == path.read_bytes()


def test_nothing_in_a_bundle_is_a_pickle(built, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    load_bundle(built.folder).score(RAW)
    files = [path for path in built.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if path.read_bytes()[:1] == b"\x80"]


def test_the_manifest_says_where_everything_came_from(loaded, forest):
    manifest, snapshot = loaded.manifest, forest.prepared.snapshot
    assert vars(manifest.versions) == {
        "dataset_version": "v1",
        "digest": snapshot.digest,
        **VERSIONS,
    }
    assert (manifest.pipeline, manifest.label, manifest.task) == ("tested", "label", "binary")
    assert manifest.metrics["test"]["auc"].low == 0.7
    assert {"keras", "scikit-learn", "xgboost", "numpy", "pyarrow", "python"} <= set(
        manifest.environment
    )
    assert {one.name for one in manifest.inputs if one.vocabulary} == {"month", "city"}
    assert {one.name: (one.postgres_type, one.kind) for one in manifest.inputs} == {
        "age": ("integer", "numeric"),
        "amount": ("double precision", "numeric"),
        "weight": ("real", "numeric"),
        "fee": ("numeric", "numeric"),
        "member": ("boolean", "numeric"),
        "month": ("smallint", "category"),
        "city": ("text", "category"),
    }


def test_golden_rows_are_raw_validation_rows_and_hold_the_nulls_there_are(loaded, forest):
    rows, _ = golden.read(forest.folder)
    assert rows.num_rows == 64
    assert rows.schema.names == loaded.schema.names
    validation = pa.Table.from_batches(forest.prepared.split.validation().batches())
    with_nulls = {name for name in rows.schema.names if validation[name].null_count}
    assert with_nulls == {"age", "weight", "city"}
    assert {name for name in rows.schema.names if rows[name].null_count} == with_nulls
    known = validation.select(rows.schema.names).to_pylist()
    assert all(row in known for row in rows.to_pylist())


def test_fewer_validation_rows_than_golden_rows_are_all_taken(prepared):
    validation = prepared.split.validation()
    chosen = golden.choose(validation, ["age", "city"], 10_000)
    whole = pa.Table.from_batches(validation.batches(["age", "city"]))
    assert chosen.to_pylist() == whole.to_pylist()


def test_the_first_null_of_a_column_is_golden_however_few_the_places(prepared):
    columns = ["age", "weight", "city"]
    chosen = golden.choose(prepared.split.validation(), columns, 6)
    whole = pa.Table.from_batches(prepared.split.validation().batches(columns)).to_pylist()
    assert chosen.num_rows == 6
    for name in columns:
        first = next(row for row in whole if row[name] is None)
        assert first in chosen.to_pylist()


def test_one_golden_row_is_enough(prepared):
    assert golden.choose(prepared.split.validation(), ["age", "city"], 1).num_rows == 1


def test_a_build_whose_model_does_not_survive_saving_fails(forest, tmp_path, monkeypatch):
    class Other:
        def predict(self, matrix):
            return forest.predictor.predict(matrix) / 2

    monkeypatch.setattr(bundle, "load_predictor", lambda kind, folder: Other())
    with pytest.raises(BundleError, match=r"64 of 64 rows differ|\d+ of 64 rows differ"):
        build(forest.prepared, "random_forest", forest.predictor, tmp_path / "bundle")
