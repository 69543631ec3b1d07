"""TabM's layers against their formulas, on TensorFlow and on JAX."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.network import architectures, backend, fitting, layers
from plumbline.network.architectures import tabm
from plumbline.network.examples import Examples
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

CODES = (4, 5)
NAMES = ("wide", "flag", "integer")
EDGES = [[-1.0, -0.25, 0.5, 3.0], [], [0.0, 2.0]]


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    layers.register()


def matrix(rows: int, seed: int) -> Matrix:
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, len(NAMES)), dtype=np.float32)
    numeric[:, 1] = numeric[:, 1] > 0
    numeric[:, 2] = np.round(numeric[:, 2])
    return Matrix(
        numeric=numeric,
        codes=generator.integers(0, CODES, (rows, len(CODES)), np.int32),
        numeric_names=NAMES,
        category_names=("first", "second"),
    )


def table() -> Table:
    return Table.described(matrix(1000, 0), CODES)


def recipe(architecture: str = "tabm_mini", **options: Any) -> Recipe:
    small = {"widths": [8, 6], "members": 3, "embedding_width": 4, "bins": 8, "dropout": 0.1}
    spec = NetworkSpec(architecture=architecture, **(small | options))
    return resolve(spec, table(), objective("binary", 2, spec))


def given_rows(rows: Matrix) -> dict[str, np.ndarray]:
    return {"numeric": rows.numeric, "codes": rows.codes}


def said(layer: Any, inputs: np.ndarray) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(layer(inputs))


def drawn(layer: Any, shape: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """The layer with random weights; the weights by name."""
    layer.build(shape)
    generator = np.random.default_rng(seed)
    layer.set_weights([generator.standard_normal(one.shape) for one in layer.weights])
    return {one.name: np.asarray(one.numpy(), np.float64) for one in layer.weights}


def shares(x: float, edges: list[float]) -> list[float]:
    found = []
    for at, (low, high) in enumerate(pairwise(edges)):
        share = (x - low) / (high - low)
        share = share if at == 0 else max(share, 0)
        found.append(share if at == len(edges) - 2 else min(share, 1))
    return found


@given(rows=st.lists(st.tuples(*[st.floats(-5, 5, width=32)] * 3), min_size=1, max_size=4))
@settings(max_examples=25)
def test_a_number_is_embedded_piece_by_piece(rows: list[tuple[float, ...]]):
    from plumbline.network.layers.piecewise_linear import PiecewiseLinearEmbedding

    layer = PiecewiseLinearEmbedding(EDGES, 2)
    weights = drawn(layer, (None, 3))
    found = said(layer, np.array(rows, np.float32))
    for one, row in zip(found, rows, strict=True):
        for place, column in enumerate((0, 2)):
            u = np.array(shares(row[column], EDGES[column]))
            want = u @ weights["embedding_pieces"][place, : len(u)]
            want += row[column] * weights["embedding_slope"][place]
            want += weights["embedding_bias"][place]
            np.testing.assert_allclose(one[2 * place : 2 * place + 2], want, rtol=1e-4, atol=1e-4)
        assert one[4] == np.float32(row[1])


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    bins=st.integers(2, 64),
)
def test_edges_rise_from_the_least_value_to_the_greatest(values: list[float], bins: int):
    column = np.array(values, np.float32)[:, None]
    rows = Matrix(
        numeric=column,
        codes=np.empty((len(column), 0), np.int32),
        numeric_names=("one",),
        category_names=(),
    )
    edges = Table.described(rows, ()).edges(0, bins)
    assert edges.dtype == np.float32
    assert 1 <= len(edges) <= bins + 1
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == (column.min(), column.max())


def test_a_value_of_most_rows_takes_no_edges_from_the_others():
    few = np.random.default_rng(0).uniform(1, 2, 500)
    column = np.concatenate([np.zeros(9_500), few]).astype(np.float32)[:, None]
    rows = Matrix(
        numeric=column,
        codes=np.empty((len(column), 0), np.int32),
        numeric_names=("gain",),
        category_names=(),
    )
    edges = Table.described(rows, ()).edges(0, 32)
    assert len(edges) == 33
    assert np.count_nonzero(edges >= 1) == 32


def test_an_embedding_begins_linear_and_with_columns_of_its_own():
    from plumbline.network.layers.piecewise_linear import PiecewiseLinearEmbedding

    layer = PiecewiseLinearEmbedding(EDGES, 5)
    x = np.linspace(-4, 4, 9, dtype=np.float32)[:, None].repeat(3, axis=1)
    found = said(layer, x)
    np.testing.assert_allclose(np.diff(found, n=2, axis=0), 0, atol=1e-5)
    slopes = np.diff(found, axis=0)[0, :10]
    assert len(np.unique(slopes.round(5))) == 10
    assert (layer.slope.numpy() != layer.bias.numpy()).all()
    assert layer.chunks == (5, 5, 1)
    assert found.shape == (9, 11) == layer.compute_output_shape((9, 3))


def test_numbers_without_edges_pass_as_they_are():
    from plumbline.network.layers.piecewise_linear import PiecewiseLinearEmbedding

    layer = PiecewiseLinearEmbedding([[], [1.0]], 3)
    x = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
    np.testing.assert_array_equal(said(layer, x), x)
    assert layer.weights == []


def test_edges_keep_their_last_bit_in_bfloat16_too():
    """In bfloat16, 1000 and 1001 are one number."""
    import keras

    from plumbline.network.layers.piecewise_linear import PiecewiseLinearEmbedding

    layer = PiecewiseLinearEmbedding(
        [[1000.0, 1001.0]], 1, dtype=keras.DTypePolicy("mixed_bfloat16")
    )
    layer.build((None, 1))
    layer.set_weights([np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1, 1))])
    found = layer(np.array([[1000.0], [1000.5], [1001.0]], np.float32))
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")).ravel().tolist() == [
        0,
        0.5,
        1,
    ]


def test_one_hot_has_a_column_for_every_code():
    from plumbline.network.layers.category import OneHotCategories

    layer = OneHotCategories(CODES)
    codes = matrix(50, 1).codes
    want = np.concatenate([np.eye(n)[codes[:, at]] for at, n in enumerate(CODES)], axis=1)
    np.testing.assert_array_equal(said(layer, codes), want)
    assert not said(layer, np.array([[4, -1]], np.int32)).any()


def test_categories_are_looked_up_each_in_its_own_part():
    from plumbline.network.layers.category import CategoryEmbedding

    layer = CategoryEmbedding(CODES, 3)
    vectors = drawn(layer, (None, 2))["embeddings"]
    codes = matrix(50, 1).codes
    want = np.concatenate([vectors[codes[:, 0]], vectors[CODES[0] + codes[:, 1]]], axis=1)
    np.testing.assert_allclose(said(layer, codes), want, rtol=1e-6)


@pytest.mark.parametrize("outer", [False, True])
def test_the_first_layer_scales_the_features_of_each_member(outer: bool):
    from plumbline.network.layers.ensemble import MembersDense

    layer = MembersDense(4, 3, [2, 1, 3], outer_scale=outer)
    weights = drawn(layer, (None, 6))
    x = np.random.default_rng(1).standard_normal((7, 6)).astype(np.float32)
    scale = np.repeat(weights["inner_scale"], [2, 1, 3], axis=1)
    want = np.stack([(x * one) @ weights["kernel"] for one in scale], axis=1)
    want = want * weights.get("outer_scale", 1) + weights["bias"]
    np.testing.assert_allclose(said(layer, x), want, rtol=1e-4, atol=1e-5)
    assert weights["bias"].shape == ((3, 4) if outer else (4,))


@pytest.mark.parametrize("scales", [False, True])
def test_further_layers_share_their_kernel(scales: bool):
    from plumbline.network.layers.ensemble import EnsembleDense

    layer = EnsembleDense(4, scales=scales)
    weights = drawn(layer, (None, 3, 5))
    x = np.random.default_rng(1).standard_normal((7, 3, 5)).astype(np.float32)
    want = (x * weights.get("inner_scale", 1)) @ weights["kernel"]
    want = want * weights.get("outer_scale", 1) + weights["bias"]
    np.testing.assert_allclose(said(layer, x), want, rtol=1e-4, atol=1e-5)
    assert ("outer_scale" in weights) == scales


def test_each_member_has_a_head_of_its_own():
    from plumbline.network.layers.ensemble import MemberHeads

    layer = MemberHeads(2)
    weights = drawn(layer, (None, 3, 5))
    x = np.random.default_rng(1).standard_normal((7, 3, 5)).astype(np.float32)
    want = np.stack([x[:, at] @ one for at, one in enumerate(weights["kernel"])], axis=1)
    np.testing.assert_allclose(said(layer, x), want + weights["bias"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["tabm", "tabm_mini"])
@pytest.mark.parametrize("numeric", ["none", "piecewise_linear", "periodic"])
@pytest.mark.parametrize("category", ["one_hot", "learned"])
def test_every_feature_has_one_scale_per_member(architecture: str, numeric: str, category: str):
    chosen = recipe(architecture, numeric_embedding=numeric, category_embedding=category)
    network = architectures.untrained(table(), 2, chosen)
    assert network.output.shape == (None, 3, 2)
    scale = network.get_layer("hidden_1").inner.numpy()
    assert scale.shape == (3, len(NAMES) + len(CODES)) == (3, len(tabm.chunks(table(), chosen)))
    assert (np.abs(scale) == 1).all() == (numeric == "none")


def test_of_a_full_ensemble_only_the_first_scale_begins_at_random():
    network = architectures.untrained(table(), 1, recipe("tabm"))
    scales = [one for one in network.weights if one.name in ("inner_scale", "outer_scale")]
    assert len(scales) == 4
    assert np.ptp(scales[0].numpy()) > 0
    assert all((one.numpy() == 1).all() for one in scales[1:])


def test_kernels_alone_are_named_as_what_decays():
    network = architectures.untrained(table(), 1, recipe("tabm"))
    names = [one.name for one in network.trainable_variables]
    assert names.count("kernel") == 3
    assert set(names) - {"kernel"} == {
        "bias",
        "inner_scale",
        "outer_scale",
        "embedding_slope",
        "embedding_bias",
        "embedding_pieces",
    }


@pytest.mark.parametrize("architecture", ["tabm", "tabm_mini"])
def test_layers_are_made_again_from_their_configuration(architecture: str):
    backend.seed(0)
    network = architectures.untrained(table(), 1, recipe(architecture))
    for layer in network.layers:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
    clone = type(network).from_config(network.get_config())
    clone.set_weights(network.get_weights())
    rows = given_rows(matrix(64, 3))
    np.testing.assert_array_equal(network.predict_on_batch(rows), clone.predict_on_batch(rows))


@pytest.mark.parametrize("architecture", ["tabm", "tabm_mini"])
def test_training_learns_and_a_file_keeps_every_bit(architecture: str, tmp_path: Path):
    spec = NetworkSpec(
        architecture=architecture,
        widths=[16, 16],
        members=4,
        bins=8,
        embedding_width=4,
        learning_rate=0.01,
        batch_size=64,
        max_epochs=4,
        patience=4,
    )
    sides = []
    for seed in (1, 2):
        rows = matrix(1500, seed)
        signal = np.abs(rows.numeric[:, 0]) + rows.codes[:, 0] % 2
        sides.append(Examples(matrix=rows, labels=(signal > 1.2).astype(np.int8)))
    train, val = sides
    described = Table.described(train.matrix, CODES)
    goal = objective("binary", 2, spec)
    fitted = fitting.fit_examples(train, val, described, goal, spec, tmp_path / "work")
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]
    assert fitted.history["val_auc"][-1] > 0.95
    fitted.predictor.save(tmp_path)
    loaded = KerasPredictor.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(val.matrix), fitted.val_scores)
    assert loaded.weights_sha256() == fitted.predictor.weights_sha256()
