"""XGBoost is the library's own, reads what is missing as missing, and trusts no file."""

import json

import numpy as np
import pytest
import xgboost
from baseline_examples import NULLS, TASKS, given, matrix_of
from hypothesis import given as drawn
from hypothesis import strategies as st

from plumbline.baselines import boosted_trees, early_stopping
from plumbline.baselines.native import Native
from plumbline.errors import BundleError
from plumbline.metrics.measured import measured
from plumbline.normalization.matrix import MISSING, UNKNOWN, Matrix
from plumbline.spec import BaselinesSpec

TYPES = ["q", "q", "q", "c", "c"]
PRESENT = np.array([0, 1, 3])
"""Codes of the multiclass label that have rows."""


def said_by_theirs(task: str, rows, X: np.ndarray, other: np.ndarray) -> np.ndarray:
    kind = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    model = kind(random_state=3, n_jobs=1, enable_categorical=True, feature_types=TYPES)
    model.fit(X, rows.targets(), sample_weight=rows.weights)
    if task == "regression":
        said = model.predict(other).astype(np.float64)
        return rows.units.mean + rows.units.scale * said
    said = model.predict_proba(other).astype(np.float64)
    return said[:, 1] if task == "binary" else said


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_said_as_xgboost_says_it(task):
    weights = np.arange(600).astype(np.float32) % 4
    rows, other = given(task, weights=weights), matrix_of(seed=1)
    if task == "multiclass":  # XGBClassifier knows no class without rows
        rows = given(task, labels=np.searchsorted(PRESENT, rows.labels), outputs=3)
    ours = boosted_trees.fit_examples(rows, seed=3)
    native = ours.predictor.native
    expected = said_by_theirs(task, rows, native.read(rows.matrix), native.read(other))
    assert np.array_equal(ours.predictor.predict(other), expected)
    assert ours.hyperparameters["max_depth"] == 6
    assert ours.hyperparameters["n_estimators"] == 100
    assert ours.hyperparameters["random_state"] == 3
    assert ours.hyperparameters["device"] == "cpu"
    assert ours.hyperparameters["multi_strategy"] == "one_output_per_tree"


def native_of(matrix: Matrix) -> Native:
    return Native(
        numeric_names=matrix.numeric_names, category_names=matrix.category_names, nulls=NULLS
    )


@drawn(seed=st.integers(0, 10**6), unknown=st.integers(0, 9))
def test_what_was_null_is_missing_and_nothing_else_is(seed, unknown):
    matrix = matrix_of(10, seed)
    matrix.codes[unknown, 1] = UNKNOWN
    native = native_of(matrix)
    X = native.read(matrix)
    assert native.columns == ("age [years]", "x<y", "flag", "carrier", "größe")
    assert native.types == TYPES
    null = matrix.numeric[:, 3] == 1
    absent = np.isnan(X)
    assert np.array_equal(absent[:, 0], null)
    assert not absent[:, [1, 2, 4]].any()
    assert np.array_equal(absent[:, 3], matrix.codes[:, 0] == MISSING)
    assert X[unknown, 4] == UNKNOWN
    assert np.array_equal(X[~null, 0], matrix.numeric[~null, 0])
    assert np.array_equal(X[:, 1:3], matrix.numeric[:, 1:3])
    assert np.array_equal(X[~absent[:, 3], 3], matrix.codes[~absent[:, 3], 0])


def test_what_stands_in_for_a_missing_value_is_not_looked_at():
    model = boosted_trees.fit_examples(given("binary"), seed=0).predictor
    matrix, other = matrix_of(seed=1), matrix_of(seed=1)
    other.numeric[other.numeric[:, 3] == 1, 0] = 1e9
    assert np.array_equal(model.predict(matrix), model.predict(other))


def test_an_indicator_without_its_number_is_read():
    matrix = matrix_of(5)
    native = Native(
        numeric_names=matrix.numeric_names, category_names=matrix.category_names, nulls=()
    )
    assert native.columns == matrix.names
    assert np.array_equal(native.read(matrix)[:, :4], matrix.numeric)


