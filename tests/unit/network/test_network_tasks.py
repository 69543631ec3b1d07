"""From a task to a loss, and from a trained network to what it says, in the label's own units."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from plumbline.environment import keras_backend
from plumbline.errors import SpecError, TrainingError
from plumbline.network import fitting, heads
from plumbline.network.examples import Examples, Units, class_weights, targets, weighed
from plumbline.network.fitting import Fitted
from plumbline.network.metrics import measured
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective, require_agreement
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec, PipelineSpec, Task
from plumbline.spec.tasks import SUITED

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

OPTIONS = NetworkSpec(
    architecture="dense", widths=[16], dropout=[0.0], learning_rate=0.01, max_epochs=6, l2=0.0
)
CODES = (5,)


def matrix(rows: int, seed: int) -> Matrix:
    draw = np.random.default_rng(seed)
    return Matrix(
        numeric=draw.standard_normal((rows, 3), dtype=np.float32),
        codes=draw.integers(0, CODES[0], (rows, 1)).astype(np.int32),
        numeric_names=("a", "b", "c"),
        category_names=("d",),
    )


def labels(task: Task, of: Matrix) -> np.ndarray:
    """They follow the numbers without noise."""
    a, b, c = of.numeric.T.astype(np.float64)
    return {
        "binary": (a > 0.3).astype(np.int8),
        "multiclass": np.digitize(a, [-0.5, 0.5]).astype(np.int16),
        "multilabel": np.stack([a > 0, b > 0.5, c > a], axis=1).astype(np.int8),
        "regression": 2 * a + b,
    }[task]


def examples(task: Task, rows: int, seed: int) -> Examples:
    of = matrix(rows, seed)
    return Examples(matrix=of, labels=labels(task, of))


def fit(train: Examples, val: Examples, task: Task, folder: Path, **options: Any) -> Fitted:
    chosen = OPTIONS.model_copy(update=options)
    table = Table.described(train.matrix, CODES)
    return fitting.fit_examples(train, val, table, goal(task, **options), chosen, folder / "work")


def goal(task: Task, outputs: int = 3, names: tuple[str, ...] = (), **options: Any) -> Objective:
    return objective(task, outputs, NetworkSpec(**options), names)


CASES: list[tuple[Task, dict[str, Any], str, float]] = [
    ("binary", {}, "auc", 0.97),
    ("multiclass", {}, "accuracy", 0.85),
    ("multiclass", {"label_format": "one_hot"}, "accuracy", 0.85),
    ("multilabel", {}, "auc", 0.95),
    ("regression", {}, "r2", 0.9),
    ("regression", {"loss": "mean_absolute_error"}, "r2", 0.9),
    ("regression", {"loss": "huber"}, "r2", 0.9),
]


@pytest.mark.parametrize(
    ("task", "options", "metric", "reached"),
    # JAX compiles long; what each loss says there is compared below.
    [one for one in CASES if keras_backend() == "tensorflow" or not one[1]],
)
def test_every_task_and_label_format_learns(task, options, metric, reached, tmp_path):
    train, val = examples(task, 1500, 1), examples(task, 600, 2)
    fitted = fit(train, val, task, tmp_path, monitor=metric, **options)
    history = fitted.history
    assert history["loss"][-1] < history["loss"][0]
    assert history[f"val_{metric}"][fitted.best_epoch - 1] > reached
    found = measured(goal(task, **options), Units(), val.labels, fitted.val_scores)
    assert found[metric] == history[f"val_{metric}"][fitted.best_epoch - 1]
    assert {f"val_{name}" for name in goal(task).metrics} <= set(history)


def test_both_formats_of_the_labels_train_the_same_network(tmp_path):
    train, val = examples("multiclass", 600, 1), examples("multiclass", 300, 2)
    scores = [
        fit(train, val, "multiclass", tmp_path, label_format=form, max_epochs=2).val_scores
        for form in ("integer", "one_hot")
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.parametrize(
    ("task", "loss"), [(key[0], loss) for key, suited in SUITED.items() for loss in suited.losses]
)
def test_the_validation_loss_is_the_one_that_is_minimized(task, loss):
    import keras

    one = goal(task, loss=loss)
    of = labels(task, matrix(40, 3))
    units = Units(mean=1.5, scale=2.5) if task == "regression" else Units()
    raw = np.random.default_rng(0).normal(size=(40, one.outputs)).astype(np.float32)
    minimized = heads.loss(one, members=False)(targets(of, one, units), raw)
    source = keras.Input((one.outputs,))
    scores = heads.scoring(keras.Model(source, source), one, units).predict_on_batch(raw)
    said = scores[:, 0] if one.outputs == 1 else scores
    found = measured(one, units, of, said.astype(np.float64))
    assert found["loss"] == pytest.approx(float(minimized), rel=1e-5)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    train, val = examples("regression", 600, 1), examples("regression", 300, 2)
    return fit(train, val, "regression", tmp_path_factory.mktemp("plain"), max_epochs=3)


@pytest.mark.parametrize(("mean", "scale"), [(1e6, 1e3), (-3e9, 1e8), (5e-12, 1e-12)])
def test_a_regression_answers_in_the_labels_own_units(mean, scale, plain, tmp_path):
    train, val = examples("regression", 600, 1), examples("regression", 300, 2)
    other = [Examples(matrix=one.matrix, labels=one.labels * scale + mean) for one in (train, val)]
    fitted = fit(*other, "regression", tmp_path, max_epochs=3)
    np.testing.assert_allclose(
        (fitted.val_scores - mean) / scale, plain.val_scores, atol=0.01, rtol=0
    )
    assert fitted.history["val_rmse"][-1] == pytest.approx(
        plain.history["val_rmse"][-1] * scale, rel=1e-2
    )
    assert fitted.history["val_loss"][-1] == pytest.approx(plain.history["val_loss"][-1], rel=1e-2)


@pytest.mark.parametrize(("mean", "scale"), [(1e9, 1.0), (0.0, 1e39), (0.0, 1e-40), (1e39, 1e37)])
def test_labels_that_float32_cannot_tell_apart_are_refused(mean, scale):
    values = mean + scale * np.random.default_rng(0).standard_normal(100)
    with pytest.raises(TrainingError, match="float32 numbers about the mean") as caught:
        Units.of(values, goal("regression"))
    assert "in the SQL" in caught.value.remedy


def test_units_are_those_of_the_labels():
    values = 1e6 + np.random.default_rng(0).normal(0, 100, 1000)
    units = Units.of(values, goal("regression"))
    assert (units.mean, units.scale) == pytest.approx((values.mean(), values.std()), rel=1e-12)
    assert Units.of(np.full(5, 0.1), goal("regression")) == Units(mean=0.1, scale=1.0)
    assert Units.of(np.array([0, 1]), goal("binary")) == Units()


PAIRS: list[tuple[Task, dict[str, Any], str]] = [
    ("binary", {"activation": "softmax"}, "sigmoid with binary_crossentropy"),
    ("binary", {"loss": "sparse_categorical_crossentropy"}, "sigmoid with binary_crossentropy"),
    ("binary", {"label_format": "one_hot"}, "integer labels"),
    (
        "multiclass",
        {"loss": "binary_crossentropy"},
        "softmax with sparse_categorical_crossentropy for integer labels",
    ),
    ("multiclass", {"activation": "sigmoid"}, "softmax with categorical_crossentropy for one_hot"),
    (
        "multiclass",
        {"label_format": "one_hot", "loss": "sparse_categorical_crossentropy"},
        "softmax with categorical_crossentropy for one_hot labels",
    ),
    (
        "multiclass",
        {"label_format": "integer", "loss": "categorical_crossentropy"},
        "softmax with sparse_categorical_crossentropy for integer labels",
    ),
    ("multiclass", {"label_format": "integer", "label_smoothing": 0.1}, "with one_hot labels"),
    ("regression", {"activation": "sigmoid"}, "linear with mean_squared_error"),
    ("regression", {"loss": "binary_crossentropy"}, "linear with mean_squared_error"),
    ("regression", {"label_smoothing": 0.1}, "label_smoothing 0"),
    ("regression", {"class_weights": "balanced"}, "one of several classes"),
    ("multilabel", {"activation": "softmax"}, "sigmoid with binary_crossentropy"),
    ("regression", {"monitor": "auc"}, "one of loss, rmse, mae, r2"),
    ("binary", {"monitor": "f1"}, "one of loss, auc, average_precision"),
]


@pytest.mark.parametrize(("task", "options", "told"), PAIRS)
def test_a_mismatch_is_refused_with_the_right_pair(task, options, told):
    with pytest.raises(SpecError) as caught:
        goal(task, **options)
    assert told in caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("task", "options", "told"), [one for one in PAIRS if one[0] != "multilabel"]
)
def test_a_mismatch_is_refused_when_the_declaration_is_read(task, options, told):
    source = {"sql": "x.sql", "key": ["id"], "label": "y", "task": task}
    with pytest.raises(ValidationError) as caught:
        PipelineSpec.model_validate({"name": "x", "source": source, "network": options})
    (error,) = caught.value.errors()
    assert error["loc"] == ("network",)
    assert told in error["msg"]


@pytest.mark.parametrize(("task", "form"), list(SUITED))
def test_what_the_table_pairs_is_accepted(task, form):
    suited = SUITED[task, form]
    for loss in suited.losses:
        declared = {"loss": loss, "activation": suited.activation}
        made = goal(task, **declared)
        assert (made.loss, made.label_format, made.activation) == (loss, form, suited.activation)


def test_a_metric_of_more_classes_is_refused_with_those_of_so_many():
    assert goal("multiclass", 6, monitor="top_3_accuracy").metrics
    with pytest.raises(SpecError, match=r"with 3 classes") as caught:
        goal("multiclass", 3, monitor="top_3_accuracy")
    assert "loss, accuracy" in caught.value.expected


def test_smoothing_asks_for_one_hot_labels():
    assert goal("multiclass", label_smoothing=0.1).loss == "categorical_crossentropy"
    assert goal("binary", label_smoothing=0.1).label_format == "integer"


def test_the_last_activation_of_a_network_has_to_suit():
    assert require_agreement(goal("binary"), "sigmoid")
    assert not require_agreement(goal("binary"), "linear")
    assert not require_agreement(goal("regression"), "linear")
    with pytest.raises(TrainingError, match="'sigmoid', with mean_squared_error") as caught:
        require_agreement(goal("regression"), "sigmoid")
    assert "linear with mean_squared_error" in caught.value.expected
    with pytest.raises(TrainingError) as caught:
        require_agreement(goal("binary"), "softmax")
    assert "sigmoid with binary_crossentropy" in caught.value.expected


def _loss_by_hand(task: Task, of: np.ndarray, raw: np.ndarray, weights: np.ndarray) -> float:
    """raw: (n, members, outputs). The mean over rows of weight x mean of the members' losses."""
    if task == "regression":
        each = (raw[..., 0] - of[:, None]) ** 2
    elif task == "multiclass":
        shifted = raw - np.log(np.exp(raw).sum(axis=-1, keepdims=True))
        each = -np.take_along_axis(shifted, of[:, None, None].astype(int), axis=-1)[..., 0]
    else:
        signs = np.where(of.reshape(len(of), -1) == 1, 1.0, -1.0)[:, None, :]
        each = np.log1p(np.exp(-signs * raw)).mean(axis=-1)
    return float(np.mean(weights * each.mean(axis=1)))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("members", [1, 4, 12])
