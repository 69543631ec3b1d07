"""What linear, dense, resnet and realmlp are made of, against formulas written out in NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_examples import CODES, examples, goal, table

from plumbline.environment import keras_backend
from plumbline.network import architectures, backend, layers
from plumbline.network.architectures import features
from plumbline.network.architectures.realmlp import robust_scale
from plumbline.network.recipe import MANY_ROWS, Recipe, resolve
from plumbline.network.table import Table
from plumbline.release.keras_layers import require_own_layers
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TRAIN = examples(400, 1)
ROWS = {"numeric": TRAIN.matrix.numeric, "codes": TRAIN.matrix.codes}


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    layers.register()
    backend.seed(0)


def recipe(architecture: str, task: str = "binary", **options: Any) -> Recipe:
    small = {"widths": [6, 5], "embedding_width": 3, "bins": 4}
    spec = NetworkSpec(architecture=architecture, **(small | options))
    return resolve(spec, table(TRAIN), goal(task, spec))


def network(architecture: str, **options: Any) -> Any:
    return architectures.untrained(table(TRAIN), 2, recipe(architecture, **options))


def answers(model: Any) -> np.ndarray:
    return np.asarray(model.predict_on_batch(ROWS))


def randomized(model: Any) -> Any:
    """The model with weights that are not special."""
    generator = np.random.default_rng(3)
    model.set_weights([generator.uniform(0.1, 0.9, one.shape) for one in model.get_weights()])
    return model


def one_hot(codes: np.ndarray) -> np.ndarray:
    return np.concatenate([np.eye(size)[codes[:, at]] for at, size in enumerate(CODES)], axis=1)


def test_linear_is_a_regression_on_numbers_and_one_hot_categories():
    model = randomized(network("linear"))
    kernel, bias = model.get_weights()
    columns = np.concatenate([TRAIN.matrix.numeric, one_hot(TRAIN.matrix.codes)], axis=1)
    np.testing.assert_allclose(answers(model), columns @ kernel + bias, rtol=1e-4)
    assert model.count_params() == (4 + sum(CODES)) * 2 + 2


def test_resnet_adds_what_each_block_makes_of_the_normalized_stream():
    model = randomized(network("resnet", category_embedding="one_hot"))
    weights = {one.path: np.asarray(one) for one in model.weights}

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def normalized(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            weights[f"{name}/{part}"]
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    columns = np.concatenate([TRAIN.matrix.numeric, one_hot(TRAIN.matrix.codes)], axis=1)
    stream = dense(columns, "stem")
    for number in (1, 2):
        hidden = dense(normalized(stream, f"normalization_{number}"), f"hidden_{number}")
        stream = stream + dense(np.maximum(hidden, 0), f"added_{number}")
    said = dense(np.maximum(normalized(stream, "normalization"), 0), "raw_outputs")
    np.testing.assert_allclose(answers(model), said, rtol=1e-4)
    assert [weights[f"hidden_{one}/kernel"].shape for one in (1, 2)] == [(6, 12), (6, 10)]


def test_realmlp_scales_clips_and_bends():
    options = {"numeric_embedding": "none", "category_embedding": "one_hot", "widths": [6]}
    model = randomized(network("realmlp", **options))
    scale, first, bias, share, last, last_bias = model.get_weights()
    factor, offset = robust_scale(table(TRAIN))
    x = TRAIN.matrix.numeric * factor + offset
    x = x / np.sqrt(1 + (x / 3) ** 2)
    x = 6 * scale * np.concatenate([x, one_hot(TRAIN.matrix.codes)], axis=1)
    hidden = x @ first / np.sqrt(x.shape[1]) + 0.1 * bias
    selu = 1.0507009873554805 * np.where(hidden > 0, hidden, 1.6732632423543772 * np.expm1(hidden))
    hidden = hidden + 0.1 * share * (selu - hidden)
    said = hidden @ last / np.sqrt(6) + 0.1 * last_bias
    np.testing.assert_allclose(answers(model), said, rtol=1e-3, atol=1e-5)


def test_realmlp_begins_with_neutral_scales_and_says_nothing():
    model = network("realmlp")
    assert (answers(model) == 0).all()
    by_name = {one.path: np.asarray(one) for one in model.weights}
    np.testing.assert_allclose(6 * by_name["front_scale/scale"], 1, rtol=1e-6)
    np.testing.assert_allclose(0.1 * by_name["activation_1/share"], 1, rtol=1e-6)


def test_realmlp_gives_a_column_to_each_of_few_values_and_a_vector_to_many():
    few, many = (11,), (12, 40)
    train = examples(400, 1, codes=few + many)
    described = Table.described(train.matrix, few + many)
    model = architectures.untrained(described, 1, recipe("realmlp"))
    assert model.get_layer("one_hot").cardinalities == [11]
    assert model.get_layer("embedded_categories").cardinalities == [12, 40]
    assert model.get_layer("features").output.shape == (None, 4 * 3 + 11 + 2 * 8)


def test_robust_scale_takes_quartiles_and_else_half_the_range():
    numeric = np.zeros((1025, 3), np.float32)
    numeric[:, 0] = np.linspace(-3, 5, 1025)
    numeric[-1, 1] = 4
    matrix = examples(1025, 1, width=3).matrix
    described = Table.described(
        type(matrix)(
            numeric=numeric,
            codes=matrix.codes,
            numeric_names=matrix.numeric_names,
            category_names=matrix.category_names,
        ),
        CODES,
    )
    scale, offset = robust_scale(described)
    np.testing.assert_allclose(scale, [1 / 4, 1 / 2, 1])
    np.testing.assert_allclose(offset, [-1 / 4, 0, 0])


def test_a_number_becomes_itself_and_a_mixture_of_cosines():
    from plumbline.network.layers.periodic import PeriodicEmbedding

    layer = PeriodicEmbedding(3, frequencies=5, pace=0.5)
    said = np.asarray(layer(TRAIN.matrix.numeric)).reshape(-1, 4, 3)
    frequency, phase, mixture, offset = (0.5 * one for one in layer.get_weights())
    for number in range(4):
        x = TRAIN.matrix.numeric[:, number]
        waves = np.cos(2 * np.pi * x[:, None] * frequency[number] + phase[number])
        np.testing.assert_array_equal(said[:, number, 0], x)
        np.testing.assert_allclose(
            said[:, number, 1:], waves @ mixture[number] + offset[number], atol=1e-5
        )


def test_cosines_are_taken_in_float32_whatever_the_precision():
    from plumbline.network.layers.periodic import PeriodicEmbedding

    exact = PeriodicEmbedding(3, spread=5.0)
    expected = np.asarray(exact(TRAIN.matrix.numeric))
    narrow = PeriodicEmbedding(3, spread=5.0, dtype="mixed_bfloat16")
    narrow.build((None, 4))
    narrow.set_weights(exact.get_weights())
    said = narrow(TRAIN.matrix.numeric)
    assert "bfloat16" in str(said.dtype)
    import keras

    said = np.asarray(keras.ops.cast(said, "float32"))
    np.testing.assert_allclose(said, expected, rtol=2**-8, atol=1e-3)


@given(pace=st.sampled_from([0.1, 1.0, 6.0]), spread=st.sampled_from([0.1, 2.0]))
@settings(max_examples=6)
def test_pace_leaves_what_a_periodic_embedding_begins_with(pace: float, spread: float):
    from plumbline.network.layers.periodic import PeriodicEmbedding

    layer = PeriodicEmbedding(4, frequencies=500, spread=spread, pace=pace)
    layer.build((None, 20))
    frequency, phase, mixture, _ = (pace * np.asarray(one) for one in layer.get_weights())
    assert frequency.std() == pytest.approx(spread, rel=0.05)
    assert np.abs(phase).max() == pytest.approx(np.pi, rel=0.01)
    assert np.abs(mixture).max() == pytest.approx(500**-0.5, rel=0.01)


@given(x=st.floats(-1e4, 1e4, width=32), reach=st.floats(0.5, 8))
@settings(max_examples=40)
def test_smooth_clip_stays_within_reach_and_is_odd(x: float, reach: float):
    from plumbline.network.layers.realmlp import SmoothClip

    layer = SmoothClip(reach)
    there, mirrored = (
        float(np.asarray(layer(np.array([[s * x]], np.float32)))[0, 0]) for s in (1, -1)
    )
    assert abs(there) <= reach * (1 + 1e-5)
    assert there == -mirrored
    if abs(x) < reach / 10:
        assert there == pytest.approx(x, rel=0.01, abs=1e-6)


EMBEDDED = [
    (architecture, numbers, categories)
    for place, architecture in enumerate(("linear", "dense", "resnet"))
    for at, numbers in enumerate(("none", "piecewise_linear", "periodic"))
    for which, categories in enumerate(("one_hot", "learned"))
    # JAX compiles long: there, half of them, in which every two choices still meet.
    if keras_backend() == "tensorflow" or (place + at + which) % 2 == 0
]


@pytest.mark.parametrize(("architecture", "numbers", "categories"), EMBEDDED)
def test_every_embedding_goes_with_every_architecture_and_is_read_back(
    architecture: str, numbers: str, categories: str, tmp_path: Path
):
    import keras

    model = network(architecture, numeric_embedding=numbers, category_embedding=categories)
    numeric = {"none": 4, "piecewise_linear": 3 * 3 + 1, "periodic": 4 * 3}[numbers]
    vectors = sum(features.embedding_width(one) for one in CODES)
    columns = sum(CODES) if categories == "one_hot" else vectors
    assert model.get_layer("features").output.shape == (None, numeric + columns)
    model.save(tmp_path / "model.keras")
    require_own_layers(tmp_path)
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(answers(loaded), answers(model))


def test_the_recipe_of_numbers_differs_where_it_says_so():
    assert recipe("realmlp").hidden_activation == "selu"
    assert recipe("realmlp", "regression").hidden_activation == "mish"
    assert recipe("realmlp", "regression", learning_rate=0.5).learning_rate == 0.5
    assert recipe("dense", "regression") == recipe("dense")


@pytest.mark.parametrize(
    ("task", "rows", "widths"),
    [
        ("multiclass", MANY_ROWS, (512, 512, 512)),
        ("regression", MANY_ROWS, (512, 512, 512)),
        ("multiclass", MANY_ROWS - 1, (256, 256)),
        ("binary", MANY_ROWS, (256, 256)),
        ("multilabel", MANY_ROWS, (256, 256)),
    ],
)
def test_many_rows_have_a_recipe_of_their_own_unless_labels_are_yes_or_no(task, rows, widths):
    spec = NetworkSpec(architecture="tabm_mini")
    described = Table.described(TRAIN.matrix, CODES, rows)
    assert resolve(spec, described, goal(task, spec)).widths == widths
