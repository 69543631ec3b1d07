"""The forest says what scikit-learn's own says, keeps to its memory, and trusts no file."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from baseline_examples import TASKS, given, matrix_of
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from plumbline.baselines import random_forest
from plumbline.baselines.examples import Examples, Units
from plumbline.baselines.forest_arrays import FORMAT, About, plain_tree, read_forest, write_forest
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix


def numbers(rows: int, columns: int = 4, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(rows, columns)).astype(np.float32)
    labels = (numeric[:, 0] + random.normal(size=rows) > 0).astype(np.int8)
    names = tuple(f"x{i}" for i in range(columns))
    codes = np.zeros((rows, 0), dtype=np.int32)
    matrix = Matrix(numeric=numeric, codes=codes, numeric_names=names, category_names=())
    return Examples(matrix=matrix, labels=labels, task="binary")


ABOUT = About(names=("x0", "x1", "x2", "x3"), task="binary")


@pytest.fixture(scope="module")
def theirs() -> RandomForestClassifier:
    """One fit with one thread."""
    rows = numbers(800)
    forest = RandomForestClassifier(random_state=5, n_jobs=1)
    return forest.fit(rows.matrix.dense(), rows.labels)


def plain(forest: RandomForestClassifier) -> list:
    return [plain_tree(one.tree_, one.tree_.value[:, 0, -1:]) for one in forest.estimators_]


def said_by_theirs(task: str, rows: Examples, other: Matrix) -> np.ndarray:
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    forest = kind(random_state=5, n_jobs=1)
    forest.fit(rows.matrix.dense(), rows.targets(), sample_weight=rows.weights)
    if task == "regression":
        return rows.units.mean + rows.units.scale * forest.predict(other.dense())
    said = forest.predict_proba(other.dense())
    if task == "multilabel":
        return np.stack([one[:, 1] for one in said], axis=1)
    if task == "binary":
        return said[:, 1]
    every = np.zeros((len(other), rows.outputs))
    every[:, forest.classes_] = said
    return every


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_said_as_scikit_learn_says_it(task, tmp_path):
    weights = np.arange(400).astype(np.float32) % 4
    rows, other = given(task, 400, weights=weights), matrix_of(5000, seed=1)
    ours = random_forest.fit_examples(rows, seed=5).predictor
    expected = said_by_theirs(task, rows, other)
    assert np.array_equal(ours.predict(other), expected)
    ours.save(tmp_path)
    assert np.array_equal(random_forest.RandomForest.load(tmp_path).predict(other), expected)


def test_digits_that_labels_have_in_common_cost_nothing():
    """Of labels about a billion, squares would leave nothing of a difference of one."""
    near = given("regression")
    far_labels = near.labels + 1e9
    far = given("regression", labels=far_labels, units=Units.of(far_labels))
    fitted = [random_forest.fit_examples(one, seed=0).predictor for one in (near, far)]
    said = [one.predict(matrix_of(seed=1)) for one in fitted]
    # Splits that are as good as each other are told apart by the last bits.
    assert np.abs(said[1] - 1e9 - said[0]).mean() < 5
    assert said[0].std() > 50


def test_growing_in_steps_gives_the_trees_of_one_fit(theirs):
    ours = random_forest.fit_examples(numbers(800), seed=5).predictor
    assert len(ours.trees) == len(theirs.estimators_) == 100
    for tree, other in zip(ours.trees, plain(theirs), strict=True):
        state, expected = tree.__getstate__(), other.__getstate__()
        assert state["nodes"].tobytes() == expected["nodes"].tobytes()
        assert np.array_equal(state["values"], expected["values"])


def test_importances_are_scikit_learn_s(theirs):
    found = random_forest.fit_examples(numbers(800), seed=5).importances
    expected = dict(zip(("x0", "x1", "x2", "x3"), theirs.feature_importances_, strict=True))
    assert found == pytest.approx(expected)


def test_hyperparameters_are_the_defaults():
    found = random_forest.fit_examples(numbers(20), seed=5).hyperparameters
    assert found["n_estimators"] == 100
    assert found["random_state"] == 5
    assert found["max_depth"] is None
    assert found["max_samples"] is None
    assert not found.keys() & {"n_jobs", "warm_start", "verbose", "max_samples_because"}


def test_a_forest_that_would_take_too_much_is_grown_on_fewer_rows():
    rows = numbers(1000)
    whole, found = (
        random_forest.fit_examples(rows, seed=5, memory=memory) for memory in (4.0, 0.001)
    )
    nodes, bounded = (
        sum(tree.node_count for tree in one.predictor.trees) for one in (whole, found)
    )
    assert nodes * 80 > 1.2 * 0.001 * 2**30
    assert 0.6 * 0.001 * 2**30 < bounded * 80 <= 0.001 * 2**30
    drawn_rows = found.hyperparameters["max_samples"]
    assert found.hyperparameters["max_samples_because"].startswith(
        f"each tree is grown on {drawn_rows:,} rows drawn of 1,000: on all of them the nodes of "
        "100 trees would take about 0.00"
    )


def test_where_one_tree_shows_that_all_fit_nothing_is_bounded():
    rows = numbers(1000)
    rows.labels[:] = rows.matrix.numeric[:, 0] > 0  # one split tells all
    found = random_forest.fit_examples(rows, seed=5, memory=0.001)
    assert found.hyperparameters["max_samples"] is None


def test_a_large_table_is_sampled_by_its_number_of_rows_alone(monkeypatch):
    rows = given("multiclass", 600)
    monkeypatch.setattr(random_forest, "ROWS", 600)
    whole = random_forest.fit_examples(rows, seed=5)
    assert not whole.hyperparameters.keys() & {"rows", "rows_because"}
    monkeypatch.setattr(random_forest, "ROWS", 150)
    found = random_forest.fit_examples(rows, seed=5)
    few = rows.few(150)
    assert set(few.labels) == set(rows.labels)
    assert 150 <= found.hyperparameters["rows"] == len(few.labels) <= 153
    assert found.hyperparameters["rows_because"] == (
        "a forest is grown on at most 150 training rows, and 600 are there"
    )
    expected = said_by_theirs("multiclass", few, matrix_of(50, seed=1))
    assert np.array_equal(found.predictor.predict(matrix_of(50, seed=1)), expected)


@drawn(
    rows=st.integers(2, 10**8),
    nodes=st.floats(3, 10**8),
    share=st.floats(0.01, 2),
    power=st.floats(0.3, 1.2),
)
def test_a_tree_of_the_rows_drawn_is_as_small_as_it_has_to_be(rows, nodes, share, power):
    """Trees grow by some power of the rows that they are grown on."""

    def grown(drawn_rows: int) -> int:
        different = rows * -math.expm1(-drawn_rows / rows)
        return max(1, int(min(share * different**power, 2 * different - 1)))

    found = random_forest.rows_to_draw(rows, nodes, grown)
    count = rows if found is None else found
    assert 1 <= count <= rows
    assert grown(count) <= nodes or count == 1
    if found is not None:
        assert random_forest.MARGIN * grown(rows) > nodes


def test_tables_of_usual_sizes_are_not_even_looked_at():
    budget = random_forest.GIB * 2**30 / (100 * (random_forest.NODE_BYTES + 2 * 8))
    assert random_forest.rows_to_draw(400_000, budget, grown=None) is None


@settings(max_examples=40, deadline=None)
@drawn(seed=st.integers(0, 10**6), spread=st.sampled_from([1e-40, 1e-3, 1.0, 1e30]))
def test_a_threshold_rounded_down_decides_every_float32_alike(seed, spread, tmp_path_factory):
    rows = numbers(40, columns=2, seed=seed)
    rows.matrix.numeric[:] = rows.matrix.numeric * np.float32(spread)
    forest = RandomForestClassifier(3, random_state=0).fit(rows.matrix.dense(), rows.labels)
    path = tmp_path_factory.mktemp("forest") / "forest.parquet"
    write_forest(plain(forest), About(names=rows.matrix.names, task="binary"), path)
    restored, _ = read_forest(path)
    trees = [estimator.tree_ for estimator in forest.estimators_]
    # Rows on the thresholds themselves and on the float32 values beside them.
    edges = np.concatenate([tree.threshold for tree in trees]).astype(np.float32)
    around = [edges, np.nextafter(edges, np.float32(9e37)), np.nextafter(edges, np.float32(-9e37))]
    X = np.repeat(np.concatenate(around)[:, None], 2, axis=1)
    for tree, other in zip(trees, restored, strict=True):
        assert np.array_equal(tree.predict(X)[:, 1], other.predict(X)[:, 0])


def test_a_forest_without_a_split(tmp_path):
    rows = numbers(30)
    rows.matrix.numeric[:] = 1
    fitted = random_forest.fit_examples(rows, seed=0)
    assert set(fitted.importances.values()) == {0}
    fitted.predictor.save(tmp_path)
    loaded = random_forest.RandomForest.load(tmp_path)
    assert np.array_equal(loaded.predict(rows.matrix), fitted.predictor.predict(rows.matrix))


def test_the_file_is_small_and_readable_by_others(theirs, tmp_path):
    trees, path = plain(theirs), tmp_path / "forest.parquet"
    write_forest(trees, ABOUT, path)
    with pq.ParquetFile(path) as file:
        nodes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert nodes == [tree.node_count for tree in trees]
        assert file.schema_arrow.names == ["feature", "threshold", "left_size", "values"]
    assert path.stat().st_size < 20 * sum(nodes)


def _with(table: pa.Table, name: str, row: int, value: object) -> pa.Table:
    values = table[name].to_pylist()
    values[row] = value
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(name), pa.array(values, table[name].type))


def _said_to_be(table: pa.Table, **about: object) -> pa.Table:
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    told = json.loads(metadata["about"]) | about
    return table.replace_schema_metadata({**metadata, "about": json.dumps(told)})


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
        (lambda t: _with(t, "values", LEAF, None), "values is absent"),
        (lambda t: _with(t, "values", LEAF, [1.5]), "a leaf's share is outside 0 to 1"),
        (lambda t: _with(t, "values", LEAF, [float("nan")]), "a leaf's share is outside 0 to 1"),
        (lambda t: _with(t, "values", LEAF, [None]), "a leaf's share is outside 0 to 1"),
        (lambda t: t.slice(0, len(t) - 1), "outside its tree|not form one binary tree"),
        (lambda t: t.slice(0, 0), "not form one binary tree"),
        (lambda t: t.drop_columns(["values"]), "it has columns feature, threshold, left_size"),
        (lambda t: t.replace_schema_metadata({}), f"not named, where {FORMAT} is read"),
        (lambda t: _said_to_be(t, task="ranking"), "for task 'ranking'"),
        (lambda t: _said_to_be(t, outputs=0), "with 0 outputs"),
        (lambda t: _said_to_be(t, outputs=2, task="multiclass"), "it has columns"),
        (lambda t: _said_to_be(t, units={"mean": 1}), "'scale'"),
        (lambda t: _said_to_be(t, units={"mean": 1, "scale": 0}), "mean 1.0 and deviation 0.0"),
    ],
)
def test_a_forest_that_leads_astray_is_refused(theirs, tmp_path, damage, problem):
    path = tmp_path / "forest.parquet"
    write_forest(plain(theirs)[:1], ABOUT, path)
    damaged = damage(pq.read_table(path))
    with pq.ParquetWriter(path, damaged.schema) as file:
        file.write_table(damaged)
    with pytest.raises(BundleError, match=problem):
        read_forest(path)


@pytest.mark.parametrize(
    ("task", "leaf", "problem"),
    [
        ("multiclass", [0.5, 0.6, 0.0, 0.0], "shares do not add up to 1"),
        ("multilabel", [0.5, 1.1, 0.0], "a leaf's share is outside 0 to 1"),
        ("regression", [float("inf")], "a leaf's value is not finite"),
    ],
)
def test_leaves_that_no_training_gives_are_refused(tmp_path, task, leaf, problem):
    random_forest.fit_examples(given(task, 60), seed=0).predictor.save(tmp_path)
    path = tmp_path / "forest.parquet"
    with pq.ParquetFile(path) as file:
        damaged = _with(file.read_row_group(0), "values", LEAF, leaf)
    with pq.ParquetWriter(path, damaged.schema) as file:
        file.write_table(damaged)
    with pytest.raises(BundleError, match=problem):
        read_forest(path)


def test_the_first_format_is_refused_by_name(tmp_path):
    path = tmp_path / "forest.parquet"
    old = pa.table({"feature": [None], "value": [0.5]}).replace_schema_metadata(
        {"format": "plumbline.forest.1", "columns": '["x0"]'}
    )
    pq.write_table(old, path)
    with pytest.raises(BundleError, match=r"plumbline\.forest\.1, where plumbline\.forest\.2 is"):
        read_forest(path)


def test_a_file_without_trees_is_refused(tmp_path):
    write_forest([], ABOUT, tmp_path / "forest.parquet")
    with pytest.raises(BundleError, match="it holds no tree"):
        read_forest(tmp_path / "forest.parquet")