def test_the_loss_of_weighed_members_is_as_by_hand(task, members):
    """12 members of 12 rows: a row's weight must not meet a member's loss."""
    one, of = goal(task), labels(task, matrix(12, 5))
    draw = np.random.default_rng(6)
    raw = draw.normal(size=(12, members, one.outputs)).astype(np.float32)
    weights = draw.uniform(0, 3, 12).astype(np.float32)
    loss = heads.loss(one, members=True)(targets(of, one, Units()), raw, sample_weight=weights)
    assert float(loss) == pytest.approx(_loss_by_hand(task, of, raw, weights), rel=1e-5)


def test_the_first_step_of_weighed_rows_has_the_loss_by_hand(tmp_path):
    """One step over all rows: the history's loss is that of the untrained network, weighed."""
    train, val = examples("binary", 64, 1), examples("binary", 50, 2)
    weights = np.random.default_rng(3).uniform(0, 5, 64).astype(np.float32)
    train = Examples(matrix=train.matrix, labels=train.labels, weights=weights)
    options = {"class_weights": {"yes": 3.0}}
    one = goal("binary", names=("no", "yes"), **options)
    chosen = OPTIONS.model_copy(
        update={"batch_size": 64, "max_epochs": 1, "architecture": "linear"}
    )
    table = Table.described(train.matrix, CODES)
    fitted = fitting.fit_examples(train, val, table, one, chosen, tmp_path)
    total = weights * np.where(train.labels == 1, 3, 1)
    assert weighed(train, one).weights == pytest.approx(total / total.mean(), rel=1e-6)
    # The untrained network says about 1/2 of every row, and weights have a mean of 1.
    assert fitted.history["loss"][0] == pytest.approx(np.log(2), abs=0.02)


