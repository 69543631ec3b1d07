"""Memory that runs out in training: the step in parts, from the epoch's start.

The allocator is the backend's own. A layer asks it for 64 TB where more rows than a limit go
through at once, and is refused as on a device that is full.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from network_examples import examples, goal, table

from plumbline.environment import keras_backend
from plumbline.errors import TrainingError
from plumbline.network import architectures, backend, feeding, fitting
from plumbline.network.fitting import Fitted
from plumbline.network.loop.feed import InMemory
from plumbline.network.loop.oom import Shortage, out_of_memory
from plumbline.spec import NetworkSpec

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

OPTIONS = NetworkSpec(
    architecture="dense",
    widths=[8],
    dropout=0.0,
    batch_normalization=False,
    learning_rate=0.01,
    batch_size=48,
    max_epochs=2,
    # Else Keras 3.15 on TensorFlow sums the squares of an embedding's gradients, row by row.
    clip_norm=1.0,
    devices=1,
    feeding="memory",
)
TRAIN, VAL = examples(500, 1), examples(200, 2)
"""Ten full batches, and one of 20 rows."""

TOO_MUCH = 1 << 44
"""Numbers that no machine holds (count)."""


def refused() -> Any:
    """A number that takes too much memory to know, asked for when it runs."""
    if backend.name() == "tensorflow":
        import tensorflow as tf

        return tf.reduce_sum(tf.fill([tf.constant(TOO_MUCH, tf.int64)], tf.random.uniform([])))
    import jax

    drawn = jax.random.uniform(jax.random.PRNGKey(0), (TOO_MUCH // 1024, 1024))
    return jax.numpy.sort(drawn, axis=0).sum()


def hungry(limit: int) -> Any:
    import keras

    class Hungry(keras.layers.Layer):
        """Its input; training on more than `limit` rows at once runs out of memory."""

        def call(self, inputs: Any, training: bool = False) -> Any:
            if not training:
                return inputs
            if backend.name() == "tensorflow":
                import tensorflow as tf

                extra = tf.cond(tf.shape(inputs)[0] > limit, refused, lambda: tf.constant(0.0))
                return inputs + tf.stop_gradient(extra)
            import jax

            return inputs + jax.lax.stop_gradient(refused()) if len(inputs) > limit else inputs

    return Hungry()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Networks made from now on have memory for so many rows at once."""
    made = architectures.untrained

    def limit(rows: int) -> None:
        def untrained(*given: Any) -> Any:
            import keras

            network = made(*given)
            return keras.Model(network.input, hungry(rows)(network.output))

        monkeypatch.setattr(architectures, "untrained", untrained)

    return limit


def fit(folder: Path, **options: Any) -> Fitted:
    chosen = OPTIONS.model_copy(update=options)
    return fitting.fit_examples(
        TRAIN, VAL, table(TRAIN), goal("binary", chosen), chosen, folder / "work"
    )


PENALIZED = {"optimizer": "adam", "l2": 1e-3}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fit(tmp_path_factory.mktemp("whole"), **PENALIZED)


def weights(fitted: Fitted) -> list[np.ndarray]:
    return [np.array(one) for one in fitted.predictor.network.get_weights()]