@pytest.mark.parametrize("task", TASKS)
def test_contributions_add_up_to_the_raw_score(task):
    model = boosted_trees.fit_examples(given(task), seed=0).predictor
    matrix = matrix_of(50, seed=1)
    said, found = model.predict(matrix), model.contributions(matrix)
    outputs = 1 if said.ndim == 1 else said.shape[1]
    assert found.shape == (50, outputs, 6)
    raw = found.sum(axis=2)
    if task == "regression":
        assert raw[:, 0] == pytest.approx(said, rel=1e-5)
    elif task == "multiclass":
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        assert odds / odds.sum(axis=1, keepdims=True) == pytest.approx(said, abs=1e-5)
    else:
        assert 1 / (1 + np.exp(-raw)) == pytest.approx(said.reshape(50, -1), abs=1e-5)


def test_the_number_of_threads_changes_no_tree():
    rows = given("binary", 8000)
    native = boosted_trees.native_of(rows)
    options = boosted_trees.parameters(rows, 0)
    assert options["nthread"] == 1
    one, three = (
        boosted_trees.boosted(rows, native, options | {"nthread": threads}, 5).save_raw("ubj")
        for threads in (1, 3)
    )
    assert bytes(one) == bytes(three)


def test_a_gpu_is_used_where_there_is_one(monkeypatch):
    assert boosted_trees.parameters(given("binary"), 0)["device"] == "cpu"
    monkeypatch.setattr(boosted_trees, "accelerator", lambda: "gpu")
    assert boosted_trees.parameters(given("binary"), 0)["device"] == "cuda"


def test_a_model_of_someone_else_is_refused(tmp_path):
    rows = given("binary")
    model = xgboost.XGBClassifier(n_estimators=2).fit(rows.matrix.numeric, rows.labels)
    booster = model.get_booster()
    booster.save_model(tmp_path / "model.ubj")
    with pytest.raises(BundleError, match="its format is not named"):
        boosted_trees.BoostedTrees.load(tmp_path)
    booster.set_attr(columns=json.dumps(list(rows.matrix.names)))
    booster.save_model(tmp_path / "model.ubj")
    with pytest.raises(BundleError, match=r"boosted_trees\.1, where plumbline\.boosted_trees\.2"):
        boosted_trees.BoostedTrees.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"task": "ranking"}, "is not so"),
        ({"units": {"mean": 0, "scale": -1}}, "deviation -1"),
        ({"native": {}}, "what it says of itself: 'numeric'"),
        ({"native": {"numeric": ["x"], "categories": [], "nulls": []}}, "is not so"),
        ({"outputs": None}, "what it says of itself"),
    ],
)
def test_what_it_says_of_itself_is_checked(tmp_path, change, problem):
    model = boosted_trees.fit_examples(given("binary", 60), seed=0).predictor
    about = json.loads(model.booster.attr("about")) | change
    model.booster.set_attr(about=json.dumps(about))
    model.save(tmp_path)
    with pytest.raises(BundleError, match=problem):
        boosted_trees.BoostedTrees.load(tmp_path)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_early_stopping_is_told_of_with_what_it_kept(task, monkeypatch):
    rows = given(task, 400)
    val = given(task, 200, seed=7, units=rows.units)
    found = early_stopping.measured(rows, val, BaselinesSpec())
    assert 1 <= found["trees"] == found["rounds"] - early_stopping.PATIENCE
    assert (found["most_trees"], found["patience"]) == (2000, 50)
    assert found["seconds"] > 0
    metric = found["val"]["metric"]
    assert found["val"]["metrics"][metric] == pytest.approx(found["val"]["interval"]["value"])
    untuned = boosted_trees.fit_examples(rows, 0).predictor
    loss = "log_loss" if task == "multiclass" else "rmse"
    beside = measured(task, val.labels, untuned.predict(val.matrix))
    assert found["val"]["metrics"][loss] < beside[loss]
    native, options = boosted_trees.native_of(rows), boosted_trees.parameters(rows, 0)
    kept = boosted_trees.boosted(rows, native, options, found["trees"])
    said = boosted_trees.settled(kept, native, rows).predict(val.matrix)
    assert found["val"]["metrics"] == measured(task, val.labels, said)
    monkeypatch.setattr(early_stopping, "MOST_TREES", 3)
    assert early_stopping.measured(rows, val, BaselinesSpec())["rounds"] == 3
