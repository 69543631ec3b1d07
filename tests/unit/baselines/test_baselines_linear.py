"""The floor: scikit-learn's linear models in arrays of our own, and the labels' shares."""

import json

import numpy as np
import pytest
from baseline_examples import TASKS, given, matrix_of
from sklearn.linear_model import LogisticRegression, Ridge

from plumbline.baselines import dummy, linear
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix

WEIGHTS = np.arange(600).astype(np.float32) % 4


def one_hot(matrix: Matrix) -> np.ndarray:
    codes = [np.eye(one.max() + 1)[one] for one in matrix_of().codes.T]
    hot = [np.eye(len(codes[at][0]))[one] for at, one in enumerate(matrix.codes.T)]
    return np.concatenate([matrix.numeric.astype(np.float64), *hot], axis=1)


@pytest.mark.parametrize("task", TASKS)
def test_it_is_scikit_learn_s(task):
    rows, other = given(task, weights=WEIGHTS), matrix_of(seed=1)
    X, Z = one_hot(rows.matrix), one_hot(other)
    found = linear.fit_examples(rows).predictor.predict(other)
    if task == "regression":
        model = Ridge().fit(X, rows.labels, sample_weight=WEIGHTS)
        assert found == pytest.approx(model.predict(Z), rel=1e-3)
        return
    several = rows.labels.reshape(600, -1).T
    models = [LogisticRegression(max_iter=200).fit(X, y, sample_weight=WEIGHTS) for y in several]
    expected = [model.predict_proba(Z) for model in models]
    if task == "multiclass":
        assert found[:, [0, 1, 3]] == pytest.approx(expected[0], abs=0.01)
        assert (found[:, 2] == 0).all()
    else:
        ones = np.stack([one[:, 1] for one in expected], axis=1)
        assert found.reshape(600, -1) == pytest.approx(ones, abs=0.01)


def test_two_of_several_classes_are_told_apart_like_two_labels():
    two = given("binary")
    several = given("multiclass", labels=np.where(two.labels == 1, 3, 1).astype(np.int16))
    ones = linear.fit_examples(two).predictor.predict(two.matrix)
    found = linear.fit_examples(several).predictor.predict(two.matrix)
    assert found[:, 3] == pytest.approx(ones)
    assert found[:, 1] == pytest.approx(1 - ones)


def test_whether_it_converged_is_recorded(monkeypatch, caplog):
    found = linear.fit_examples(given("binary"))
    assert found.facts["converged"]
    assert found.facts["iterations"] < found.hyperparameters["max_iter"] == linear.ITERATIONS
    monkeypatch.setattr(linear, "ITERATIONS", 2)
    for task in TASKS:
        assert linear.fit_examples(given(task)).facts == {"iterations": 2, "converged": False}
    assert "not converged after 2 steps" in caplog.text


def test_many_rows_are_bounded_and_every_class_is_kept(monkeypatch):
    monkeypatch.setattr(linear, "ROWS", 50)
    rows = given("multiclass", 600)
    rows.labels[:] = 0
    rows.labels[[580, 590]] = [1, 3]
    fitted = linear.fit_examples(rows)
    assert 50 <= fitted.hyperparameters["rows"] <= 53
    said = fitted.predictor.predict(rows.matrix)
    assert (said[:, [1, 3]] > 0).all()
    assert linear.fit_examples(given("regression", 600)).hyperparameters["rows"] == 50


def test_a_step_is_bounded_whatever_the_columns_and_outputs(monkeypatch):
    monkeypatch.setattr(linear, "CELLS", 6 * 4 * 1_200)
    assert linear.fit_examples(given("multiclass", 2000)).hyperparameters["rows"] <= 1_203


@pytest.mark.parametrize("task", TASKS)
def test_the_dummy_says_the_shares_of_the_labels(task):
    rows = given(task, weights=WEIGHTS)
    fitted = dummy.fit_examples(rows)
    said = fitted.predictor.predict(matrix_of(3))
    if task == "multiclass":
        shares = np.bincount(rows.labels, WEIGHTS, minlength=4) / WEIGHTS.sum()
    else:
        shares = np.average(rows.labels, axis=0, weights=WEIGHTS)
    assert said == pytest.approx(np.broadcast_to(shares, said.shape))
    told = "mean" if task == "regression" else "prior"
    assert fitted.hyperparameters == {"strategy": told}


def _linear(tmp_path, **changes):
    linear.fit_examples(given("regression", 60)).predictor.save(tmp_path)
    path = tmp_path / "linear.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"])) | changes.pop("about", {})
    np.savez(path, **{**arrays, "about": np.array(json.dumps(about)), **changes})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"about": {"format": "plumbline.linear.0"}},
            r"plumbline\.linear\.0.*plumbline\.linear\.1",
        ),
        ({"about": {"names": ["x"]}}, "other columns than it names"),
        ({"about": {"units": {"mean": 0}}}, "'scale'"),
        ({"numbers": np.full((4, 1), np.nan)}, "not finite"),
        ({"numbers": np.zeros((4, 2))}, "do not belong together"),
        ({"numbers": np.array([None] * 4)}, "pickle"),
    ],
)
def test_linear_weights_that_no_training_gives_are_refused(tmp_path, changes, problem):
    _linear(tmp_path, **changes)
    with pytest.raises(BundleError, match=problem):
        linear.Linear.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "plumbline.dummy.0"}, r"plumbline\.dummy\.0.*plumbline\.dummy\.1"),
        ({"values": [float("nan")]}, "not finite"),
        ({"values": None}, "not a model that can be read"),
        ({"more": 1}, "not a model that can be read"),
    ],
)
def test_a_dummy_that_no_training_gives_is_refused(tmp_path, change, problem):
    dummy.fit_examples(given("regression", 60)).predictor.save(tmp_path)
    path = tmp_path / "dummy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=problem):
        dummy.Dummy.load(tmp_path)
