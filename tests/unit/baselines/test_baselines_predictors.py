"""One contract over both baselines."""

import numpy as np
import pytest
import sklearn.ensemble
import xgboost

from plumbline.baselines import boosted_trees, random_forest
from plumbline.errors import BundleError
from plumbline.normalization.matrix import FIRST_VALUE, UNKNOWN, Matrix

KINDS = {
    "random_forest": (random_forest, random_forest.RandomForest, "forest.parquet"),
    "xgboost": (boosted_trees, boosted_trees.BoostedTrees, "model.ubj"),
}


def matrix_and_labels(rows: int = 600, seed: int = 0) -> tuple[Matrix, np.ndarray]:
    """Rows whose label depends on numbers and on a category, with columns named oddly."""
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(rows, 3)).astype(np.float32)
    codes = random.integers(FIRST_VALUE, 9, size=(rows, 2)).astype(np.int32)
    chance = 1 / (1 + np.exp(-numeric[:, 0] - 1.5 * np.isin(codes[:, 0], [3, 6])))
    matrix = Matrix(
        numeric=numeric,
        codes=codes,
        numeric_names=("age [years]", "x<y", "age [years] is null"),
        category_names=("carrier", "größe"),
    )
    return matrix, (random.random(rows) < chance).astype(np.int8)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    module, _, _ = KINDS[request.param]
    return request.param, module._fit(*matrix_and_labels(), seed=3)


def test_probabilities_in_float64(fitted):
    _, model = fitted
    scores = model.predictor.predict(matrix_and_labels(seed=1)[0])
    assert scores.dtype == np.float64
    assert scores.shape == (600,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_learns_numbers_and_categories(fitted):
    _, model = fitted
    matrix, labels = matrix_and_labels(2000, seed=2)
    scores = model.predictor.predict(matrix)
    assert sklearn.metrics.roc_auc_score(labels, scores) > 0.62
    assert set(list(model.importances)[:2]) <= {"age [years]", "carrier", "x<y"}


def test_importances_name_every_column_and_add_up_to_one(fitted):
    _, model = fitted
    assert set(model.importances) == set(matrix_and_labels()[0].names)
    assert sum(model.importances.values()) == pytest.approx(1)
    assert list(model.importances.values()) == sorted(model.importances.values(), reverse=True)


def test_fitting_again_with_the_seed_gives_the_same_bits(fitted):
    kind, model = fitted
    again = KINDS[kind][0]._fit(*matrix_and_labels(), seed=3)
    matrix, _ = matrix_and_labels(seed=1)
    assert np.array_equal(model.predictor.predict(matrix), again.predictor.predict(matrix))
    assert model.importances == again.importances
    assert model.hyperparameters == again.hyperparameters


def test_saved_and_loaded_predicts_the_same_bits(fitted, tmp_path):
    kind, model = fitted
    model.predictor.save(tmp_path)
    loaded = KINDS[kind][1].load(tmp_path)
    matrix, _ = matrix_and_labels(9000, seed=1)
    assert np.array_equal(loaded.predict(matrix), model.predictor.predict(matrix))
    (tmp_path / "again").mkdir()
    model.predictor.save(tmp_path / "again")
    name = KINDS[kind][2]
    assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_batch_gives_what_its_rows_give(fitted):
    _, model = fitted
    matrix, _ = matrix_and_labels(50, seed=1)
    alone = [model.predictor.predict(matrix.take(slice(i, i + 1)))[0] for i in range(50)]
    assert np.array_equal(model.predictor.predict(matrix), alone)


def test_predict_changes_nothing(fitted):
    _, model = fitted
    matrix, _ = matrix_and_labels(seed=1)
    numeric, codes = matrix.numeric.copy(), matrix.codes.copy()
    first = model.predictor.predict(matrix)
    assert np.array_equal(first, model.predictor.predict(matrix))
    assert np.array_equal(matrix.numeric, numeric)
    assert np.array_equal(matrix.codes, codes)


def test_no_rows_give_no_scores(fitted):
    _, model = fitted
    scores = model.predictor.predict(matrix_and_labels()[0].take(slice(0, 0)))
    assert scores.shape == (0,)
    assert scores.dtype == np.float64


def test_unseen_and_unknown_codes_are_scored(fitted):
    _, model = fitted
    matrix, _ = matrix_and_labels(4)
    matrix.codes[:] = [[UNKNOWN, UNKNOWN], [1, 1], [8, 9], [30_000, 2]]
    assert np.isfinite(model.predictor.predict(matrix)).all()


def test_other_columns_are_refused(fitted):
    _, model = fitted
    matrix, _ = matrix_and_labels(4)
    swapped = Matrix(
        numeric=matrix.numeric,
        codes=matrix.codes,
        numeric_names=matrix.numeric_names,
        category_names=matrix.category_names[::-1],
    )
    with pytest.raises(BundleError, match="columns that differ from the model's 5: their order"):
        model.predictor.predict(swapped)
    narrow = Matrix(
        numeric=matrix.numeric[:, :2],
        codes=matrix.codes,
        numeric_names=matrix.numeric_names[:2],
        category_names=matrix.category_names,
    )
    with pytest.raises(BundleError, match=r"age \[years\] is null"):
        model.predictor.predict(narrow)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "absent"])
def test_a_damaged_file_is_refused(fitted, damage, tmp_path):
    kind, model = fitted
    model.predictor.save(tmp_path)
    path = tmp_path / KINDS[kind][2]
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "foreign": b"{}"}[damage]
        )
    with pytest.raises(BundleError, match="expected a file that"):
        KINDS[kind][1].load(tmp_path)


def test_two_rows_are_enough_to_fit():
    matrix, _ = matrix_and_labels(2)
    for module, _, _ in KINDS.values():
        model = module._fit(matrix, np.array([0, 1], dtype=np.int8), seed=0)
        assert sum(model.importances.values()) == pytest.approx(1) or not any(
            model.importances.values()
        )
        assert len(model.predictor.predict(matrix)) == 2


def test_boosted_trees_are_the_classifier_s_own():
    matrix, labels = matrix_and_labels()
    other, _ = matrix_and_labels(seed=1)
    theirs = xgboost.XGBClassifier(
        random_state=3, n_jobs=1, enable_categorical=True, feature_types=["q", "q", "q", "c", "c"]
    ).fit(matrix.dense(), labels)
    ours = boosted_trees._fit(matrix, labels, seed=3)
    expected = theirs.predict_proba(other.dense())[:, 1].astype(np.float64)
    assert np.array_equal(ours.predictor.predict(other), expected)
    assert ours.hyperparameters["max_depth"] == 6
    assert ours.hyperparameters["n_estimators"] == 100
    assert ours.hyperparameters["random_state"] == 3


def test_a_model_of_someone_else_is_refused(tmp_path):
    matrix, labels = matrix_and_labels()
    model = xgboost.XGBClassifier(n_estimators=2).fit(matrix.numeric, labels)
    model.get_booster().save_model(tmp_path / "model.ubj")
    with pytest.raises(BundleError, match="does not name its columns"):
        boosted_trees.BoostedTrees.load(tmp_path)


def test_the_number_of_threads_changes_no_tree():
    matrix, labels = matrix_and_labels(8000)
    types = ["q", "q", "q", "c", "c"]
    models = [
        xgboost.XGBClassifier(
            n_estimators=5, n_jobs=threads, enable_categorical=True, feature_types=types
        ).fit(matrix.dense(), labels)
        for threads in (1, 3)
    ]
    one, three = (bytes(model.get_booster().save_raw("ubj")) for model in models)
    assert one == three
