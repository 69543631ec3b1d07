"""What every network keeps to, on TensorFlow and on JAX: run with KERAS_BACKEND set to either."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plumbline.baselines.auc import auc
from plumbline.errors import BundleError, TrainingError
from plumbline.network import fitting
from plumbline.network.architecture import Network, untrained
from plumbline.network.fitting import Examples, Fitted
from plumbline.network.predictor import BATCH_ROWS, KerasPredictor
from plumbline.network.smoke import smoke_test
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

CODES = (6, 9)
OPTIONS = NetworkSpec(
    widths=[16, 8],
    dropout=[0.1, 0.0],
    learning_rate=0.01,
    batch_size=64,
    max_epochs=40,
    patience=3,
)


def examples(rows: int, seed: int, width: int = 4, codes: tuple[int, ...] = CODES) -> Examples:
    """The label follows the first number and the first category, with some noise."""
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, width), dtype=np.float32)
    columns = [generator.integers(0, one, rows) for one in codes]
    signal = generator.normal(scale=0.5, size=rows)
    signal += 2 * numeric[:, 0] if width else 0
    signal += 2 * (columns[0] % 2) - 1 if codes else 0
    matrix = Matrix(
        numeric=numeric,
        codes=np.array(columns, dtype=np.int32).reshape(len(codes), rows).T,
        numeric_names=tuple(f"number {one}" for one in range(width)),
        category_names=tuple(f"category/{one}" for one in range(len(codes))),
    )
    labels = (signal > np.median(signal)).astype(np.int8)
    return Examples(matrix=matrix, labels=labels)


TRAIN, VAL = examples(1200, 1), examples(BATCH_ROWS + 300, 2)


def fit(folder: Path, **options: Any) -> Fitted:
    chosen = OPTIONS.model_copy(update=options)
    return fitting._fit(TRAIN, VAL, CODES, chosen, folder / "work")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fit(tmp_path_factory.mktemp("fitted"))


def weights(predictor: KerasPredictor) -> list[np.ndarray]:
    return [one.copy() for one in predictor.network.get_weights()]


def test_fit_is_idempotent_under_a_seed(fitted: Fitted, tmp_path: Path):
    again = fit(tmp_path)
    for first, second in zip(weights(fitted.predictor), weights(again.predictor), strict=True):
        np.testing.assert_array_equal(first, second)
    assert fitted.predictor.weights_sha256() == again.predictor.weights_sha256()
    np.testing.assert_array_equal(fitted.val_scores, again.val_scores)
    timeless = [{k: v for k, v in one.history.items() if k != "seconds"} for one in (fitted, again)]
    assert timeless[0] == timeless[1]
    assert fitted.hyperparameters == again.hyperparameters


def test_another_seed_draws_other_weights():
    first, second = (
        fitting._compiled(TRAIN.matrix, CODES, OPTIONS.model_copy(update={"seed": seed}))
        for seed in (0, 1)
    )
    assert (first.get_weights()[0] != second.get_weights()[0]).any()
    digests = {
        KerasPredictor(network=one, names=TRAIN.matrix.names).weights_sha256()
        for one in (first, second)
    }
    assert len(digests) == 2


def test_training_recovers_a_simple_signal(fitted: Fitted):
    assert fitted.history["loss"][-1] < fitted.history["loss"][0] < 1
    assert auc(VAL.labels, fitted.val_scores) > 0.9


def test_the_best_epoch_is_kept(fitted: Fitted):
    history, best = fitted.history, fitted.best_epoch - 1
    assert len(history["loss"]) == fitted.best_epoch + OPTIONS.patience < OPTIONS.max_epochs
    assert history["val_loss"][best] == min(history["val_loss"])
    assert history["val_auc"][best] == auc(VAL.labels, fitted.val_scores)


def test_history_has_an_entry_per_epoch(fitted: Fitted):
    assert set(fitted.history) == {"loss", "val_loss", "val_auc", "learning_rate", "seconds"}
    assert len({len(values) for values in fitted.history.values()}) == 1
    assert fitted.history["learning_rate"][0] == pytest.approx(OPTIONS.learning_rate)
    assert fitted.history["learning_rate"][-1] < OPTIONS.learning_rate


def test_predict_gives_probabilities_and_changes_nothing(fitted: Fitted):
    before = weights(fitted.predictor)
    numeric = VAL.matrix.numeric.copy()
    scores = fitted.predictor.predict(VAL.matrix)
    assert scores.dtype == np.float64
    assert scores.shape == (len(VAL.matrix),)
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(scores, fitted.val_scores)
    np.testing.assert_array_equal(numeric, VAL.matrix.numeric)
    for first, second in zip(before, weights(fitted.predictor), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1])
def test_a_batch_gives_the_same_answer_row_by_row(fitted: Fitted, rows: int):
    chosen = np.random.default_rng(rows).permutation(len(VAL.matrix))[:rows]
    scores = fitted.predictor.predict(VAL.matrix.take(chosen))
    np.testing.assert_array_equal(scores, fitted.val_scores[chosen])


def test_threads_may_share_a_predictor(fitted: Fitted):
    blocks = [VAL.matrix.take(slice(at, None)) for at in range(0, 400, 25)]
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(fitted.predictor.predict, blocks))
    for at, given in zip(range(0, 400, 25), scores, strict=True):
        np.testing.assert_array_equal(given, fitted.val_scores[at:])


def test_save_and_load_round_trip_to_the_last_bit(fitted: Fitted, tmp_path: Path):
    fitted.predictor.save(tmp_path)
    loaded = KerasPredictor.load(tmp_path)
    assert loaded.names == TRAIN.matrix.names
    np.testing.assert_array_equal(loaded.predict(VAL.matrix), fitted.val_scores)


def test_other_columns_are_refused(fitted: Fitted):
    with pytest.raises(BundleError, match="number 4"):
        fitted.predictor.predict(examples(5, 0, width=5).matrix)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


@pytest.mark.parametrize("file", ["model.keras", "columns.json"])
@pytest.mark.parametrize("damage", [Path.unlink, _truncate, Path.touch])
def test_damaged_files_are_refused(
    fitted: Fitted, tmp_path: Path, file: str, damage: Callable[[Path], None]
):
    fitted.predictor.save(tmp_path)
    damage(tmp_path / file)
    if damage is Path.touch:
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(BundleError, match="holds no network that can be read"):
        KerasPredictor.load(tmp_path)


@pytest.mark.parametrize(
    ("width", "codes", "rows"),
    [(0, CODES, 100), (3, (), 100), (1, (2,), 2)],
    ids=["no numbers", "no categories", "two rows"],
)
def test_narrow_tables_work(tmp_path: Path, width: int, codes: tuple[int, ...], rows: int):
    train, val = (examples(rows, seed, width, codes) for seed in (1, 2))
    options = OPTIONS.model_copy(update={"max_epochs": 1})
    narrow = fitting._fit(train, val, codes, options, tmp_path / "work")
    assert np.isfinite(narrow.val_scores).all()
    narrow.predictor.save(tmp_path)
    np.testing.assert_array_equal(
        KerasPredictor.load(tmp_path).predict(val.matrix), narrow.val_scores
    )


def compiled(network: Network, **loss: Any) -> Network:
    import keras

    network.compile(loss=keras.losses.BinaryCrossentropy(**loss))
    return network


@pytest.mark.parametrize("widths", [[256, 128], [1], [8] * 12])
def test_the_smoke_test_passes_every_sound_network(widths: list[int]):
    options = NetworkSpec(widths=widths, dropout=[0.2] * len(widths))
    for codes in (CODES, ()):
        report = smoke_test(compiled(untrained(4, codes, options)), 4, codes, seed=0)
        assert report["loss"] == pytest.approx(np.log(2), abs=1e-3)


def test_the_smoke_test_finds_nan_weights():
    network = compiled(untrained(4, CODES, OPTIONS))
    layer = network.get_layer("hidden_1")
    layer.set_weights([np.nan * one for one in layer.get_weights()])
    with pytest.raises(TrainingError, match=r"1024 of 1024 outputs .* are NaN"):
        smoke_test(network, 4, CODES, seed=0)


def test_the_smoke_test_finds_a_second_output():
    import keras

    sound = untrained(4, CODES, OPTIONS)
    twofold = keras.Model(sound.input, keras.layers.Dense(2)(sound.output))
    with pytest.raises(TrainingError, match=r"shape \(1024, 2\).*expected .*\(1024, 1\)"):
        smoke_test(compiled(twofold), 4, CODES, seed=0)


def test_the_smoke_test_finds_a_loss_that_takes_probabilities_for_logits():
    network = compiled(untrained(4, CODES, OPTIONS), from_logits=True)
    with pytest.raises(TrainingError, match=r"loss on random rows is 0\.72.*log 2"):
        smoke_test(network, 4, CODES, seed=0)


def test_the_smoke_test_finds_large_initial_weights():
    network = compiled(untrained(4, CODES, OPTIONS))
    layer = network.get_layer("probability")
    layer.set_weights([100 * one for one in layer.get_weights()])
    with pytest.raises(TrainingError, match="log 2"):
        smoke_test(network, 4, CODES, seed=0)


@pytest.mark.parametrize(
    ("value", "found"), [(np.nan, "loss is nan"), (3e38, "weights are not finite")]
)
def test_training_that_diverges_is_stopped(tmp_path: Path, value: float, found: str):
    work = tmp_path / "work"
    numeric = TRAIN.matrix.numeric.copy()
    numeric[17, 2] = value
    hostile = Examples(
        matrix=Matrix(
            numeric=numeric,
            codes=TRAIN.matrix.codes,
            numeric_names=TRAIN.matrix.numeric_names,
            category_names=TRAIN.matrix.category_names,
        ),
        labels=TRAIN.labels,
    )
    with pytest.raises(TrainingError, match=f"{found} in epoch 1; .* 'number 2'") as caught:
        fitting._fit(hostile, VAL, CODES, OPTIONS, work)
    assert "network.learning_rate" in caught.value.remedy
    assert not work.exists()