@pytest.mark.network
@pytest.mark.parametrize(
    "devices",
    [
        1,
        pytest.param(
            2, marks=pytest.mark.skipif(keras_backend() != "jax", reason="replicas: JAX's way")
        ),
    ],
)
def test_the_result_is_that_of_whole_batches(
    whole: Fitted, limited: Callable[[int], None], tmp_path: Path, devices: int
):
    limited(12)  # 48 and 24 are refused, 12 fit; the last batch of 20 rows is 12 and 8.
    parts = fit(tmp_path, **PENALIZED, devices=devices)
    assert whole.facts["out_of_memory"] == {"times": 0, "rows": None}
    assert parts.facts["out_of_memory"] == {"times": 2, "rows": 12}
    for expected, found in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)
    for name in ("loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(parts.history[name], whole.history[name], rtol=1e-4)


def test_weighted_rows_count_as_they_do_in_whole_batches(
    limited: Callable[[int], None], tmp_path: Path
):
    weighted = {"class_weights": {"0": 1.0, "1": 5.0}, "optimizer": "sgd"}
    whole = fit(tmp_path / "whole", **weighted)
    unweighted = fit(tmp_path / "unweighted", optimizer="sgd")
    limited(24)
    parts = fit(tmp_path / "parts", **weighted)
    assert parts.facts["out_of_memory"] == {"times": 1, "rows": 24}
    np.testing.assert_allclose(parts.val_scores, whole.val_scores, atol=1e-4)
    assert np.abs(unweighted.val_scores - whole.val_scores).max() > 0.01


def test_layers_that_change_with_each_batch_are_put_back(
    limited: Callable[[int], None], tmp_path: Path
):
    """Batch normalization sees parts, so its results differ; they are finite and learn."""
    limited(24)
    parts = fit(tmp_path, batch_normalization=True, dropout=0.1, max_epochs=6)
    assert parts.facts["out_of_memory"] == {"times": 1, "rows": 24}
    assert parts.history["val_auc"][-1] > 0.9


@pytest.mark.network
def test_a_shortage_in_a_later_epoch_begins_that_epoch_anew(
    whole: Fitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from plumbline.network.loop.oom import Recovering

    run, calls = Recovering.run, []

    def refusing_once(self: Recovering, *given: Any) -> None:
        run(self, *given)
        calls.append(given)
        if len(calls) == 2:  # after its steps have moved the weights
            raise MemoryError

    monkeypatch.setattr(Recovering, "run", refusing_once)
    parts = fit(tmp_path, **PENALIZED)
    assert parts.facts["out_of_memory"] == {"times": 1, "rows": 24}
    assert len(parts.history["loss"]) == 2
    for expected, found in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)


def test_one_row_that_does_not_fit_is_told(limited: Callable[[int], None], tmp_path: Path):
    limited(0)
    with pytest.raises(TrainingError, match=r"does not hold a step of one row: .*; expected") as it:
        fit(tmp_path, batch_size=3, max_epochs=1)
    assert it.value.values["times"] == 2


@pytest.mark.network
def test_other_errors_are_raised_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from plumbline.network.loop.oom import Recovering

    def broken(*_: Any) -> None:
        raise RuntimeError("out of memory, says somebody else")

    monkeypatch.setattr(Recovering, "run", broken)
    with pytest.raises(RuntimeError, match="somebody else"):
        fit(tmp_path)


@contextmanager
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def full(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(InMemory, "__init__", full)
        yield


def test_rows_that_the_device_does_not_hold_are_streamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    expected = fit(tmp_path / "memory")
    with no_room(monkeypatch):
        with pytest.raises(MemoryError):
            fit(tmp_path / "declared")
        found = fit(tmp_path / "auto", feeding="auto")
    assert found.predictor.weights_sha256() == expected.predictor.weights_sha256()


@pytest.mark.network
def test_who_says_that_memory_ran_out():
    jax = type("XlaRuntimeError", (RuntimeError,), {})
    tensorflow = type("ResourceExhaustedError", (Exception,), {})
    internal = type("InternalError", (Exception,), {})
    assert out_of_memory(MemoryError())
    assert out_of_memory(tensorflow("OOM when allocating tensor"))
    assert out_of_memory(jax("RESOURCE_EXHAUSTED: Out of memory allocating 64 bytes."))
    assert out_of_memory(internal("CUDA_ERROR_OUT_OF_MEMORY: out of memory"))
    assert not out_of_memory(jax("INVALID_ARGUMENT: shapes"))
    assert not out_of_memory(internal("cuDNN launch failure"))
    assert not out_of_memory(ValueError("out of memory"))
    assert Shortage() == Shortage(times=0, rows=None)


def test_feeding_is_chosen_by_what_is_free():
    size = 10**9
    rooms = {
        "memory": [(35 * 10**8, None), (4 * 10**9, 15 * 10**8), (None, None), (None, 2 * 10**9)],
        "stream": [(35 * 10**8 - 1, None), (10**10, 10**9), (None, 10**9)],
    }
    for mode, free in rooms.items():
        for host, gpu in free:
            assert feeding.chosen("auto", size, host, gpu).mode == mode, (host, gpu)
            for declared in ("memory", "stream"):
                found = feeding.chosen(declared, size, host, gpu)
                assert (found.mode, found.why) == (declared, "declared")
    told = feeding.chosen("auto", size, 2 * 10**9).why
    assert told == "3.5 times 1.00 GB is more than the 2.00 GB free on the host"
