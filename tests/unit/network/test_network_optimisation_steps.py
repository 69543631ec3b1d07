"""What optimizers, rates and precisions do to a network: on TensorFlow and on JAX."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plumbline.network import assembly, backend, fitting
from plumbline.network.examples import Examples, Units, arrays
from plumbline.network.fitting import Fitted
from plumbline.network.loop import epochs
from plumbline.network.loop.feed import InMemory
from plumbline.network.loop.steps import learning_rate, steps
from plumbline.network.optimisation import precision
from plumbline.network.optimisation.range_test import HIGHEST, LOWEST, range_test, suggested
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.resume import variables
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

ROWS, BATCH = 256, 64


def examples(rows: int, seed: int) -> Examples:
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, 3), dtype=np.float32)
    codes = generator.integers(0, 4, (rows, 1)).astype(np.int32)
    signal = numeric[:, 0] + codes[:, 0] - 1.5 + generator.normal(scale=0.5, size=rows)
    matrix = Matrix(
        numeric=numeric, codes=codes, numeric_names=("a", "b", "c"), category_names=("d",)
    )
    return Examples(matrix=matrix, labels=(signal > 0).astype(np.int8))


TRAIN, VAL = examples(ROWS, 1), examples(200, 2)
TABLE = Table.described(TRAIN.matrix, (4,))
UNITS = Units()


def declared(**options: Any) -> NetworkSpec:
    usual = {"architecture": "dense", "widths": [8], "dropout": 0.0, "batch_size": BATCH}
    return NetworkSpec(**{**usual, "l2": 0.0, **options})


def recipe(**options: Any) -> Recipe:
    spec = declared(**options)
    return resolve(spec, TABLE, objective("binary", 2, spec))


def compiled(made: Recipe) -> Any:
    return assembly.compiled(TABLE, objective("binary", 2, NetworkSpec()), made)


def fit(**options: Any) -> Fitted:
    spec = declared(**options)
    goal = objective("binary", 2, spec)
    return fitting.fit_examples(TRAIN, VAL, TABLE, goal, spec, None)


def stepped(made: Recipe, count: int, training: Any = None) -> Any:
    """A network after some steps over the rows in their order, at the recipe's rate."""
    training = training or compiled(made)
    stepping = steps(training)
    placed = stepping.place(arrays(TRAIN, objective("binary", 2, NetworkSpec()), UNITS))
    size = made.batch_size
    assert isinstance(size, int)
    order = stepping.order(np.arange(ROWS))
    course = np.full(ROWS // size, made.learning_rate)
    for start in range(count):
        at = start % len(course)
        stepping.run(placed, order, size, course, at, at + 1)
    return training


def named(training: Any) -> dict[str, np.ndarray]:
    return {one.path: np.array(one) for one in training.trainable_variables}


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop", "nadam"])
def test_weight_decay_moves_kernels_and_nothing_else(name: str):
    decay, rate = 0.5, 0.01
    options = {"optimizer": name, "learning_rate": rate}
    plain, decayed = (
        named(stepped(recipe(**options, weight_decay=given), 1)) for given in (0.0, decay)
    )
    start = named(compiled(recipe(**options)))
    for path, value in plain.items():
        if path.endswith("/kernel"):
            # The gradient is the same at the first step, so decay is all that differs.
            lost = start[path] * rate * decay
            np.testing.assert_allclose(value - decayed[path], lost, atol=1e-6)
            assert np.abs(lost).max() > 1e-5
        else:
            np.testing.assert_array_equal(value, decayed[path])
    assert {path.rsplit("/", 1)[-1] for path in plain} >= {"kernel", "bias", "gamma", "embeddings"}


def test_every_optimizer_is_told_its_options():
    made = compiled(recipe(optimizer="sgd", momentum=0.8, clip_norm=0.5)).optimizer
    assert (made.momentum, made.nesterov, made.global_clipnorm) == (0.8, True, 0.5)
    assert not compiled(recipe(optimizer="sgd", momentum=0.0)).optimizer.nesterov
    assert compiled(recipe(optimizer="adam", beta_2=0.95)).optimizer.beta_2 == 0.95
    made = compiled(recipe(optimizer="rmsprop", beta_2=0.8, momentum=0.3)).optimizer
    assert (made.rho, made.momentum) == (0.8, 0.3)
    assert compiled(recipe(optimizer="nadam")).optimizer.beta_2 == 0.999


def test_the_norm_of_all_gradients_is_bounded():
    bound, rate = 1e-3, 1.0
    options = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": rate}
    start = named(compiled(recipe(**options)))

    def moved(clip: float) -> float:
        found = named(stepped(recipe(**options, clip_norm=clip), 1))
        return sum(float(((found[path] - start[path]) ** 2).sum()) for path in start) ** 0.5

    assert moved(bound) == pytest.approx(bound, rel=1e-3)
    assert moved(0.0) > 10 * bound


def test_accumulated_batches_are_one_large_batch():
    options = {"architecture": "linear", "optimizer": "adamw", "clip_norm": 0.1}
    large = named(stepped(recipe(**options, batch_size=128), 2))
    small = named(stepped(recipe(**options, batch_size=32, accumulation_steps=4), 8))
    start = named(compiled(recipe(**options)))
    for path, value in large.items():
        np.testing.assert_allclose(small[path], value, atol=1e-6)
        assert (value != start[path]).any()


def test_weights_stand_still_until_the_last_batch_of_an_accumulation():
    made = recipe(accumulation_steps=3)
    start = named(compiled(made))
    two = named(stepped(made, 2))
    three = named(stepped(made, 3))
    assert all((two[path] == start[path]).all() for path in start)
    assert any((three[path] != start[path]).any() for path in start)


def test_the_learning_rate_changes_without_the_optimizers_state():
    import keras

    seen: list[tuple[int, float, float]] = []

    class Slower(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                training.optimizer.learning_rate = 1e-4

        def on_epoch_end(self, epoch, logs=None):
            optimizer = training.optimizer
            momentum = sum(float(np.abs(one).sum()) for one in optimizer._momentums)
            seen.append((int(optimizer.iterations), float(optimizer.learning_rate), momentum))

    training = compiled(recipe(optimizer="adam", learning_rate=1e-2))
    stepping = steps(training)
    goal = objective("binary", 2, NetworkSpec())
    epochs.fit(
        training,
        stepping,
        InMemory(stepping, arrays(TRAIN, goal, UNITS), ROWS, 0),
        epochs=4,
        batch_size=lambda _: BATCH,
        rates=lambda epoch, count: np.linspace(1, 0.5, count),
        validate=dict,
        callbacks=[Slower()],
    )
    assert [one[0] for one in seen] == [4, 8, 12, 16]
    np.testing.assert_allclose([one[1] for one in seen], [1e-2, 1e-2, 1e-4, 1e-4], rtol=1e-6)
    assert all(one[2] > 0 for one in seen)
    assert float(np.array(learning_rate(training.optimizer))) == pytest.approx(1e-4)


def test_the_history_has_the_rate_of_each_epochs_last_step():
    found = fit(schedule="flat_cosine", max_epochs=4, learning_rate=0.01).history
    expected = [0.01, 0.01, 0.005, 0.0]
    np.testing.assert_allclose(found["learning_rate"], expected, atol=1e-8)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_narrow_arithmetic_trains_a_network_that_scores_in_float32(
    name: str, caplog: pytest.LogCaptureFixture
):
    fitted = fit(precision=name, max_epochs=6, learning_rate=0.02)
    network = fitted.predictor.network
    assert {layer.compute_dtype for layer in network.layers} <= {"float32", "int32"}
    assert {str(one.dtype) for one in network.weights} == {"float32"}
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]
    told = fitted.facts["precision"]
    assert told["used"] == name
    assert told["within"] is (told["moved"] <= precision.TOLERANCE)
    assert 0 < told["moved"] < precision.TOLERANCE  # it was narrow, and not by much
    best = fitted.history["val_loss"][fitted.best_epoch - 1]
    assert told["val"]["float32"]["loss"] == best
    assert any("no GPU" in line for line in caplog.messages)
    assert fitted.hyperparameters["precision"] == name


def test_float16_scales_its_loss_and_keeps_the_rate_in_the_inner_optimizer():
    training = compiled(replace(recipe(learning_rate=0.02), precision="float16"))
    assert type(training.optimizer).__name__ == "LossScaleOptimizer"
    count = len(training.optimizer.variables) if training.optimizer.built else None
    stepped(recipe(learning_rate=0.02), 4, training)
    assert float(learning_rate(training.optimizer).numpy()) == pytest.approx(0.02)
    after = len(training.optimizer.variables)
    stepped(recipe(learning_rate=0.02), 4, training)
    assert len(training.optimizer.variables) == after
    assert count is None or count == after


def test_precision_is_chosen_by_what_the_gpu_can(monkeypatch: pytest.MonkeyPatch):
    for capability, expected in (((8, 0), "bfloat16"), ((7, 5), "float32"), (None, "float32")):
        monkeypatch.setattr(backend, "compute_capability", lambda found=capability: found)
        assert precision.chosen("auto") == expected
        assert precision.chosen("float32") == "float32"
        assert precision.chosen("float16") == "float16"


def test_a_loss_that_narrow_arithmetic_moves_is_told(caplog: pytest.LogCaptureFixture):
    told = precision.checked("bfloat16", {"loss": 0.5}, {"loss": 0.51})
    assert not told["within"]
    assert "2.0 % apart" in caplog.messages[0]
    assert not precision.checked("float16", {"loss": 0.5}, {"loss": float("nan")})["within"]


def test_the_range_test_puts_everything_back():
    training = compiled(recipe(optimizer="adamw", weight_decay=0.1, dropout=0.5))
    training.optimizer.build(training.trainable_variables)
    before = {name: np.array(one) for name, one in variables(training).items()}
    stepping = steps(training)
    goal = objective("binary", 2, NetworkSpec())
    feed = InMemory(stepping, arrays(TRAIN, goal, UNITS), ROWS, 0)
    found = range_test(training, stepping, feed, BATCH)
    for name, one in variables(training).items():
        np.testing.assert_array_equal(np.array(one), before[name], err_msg=name)
    assert found["rates"][0] == pytest.approx(LOWEST)
    assert len(found["rates"]) == len(found["losses"]) > 100
    assert found["rates"] == sorted(found["rates"])
    assert found["diverged_at"] is None or found["diverged_at"] <= HIGHEST * (1 + 1e-9)
    assert 1e-5 < found["suggested"] < 1
    assert min(found["losses"]) < found["losses"][0]


def test_a_training_after_the_range_test_has_the_same_bits():
    tested, plain = (fit(range_test=tried, max_epochs=3, dropout=0.3) for tried in (True, False))
    assert tested.predictor.weights_sha256() == plain.predictor.weights_sha256()
    assert tested.history["loss"] == plain.history["loss"]
    assert tested.facts["range_test"]["suggested"] > 0
    assert "range_test" not in plain.facts


def test_the_suggested_rate_is_where_the_loss_falls_fastest():
    rates = np.geomspace(1e-5, 10, 7).tolist()
    assert suggested(rates, [1.0, 1.0, 0.9, 0.5, 0.4, 0.4, 2.0]) == pytest.approx(1e-3)
    # After a peak the loss may fall faster than it ever did while the network learned.
    assert suggested(rates, [1.0, 0.95, 0.7, 0.6, 9.0, 1.0, 0.8]) == pytest.approx(1e-3)
    assert suggested(rates, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]) is None
    assert suggested([1e-5], [1.0]) is None
    assert suggested([], []) is None


def test_a_declared_lack_of_determinism_reaches_the_backend(monkeypatch: pytest.MonkeyPatch):
    seen: list[bool] = []
    monkeypatch.setattr(backend, "seed", lambda value, *, deterministic: seen.append(deterministic))
    for given in (True, False):
        compiled(recipe(deterministic=given))
    assert seen == [True, False]


def test_operations_are_made_deterministic_unless_declared_otherwise(
    monkeypatch: pytest.MonkeyPatch,
):
    from plumbline.network import tensorflow_determinism

    calls: list[bool] = []
    monkeypatch.setattr(tensorflow_determinism, "enable", lambda: calls.append(True))
    backend.seed(0, deterministic=False)
    assert calls == []
    backend.seed(0)
    assert len(calls) == (backend.name() == "tensorflow")
