import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from plumbline.baselines import random_forest
from plumbline.baselines.forest_arrays import read_forest, write_forest
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix


def numbers(rows: int, columns: int = 4, seed: int = 0) -> tuple[Matrix, np.ndarray]:
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(rows, columns)).astype(np.float32)
    labels = (numeric[:, 0] + random.normal(size=rows) > 0).astype(np.int8)
    names = tuple(f"x{i}" for i in range(columns))
    codes = np.zeros((rows, 0), dtype=np.int32)
    matrix = Matrix(numeric=numeric, codes=codes, numeric_names=names, category_names=())
    return matrix, labels


@pytest.fixture(scope="module")
def theirs() -> RandomForestClassifier:
    """One fit with one thread."""
    matrix, labels = numbers(800)
    return RandomForestClassifier(random_state=5, n_jobs=1).fit(matrix.dense(), labels)


def test_growing_in_steps_gives_the_trees_of_one_fit(theirs):
    ours = random_forest._fit(*numbers(800), seed=5).predictor
    assert len(ours.trees) == len(theirs.estimators_) == 100
    for tree, other in zip(ours.trees, theirs.estimators_, strict=True):
        state, expected = tree.__getstate__(), other.tree_.__getstate__()
        assert state["nodes"].tobytes() == expected["nodes"].tobytes()
        assert np.array_equal(state["values"], expected["values"])


def test_predictions_equal_scikit_learn_s_to_the_last_bit(theirs, tmp_path):
    matrix, _ = numbers(10_000, seed=1)
    expected = theirs.predict_proba(matrix.dense())[:, 1]
    trees = [estimator.tree_ for estimator in theirs.estimators_]
    write_forest(trees, matrix.names, tmp_path / "forest.parquet")
    restored, names = read_forest(tmp_path / "forest.parquet")
    for forest in (trees, restored):
        model = random_forest.RandomForest(trees=forest, names=names)
        assert np.array_equal(model.predict(matrix), expected)


def test_importances_are_scikit_learn_s(theirs):
    found = random_forest._fit(*numbers(800), seed=5).importances
    expected = dict(zip(("x0", "x1", "x2", "x3"), theirs.feature_importances_, strict=True))
    assert found == pytest.approx(expected)


def test_hyperparameters_are_the_defaults():
    found = random_forest._fit(*numbers(20), seed=5).hyperparameters
    assert found["n_estimators"] == 100
    assert found["random_state"] == 5
    assert found["max_depth"] is None
    assert not found.keys() & {"n_jobs", "warm_start", "verbose"}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([1e-40, 1e-3, 1.0, 1e30]))
def test_a_threshold_rounded_down_decides_every_float32_alike(seed, spread, tmp_path_factory):
    matrix, labels = numbers(40, columns=2, seed=seed)
    matrix.numeric[:] = matrix.numeric * np.float32(spread)
    forest = RandomForestClassifier(3, random_state=0).fit(matrix.dense(), labels)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    path = tmp_path_factory.mktemp("forest") / "forest.parquet"
    write_forest(trees, matrix.names, path)
    restored, _ = read_forest(path)
    # Rows on the thresholds themselves and on the float32 values beside them.
    edges = np.concatenate([tree.threshold for tree in trees]).astype(np.float32)
    around = [edges, np.nextafter(edges, np.float32(9e37)), np.nextafter(edges, np.float32(-9e37))]
    X = np.repeat(np.concatenate(around)[:, None], 2, axis=1)
    for tree, other in zip(trees, restored, strict=True):
        assert np.array_equal(tree.predict(X)[:, 1], other.predict(X)[:, 0])


def test_a_forest_without_a_split(tmp_path):
    matrix, labels = numbers(30)
    matrix.numeric[:] = 1
    fitted = random_forest._fit(matrix, labels, seed=0)
    assert set(fitted.importances.values()) == {0}
    fitted.predictor.save(tmp_path)
    loaded = random_forest.RandomForest.load(tmp_path)
    assert np.array_equal(loaded.predict(matrix), fitted.predictor.predict(matrix))


def test_the_file_is_small_and_readable_by_others(theirs, tmp_path):
    trees = [estimator.tree_ for estimator in theirs.estimators_]
    path = tmp_path / "forest.parquet"
    write_forest(trees, ("x0", "x1", "x2", "x3"), path)
    with pq.ParquetFile(path) as file:
        nodes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert nodes == [tree.node_count for tree in trees]
        assert file.schema_arrow.names == ["feature", "threshold", "left_size", "value"]
    assert path.stat().st_size < 20 * sum(nodes)


def _with(table: pa.Table, name: str, row: int, value: float | None) -> pa.Table:
    values = table[name].to_pylist()
    values[row] = value
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(name), pa.array(values, table[name].type))


LEAF, ROOT = -1, 0


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda t: _with(t, "feature", ROOT, 4), "splits by a column it does not have"),
        (lambda t: _with(t, "feature", ROOT, -1), "splits by a column it does not have"),
        (lambda t: _with(t, "left_size", ROOT, len(t)), "a child lies outside its tree"),
        (lambda t: _with(t, "left_size", ROOT, 2**31 - 1), "a child lies outside its tree"),
        (lambda t: _with(t, "left_size", ROOT, 0), "a child lies outside its tree"),
        (lambda t: _with(t, "left_size", ROOT, -5), "a child lies outside its tree"),
        (lambda t: _with(t, "left_size", ROOT, None), "left_size is absent"),
        (lambda t: _with(t, "threshold", ROOT, None), "threshold is absent"),
        (lambda t: _with(t, "threshold", ROOT, float("nan")), "a threshold is not finite"),
        (lambda t: _with(t, "value", LEAF, None), "value is absent"),
        (lambda t: _with(t, "value", LEAF, 1.5), "a leaf's share is outside 0 to 1"),
        (lambda t: _with(t, "value", LEAF, float("nan")), "a leaf's share is outside 0 to 1"),
        (lambda t: t.slice(0, len(t) - 1), "outside its tree|not form one binary tree"),
        (lambda t: t.slice(0, 0), "not form one binary tree"),
        (lambda t: t.drop_columns(["value"]), "it has columns feature, threshold, left_size"),
        (lambda t: t.replace_schema_metadata({}), "it has columns"),
    ],
)
def test_a_forest_that_leads_astray_is_refused(theirs, tmp_path, damage, problem):
    path = tmp_path / "forest.parquet"
    write_forest([theirs.estimators_[0].tree_], ("x0", "x1", "x2", "x3"), path)
    damaged = damage(pq.read_table(path))
    with pq.ParquetWriter(path, damaged.schema) as file:
        file.write_table(damaged)
    with pytest.raises(BundleError, match=problem):
        read_forest(path)


def test_a_file_without_trees_is_refused(tmp_path):
    write_forest([], ("x0",), tmp_path / "forest.parquet")
    with pytest.raises(BundleError, match="it holds no tree"):
        read_forest(tmp_path / "forest.parquet")