def test_weights_change_what_is_learned(tmp_path):
    """Rows of the same features and both labels: the weight decides between them."""
    base = matrix(400, 1)
    of = np.arange(400) % 2
    said = {}
    for heavy in (0, 1):
        weights = np.where(of == heavy, 9, 1).astype(np.float32)
        rows = Examples(matrix=base, labels=of.astype(np.int8), weights=weights)
        said[heavy] = fit(rows, rows, "binary", tmp_path, learning_rate=0.05).val_scores.mean()
    assert said[0] < 0.3 < 0.7 < said[1]


def test_validation_metrics_are_weighed_by_row_and_never_by_class(tmp_path):
    train, val = examples("binary", 300, 1), examples("binary", 200, 2)
    weights = np.random.default_rng(3).uniform(0.1, 5, 200).astype(np.float32)
    val = Examples(matrix=val.matrix, labels=val.labels, weights=weights)
    fitted = fit(train, val, "binary", tmp_path, class_weights="balanced", max_epochs=2)
    found = measured(goal("binary"), Units(), val.labels, fitted.val_scores, weights)
    best = fitted.best_epoch - 1
    assert found["loss"] == fitted.history["val_loss"][best]
    alike = measured(goal("binary"), Units(), val.labels, fitted.val_scores)
    assert found["loss"] != alike["loss"]


def test_balanced_weights_give_every_class_the_same_sum():
    of = np.repeat([0, 1, 2], [60, 30, 10])
    one = goal("multiclass", class_weights="balanced")
    weights = class_weights(of, one)
    np.testing.assert_allclose(weights * [60, 30, 10], 100 / 3)
    declared = goal("multiclass", names=("x", "y", "z"), class_weights={"z": 4.0})
    np.testing.assert_array_equal(class_weights(of, declared), [1, 1, 4])


def test_unknown_classes_are_refused_with_the_known_ones():
    with pytest.raises(SpecError, match="names 'zebra'") as caught:
        goal("multiclass", names=("ant", "bee", "cat"), class_weights={"zebra": 2.0, "bee": 2.0})
    assert "'ant', 'bee', 'cat'" in caught.value.expected


def test_class_weights_are_named_as_yaml_reads_them():
    assert NetworkSpec(class_weights={0: 1, 1: 5}).class_weights == {"0": 1, "1": 5}
    assert NetworkSpec(class_weights={False: 1, True: 5}).class_weights == {"0": 1, "1": 5}
