"""One contract over all baselines and all tasks."""

import numpy as np
import pytest
from baseline_examples import CLASSES, LABELS, TASKS, given, matrix_of

from plumbline.baselines import boosted_trees, dummy, linear, random_forest
from plumbline.baselines.examples import Examples
from plumbline.baselines.fitted import Fitted
from plumbline.errors import BundleError
from plumbline.metrics.measured import measured
from plumbline.normalization.matrix import UNKNOWN, Matrix
from plumbline.spec.metrics import OF_TASK

KINDS = {
    "random_forest": (random_forest.RandomForest, "forest.parquet"),
    "xgboost": (boosted_trees.BoostedTrees, "model.ubj"),
    "linear": (linear.Linear, "linear.npz"),
    "dummy": (dummy.Dummy, "dummy.json"),
}
SHAPES = {"binary": (), "multiclass": (CLASSES,), "multilabel": (LABELS,), "regression": ()}


def fit(kind: str, examples: Examples) -> Fitted:
    match kind:
        case "random_forest":
            return random_forest.fit_examples(examples, 3)
        case "xgboost":
            return boosted_trees.fit_examples(examples, 3)
        case "linear":
            return linear.fit_examples(examples)
        case _:
            return dummy.fit_examples(examples)


@pytest.fixture(scope="module", params=[(kind, task) for kind in KINDS for task in TASKS], ids=str)
def fitted(request):
    kind, task = request.param
    return kind, task, fit(kind, given(task))


def test_what_is_said_in_float64(fitted):
    _, task, model = fitted
    scores = model.predictor.predict(matrix_of(seed=1))
    assert scores.dtype == np.float64
    assert scores.shape == (600, *SHAPES[task])
    if task != "regression":
        assert ((scores >= 0) & (scores <= 1)).all()
    if task == "multiclass":
        assert scores.sum(axis=1) == pytest.approx(1)
        assert (scores[:, 2] < 0.1).all()  # the class without rows keeps its column


def test_learns_numbers_and_categories(fitted):
    kind, task, model = fitted
    rows = given(task, 2000, seed=2)
    found = measured(task, rows.labels, model.predictor.predict(rows.matrix))[OF_TASK[task][0]]
    floor = {"binary": 0.5, "multiclass": 0.41, "multilabel": 0.5, "regression": -155}[task]
    gained = (-found if task == "regression" else found) - floor
    assert abs(gained) < 5 if kind == "dummy" else gained > (10 if task == "regression" else 0.08)


def test_importances_name_what_is_read_and_add_up_to_one(fitted):
    kind, _, model = fitted
    names = set(matrix_of().names)
    if kind in ("linear", "dummy"):
        assert model.importances == {}
        return
    # XGBoost reads what is missing as missing, and no indicator of it.
    expected = names - ({"age [years] is null"} if kind == "xgboost" else set())
    assert set(model.importances) == expected
    assert sum(model.importances.values()) == pytest.approx(1)
    assert list(model.importances.values()) == sorted(model.importances.values(), reverse=True)


def test_fitting_again_with_the_seed_gives_the_same_bits(fitted, tmp_path):
    kind, task, model = fitted
    again = fit(kind, given(task))
    for name, one in (("first", model), ("again", again)):
        (tmp_path / name).mkdir()
        one.predictor.save(tmp_path / name)
    file = KINDS[kind][1]
    assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    assert model.importances == again.importances
    assert model.hyperparameters == again.hyperparameters


def test_saved_and_loaded_predicts_the_same_bits(fitted, tmp_path):
    kind, _, model = fitted
    model.predictor.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KINDS[kind][1]]
    loaded = KINDS[kind][0].load(tmp_path)
    matrix = matrix_of(9000, seed=1)
    assert np.array_equal(loaded.predict(matrix), model.predictor.predict(matrix))


def test_a_batch_gives_what_its_rows_give(fitted):
    _, _, model = fitted
    matrix = matrix_of(20, seed=1)
    alone = [model.predictor.predict(matrix.take(slice(i, i + 1)))[0] for i in range(20)]
    assert np.array_equal(model.predictor.predict(matrix), np.stack(alone))


def test_predict_changes_nothing(fitted):
    _, _, model = fitted
    matrix = matrix_of(seed=1)
    numeric, codes = matrix.numeric.copy(), matrix.codes.copy()
    first = model.predictor.predict(matrix)
    assert np.array_equal(first, model.predictor.predict(matrix))
    assert np.array_equal(matrix.numeric, numeric)
    assert np.array_equal(matrix.codes, codes)


def test_no_rows_give_no_scores(fitted):
    _, task, model = fitted
    scores = model.predictor.predict(matrix_of().take(slice(0, 0)))
    assert scores.shape == (0, *SHAPES[task])
    assert scores.dtype == np.float64


def test_unseen_and_unknown_codes_are_scored(fitted):
    _, _, model = fitted
    matrix = matrix_of(4)
    matrix.codes[:] = [[UNKNOWN, UNKNOWN], [1, 1], [8, 9], [30_000, 2]]
    assert np.isfinite(model.predictor.predict(matrix)).all()


def test_other_columns_are_refused(fitted):
    _, _, model = fitted
    matrix = matrix_of(4)
    swapped = Matrix(
        numeric=matrix.numeric,
        codes=matrix.codes,
        numeric_names=matrix.numeric_names,
        category_names=matrix.category_names[::-1],
    )
    with pytest.raises(BundleError, match="columns that differ from the model's 6: their order"):
        model.predictor.predict(swapped)
    narrow = Matrix(
        numeric=matrix.numeric[:, :3],
        codes=matrix.codes,
        numeric_names=matrix.numeric_names[:3],
        category_names=matrix.category_names,
    )
    with pytest.raises(BundleError, match=r"age \[years\] is null"):
        model.predictor.predict(narrow)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "absent"])
def test_a_damaged_file_is_refused(fitted, damage, tmp_path):
    kind, _, model = fitted
    model.predictor.save(tmp_path)
    path = tmp_path / KINDS[kind][1]
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "foreign": b"{}"}[damage]
        )
    with pytest.raises(BundleError, match="expected a file"):
        KINDS[kind][0].load(tmp_path)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ["xgboost", "linear", "dummy"])
def test_two_rows_are_enough_to_fit(kind, task):
    labels = {
        "binary": np.array([0, 1], dtype=np.int8),
        "multiclass": np.array([3, 1], dtype=np.int16),
        "multilabel": np.array([[0, 1, 0], [1, 0, 1]], dtype=np.int8),
        "regression": np.array([1.0, 2.0]),
    }
    model = fit(kind, given(task, 2, labels=labels[task]))
    assert np.isfinite(model.predictor.predict(matrix_of(2))).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ["xgboost", "linear"])
def test_a_row_that_weighs_two_is_two_rows(kind, task):
    """A forest draws its rows by lot, so that copies are drawn anew."""
    once, weights = given(task, 300), np.arange(300) % 3
    copies = np.repeat(np.arange(300), weights)
    double = given(
        task, 300, matrix=once.matrix.take(copies), labels=once.labels[copies], units=once.units
    )
    weighed = given(task, 300, weights=weights.astype(np.float32))
    said = [fit(kind, one).predictor.predict(matrix_of(seed=1)) for one in (weighed, double)]
    spread = 100 if task == "regression" else 1
    # XGBoost's candidate splits are quantiles of the weights; a solver stops where it likes.
    assert np.abs(said[0] - said[1]).mean() < 0.03 * spread
    unweighed = fit(kind, once).predictor.predict(matrix_of(seed=1))
    assert not np.allclose(said[0], unweighed, rtol=0, atol=1e-3)
