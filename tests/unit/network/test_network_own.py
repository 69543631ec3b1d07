"""Architectures of the user's own: what is accepted, and what is refused with which words."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from network_examples import beside, examples, goal, table

from plumbline.errors import SpecError, TrainingError
from plumbline.network import architectures, backend, fitting, heads
from plumbline.network.architectures import outputs, own
from plumbline.network.examples import Examples, Units
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import resolve
from plumbline.release.keras_layers import require_own_layers
from plumbline.spec import NetworkSpec, PipelineSpec
from plumbline.stages import stage_code_version

pytestmark = [
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TRAIN, VAL = examples(300, 1), examples(200, 2)


def options(function: str, **declared: Any) -> NetworkSpec:
    course = {"max_epochs": 3, "batch_size": 30, "learning_rate": 0.02}
    return NetworkSpec(architecture=f"own_networks:{function}", **(course | declared))


def made(function: str, task: str = "binary", **declared: Any) -> Any:
    chosen = options(function, **declared)
    train = examples(300, 1, task)
    objective = goal(task, chosen)
    described = table(train)
    recipe = resolve(chosen, described, objective)
    return architectures.untrained(described, objective.outputs, recipe)


def fit(function: str, task: str = "binary", **declared: Any) -> fitting.Fitted:
    chosen = options(function, **declared)
    train, val = examples(300, 1, task), examples(200, 2, task)
    return fitting.fit_examples(train, val, table(train), goal(task, chosen), chosen, None)


@pytest.mark.network
def test_a_sound_one_trains_and_is_released(tmp_path: Path):
    fitted = fit("sound")
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]
    fitted.predictor.save(tmp_path)
    require_own_layers(tmp_path)
    np.testing.assert_array_equal(
        KerasPredictor.load(tmp_path).predict(VAL.matrix), fitted.val_scores
    )


def test_its_own_options_reach_it():
    assert made("sound", options={"width": 5}).layers[-1].kernel.shape == (5, 1)


@pytest.mark.parametrize("embedding", ["periodic", "piecewise_linear"])
def test_it_may_use_plumblines_embeddings(tmp_path: Path, embedding: str):
    network = made("sound", numeric_embedding=embedding, category_embedding="one_hot")
    network.save(tmp_path / "model.keras")
    require_own_layers(tmp_path)


def test_it_need_not_read_every_input():
    fitted = fit("numbers_only")
    assert fitted.predictor.network.count_params() == 4 * 8 + 8 + 8 + 1
    assert fitted.val_scores.shape == (200,)


@pytest.mark.network
@pytest.mark.parametrize(
    ("function", "task", "found"),
    [
        ("sound", "binary", "linear"),
        ("sigmoid", "binary", "sigmoid"),
        ("softmax", "multiclass", "softmax"),
        ("tanh", "regression", "tanh"),
        ("numbers_only", "binary", "linear"),
        ("named_heads", "binary", "linear"),
    ],
)
def test_its_last_activation_is_found(function: str, task: str, found: str):
    assert outputs.last_activation(made(function, task)) == found


def test_the_last_activation_is_found_behind_layers_that_change_nothing():
    import keras

    given = keras.Input((3,))
    inner = keras.Model(given, keras.layers.Dense(2, "sigmoid")(given))
    nested = keras.layers.Reshape((2,))(inner(given))
    assert outputs.last_activation(keras.Model(given, nested)) == "sigmoid"
    for layer, name in (
        (keras.layers.Softmax(), "softmax"),
        (keras.layers.Activation("tanh"), "tanh"),
        (keras.layers.Dropout(0.1), "linear"),
    ):
        assert outputs.last_activation(keras.Model(given, layer(given))) == name
    assert outputs.last_activation(keras.Model(given, keras.ops.sigmoid(given))) == "sigmoid"


@pytest.mark.parametrize(
    ("function", "task"),
    [
        ("sigmoid", "binary"),
        ("sigmoid", "multilabel"),
        pytest.param("softmax", "multiclass", marks=pytest.mark.network),
    ],
)
def test_an_activation_that_suits_the_task_is_applied_once(function: str, task: str):
    raw, said = (fit(one, task, max_epochs=1) for one in ("sound", function))
    # Equal weights to begin with, and equal gradients but for rounding.
    assert said.smoke_test["loss"] == pytest.approx(raw.smoke_test["loss"], abs=1e-5)
    np.testing.assert_allclose(said.val_scores, raw.val_scores, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "task"), [("softmax", "binary"), ("sigmoid", "regression"), ("tanh", "binary")]
)
def test_an_activation_that_does_not_suit_the_task_is_refused(function: str, task: str):
    with pytest.raises(TrainingError, match=f"ends in activation '{function}'"):
        fit(function, task)


@pytest.mark.network
@pytest.mark.parametrize("function", ["named_heads", "listed_heads"])
def test_several_heads_share_the_loss_and_the_main_one_predicts(function: str, tmp_path: Path):
    backend.seed(0)
    network = made(function)
    assert network.output.shape == (None, 2, 1)
    chosen = options(function)
    scoring = heads.scoring(network, goal("binary", chosen), Units())
    rows = {"numeric": VAL.matrix.numeric, "codes": VAL.matrix.codes}
    raw = np.asarray(network.predict_on_batch(rows))
    np.testing.assert_allclose(
        np.asarray(scoring.predict_on_batch(rows))[:, 0], 1 / (1 + np.exp(-raw[:, 0, 0])), rtol=1e-5
    )
    assert "early" not in {layer.name for layer in scoring.layers}
    fitted = fit(function)
    fitted.predictor.save(tmp_path)
    np.testing.assert_array_equal(
        KerasPredictor.load(tmp_path).predict(VAL.matrix), fitted.val_scores
    )


def test_the_loss_of_several_heads_is_the_mean_of_their_losses():
    truth = np.array([[1.0], [0.0]], np.float32)
    raw = np.array([[[0.3], [-1.0]], [[2.0], [0.5]]], np.float32)
    loss = heads.loss(goal("binary", options("named_heads")), members=True)
    each = np.log1p(np.exp(-raw[:, :, 0] * (2 * truth - 1)))
    assert float(loss(truth, raw)) == pytest.approx(each.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("missing", r"module own_networks has no function 'missing'; expected def NAME"),
        ("NOT_A_FUNCTION", r"has no function 'NOT_A_FUNCTION'"),
        ("no_model", r"returned a KerasTensor; expected a keras\.Model made of its inputs"),
        ("subclassed", r"returned a Mine without inputs; expected a keras\.Model made of"),
        ("another_input", r"input 'numbers' of shape \(None, 4\), float32; expected 'numeric'"),
        ("one_column_short", r"input 'numeric' of shape \(None, 3\).*expected.*\(None, 4\)"),
        ("one_output_more", r"an output of shape \(None, 2\); expected shape \(None, 1\)"),
        ("heads_without_main", r"outputs named 'a', 'b'; expected one .* named 'main'"),
        ("holds_a_lambda", r"holds keras\.layers\.Lambda"),
        ("holds_a_layer_of_its_own", r"holds own_networks\.Doubled; expected layers of Keras"),
        ("holds_a_function", r"cannot be written and read again"),
    ],
)
def test_what_cannot_be_trained_or_released_is_refused_before_training(function: str, words: str):
    with pytest.raises(SpecError, match=words) as caught:
        made(function)
    assert f"own_networks:{function}" in str(caught.value)
    assert caught.value.remedy


def test_a_module_that_is_not_there_is_refused():
    chosen = NetworkSpec(architecture="no_such_module:network")
    objective = goal("binary", chosen)
    with pytest.raises(SpecError, match=r"No module named 'no_such_module'.*PYTHONPATH"):
        architectures.untrained(table(TRAIN), 1, resolve(chosen, table(TRAIN), objective))
    with pytest.raises(SpecError, match="no_such_module"):
        own.own_code(chosen.architecture)


def _pipeline(architecture: str) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "own",
            "source": {"sql": "own.sql", "key": ["id"], "label": "label"},
            "network": {"architecture": architecture},
        }
    )


def test_the_networks_version_covers_the_users_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(tmp_path)
    versions = []
    for name, body in (("first", "1"), ("again", "1  # a comment"), ("other", "2")):
        (tmp_path / f"own_{name}.py").write_text(f"def network():\n    return {body}\n", "utf-8")
        monkeypatch.delitem(sys.modules, f"own_{name}", raising=False)
        versions.append(own.own_code(f"own_{name}:network"))
    assert len(set(versions)) == 3  # the file's name counts
    assert own.own_code("dense") is None
    spec = _pipeline("own_first:network")
    before = stage_code_version(spec, "network")
    (tmp_path / "own_first.py").write_text("def network():\n    return 3\n", "utf-8")
    own.code_version.cache_clear()
    assert stage_code_version(spec, "network") != before


def with_photos(rows: Examples) -> Examples:
    photos = np.zeros((len(rows.matrix), 16, 16, 3), np.uint8)
    return replace(rows, matrix=replace(rows.matrix, images={"photo": photos}))


DOCUMENT = Path(__file__).parents[3] / "docs" / "own-architecture.md"
CODE = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(CODE)))
def test_the_documents_code_trains(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert len(CODE) == 5
    (tmp_path / f"documented_{number}.py").write_text(CODE[number], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    chosen = options("network", options={"blocks": 2}, widths=[8]).model_copy(
        update={"architecture": f"documented_{number}:network"}
    )
    declared = beside(TRAIN) if "table.auxiliary" in CODE[number] else ()
    train, val = replace(TRAIN, auxiliary=declared), VAL
    if "features.image(" in CODE[number]:
        train, val = (with_photos(one) for one in (train, val))
    fitted = fitting.fit_examples(train, val, table(train), goal("binary", chosen), chosen, None)
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]
    assert ("auxiliary_delay_loss" in fitted.history) == bool(declared)
    fitted.predictor.save(tmp_path)
    require_own_layers(tmp_path)
