"""Images reach the network: it learns from them, streams them, and is released with them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import bars
from network_examples import examples, goal, table

from plumbline.environment import keras_backend
from plumbline.errors import BundleError, SpecError, TrainingError
from plumbline.network import assembly, feeding, fitting, images, resume
from plumbline.network.architectures import features
from plumbline.network.architectures.images import augmentations, default_filters
from plumbline.network.diagnosis.sampling import sampled
from plumbline.network.examples import Examples, inputs
from plumbline.network.fitting import Fitted
from plumbline.network.loop import feed as feeds
from plumbline.network.loop import oom
from plumbline.network.loop.shuffle import Shuffle
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.smoke import smoke_test
from plumbline.network.table import Table
from plumbline.normalization import prepared
from plumbline.normalization.prepared import copied, row_bytes
from plumbline.release.keras_layers import require_own_layers
from plumbline.spec import NetworkSpec
from plumbline.spec.network import ARCHITECTURES

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

BUILT_IN = tuple(one for one in ARCHITECTURES if one != "auto")
EVERY = ("shift", "rotate", "flip_horizontal", "flip_vertical")


def pictured(rows: int, seed: int, size: int = 15, channels: int = 3) -> Examples:
    """Numbers and categories that say nothing of the label, and an image that tells it.

    15 x 15 x 3 bytes are no whole number of words, which matters to TensorFlow's loop.
    """
    pixels, upright = bars(rows, seed, size, channels)
    made = examples(rows, seed)
    return replace(made, matrix=replace(made.matrix, images={"photo": pixels}), labels=upright)


TRAIN, VAL = pictured(600, 1), pictured(200, 2)


@pytest.fixture(scope="module", autouse=True)
def _in_pools() -> Iterator[None]:
    """Pools of at most 200 rows, in blocks of 16."""

    def shuffle(**given: Any) -> Shuffle:
        row = given["row_bytes"]
        assert row == row_bytes(TRAIN.matrix) == 4 * 6 + 15 * 15 * 3
        return Shuffle(**given, pool_bytes=200 * row, block_bytes=16 * row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "Shuffle", shuffle)
        patch.setattr(feeds, "Shuffle", shuffle)
        yield


def options(**declared: Any) -> NetworkSpec:
    small = {"architecture": "dense", "widths": [8], "members": 2, "embedding_width": 4, "bins": 4}
    course = {"batch_size": 40, "max_epochs": 3, "learning_rate": 0.01}
    return NetworkSpec(**{**small, **course, **declared})


def fit(work: Path | None = None, extra: Any = (), **declared: Any) -> Fitted:
    chosen = options(**declared)
    return fitting.fit_examples(
        TRAIN, VAL, table(TRAIN), goal("binary", chosen), chosen, work, extra
    )


def recipe_of(described: Table, **declared: Any) -> Recipe:
    chosen = options(**declared)
    return resolve(chosen, described, goal("binary", chosen))


fitted = cache(fit)
"""Trained once for all tests that only look at it."""


@pytest.mark.network
def test_training_learns_from_an_image_alone():
    assert max(fitted().history["val_auc"]) > 0.95


@pytest.mark.network
def test_every_step_in_the_compiled_loop_draws_anew():
    """Two random numbers a step for RandomTranslation, and none for what is only looked at."""
    layer = fitted().predictor.network.get_layer("shift_of_photo")
    seed, drawn = np.asarray(layer.generator.state.value).tolist()
    assert seed == layer.seed == 0
    assert drawn == 2 * len(fitted().history["loss"]) * len(TRAIN.matrix) // 40


@pytest.mark.network
def test_save_and_load_round_trip_to_the_last_bit(tmp_path: Path):
    fitted().predictor.save(tmp_path)
    require_own_layers(tmp_path)
    loaded = KerasPredictor.load(tmp_path)
    assert loaded.weights_sha256() == fitted().predictor.weights_sha256()
    np.testing.assert_array_equal(loaded.predict(VAL.matrix), fitted().val_scores)
    chosen = np.array([150, 3, 77])
    np.testing.assert_array_equal(
        loaded.predict(VAL.matrix.take(chosen)), fitted().val_scores[chosen]
    )


@pytest.mark.network
def test_images_from_disk_give_the_same_weights(tmp_path: Path):
    stream = fit(tmp_path, feeding="stream")
    assert stream.predictor.weights_sha256() == fitted().predictor.weights_sha256()
    np.testing.assert_array_equal(stream.val_scores, fitted().val_scores)
    assert stream.history["loss"] == fitted().history["loss"]


class Killed(Exception):
    pass


def killer(epoch: int) -> Any:
    import keras

    class Killer(keras.callbacks.Callback):
        def on_epoch_begin(self, now: int, logs: Any = None) -> None:
            if now == epoch:
                raise Killed

    return Killer()


def test_a_training_that_broke_off_goes_on_with_the_same_augmentations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resume, "EVERY", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)
    with pytest.raises(Killed):
        fit(tmp_path, [killer(2)])
    again = fit(tmp_path, [killer(99)])
    assert again.facts["resumed"][0]["epoch"] == 3
    assert again.predictor.weights_sha256() == fitted().predictor.weights_sha256()


def test_memory_that_runs_out_halves_the_rows_of_images_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """New steps go on with the images that others have placed."""
    run, refusals = oom.Recovering.run, [MemoryError("no memory")]

    def limited(self: Any, *given: Any) -> None:
        if refusals:
            raise refusals.pop()
        run(self, *given)

    monkeypatch.setattr(oom.Recovering, "run", limited)
    plain = {"augmentation": [], "max_epochs": 1, "batch_normalization": False, "dropout": 0.0}
    halved = fit(tmp_path / "halved", **plain)
    assert halved.facts["out_of_memory"] == {"times": 1, "rows": 20}
    np.testing.assert_allclose(halved.val_scores, fit(**plain).val_scores, atol=1e-4)


@pytest.mark.network
def test_augmentation_is_of_training_alone_and_has_a_course_of_its_own():
    import keras

    described = table(TRAIN)
    given = features.inputs(described)["image_photo"]
    recipe = recipe_of(described, augmentation=EVERY, seed=2**33)
    layers = augmentations(described, recipe, "photo")
    assert len({one.seed for one in layers}) == len(EVERY)
    image = given
    for layer in layers:
        image = layer(image)
    network = keras.Model(given, image)
    rows = TRAIN.matrix.images["photo"][:8]

    def said(training: bool) -> np.ndarray:
        return np.asarray(network(rows, training=training))

    np.testing.assert_array_equal(said(False), rows.astype(np.float32))
    first, second = said(True), said(True)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, rows)
    for one, seed in ((said(True), None), (rows, 5)):
        assert one.min() >= 0
        assert one.max() <= 255, seed


@pytest.mark.parametrize("architecture", BUILT_IN)
def test_every_architecture_reads_images(architecture: str):
    described = table(TRAIN)
    recipe = recipe_of(described, architecture=architecture)
    network = assembly.compiled(described, goal("binary", options()), recipe)
    rows = inputs(TRAIN.matrix.take(slice(0, 20)))
    assert {one.name for one in network.inputs} == {"numeric", "codes", "image_photo"}
    said = network.layers
    assert [one.name for one in said if "convolution" in one.name] == [
        "convolution_1_of_photo",
        "convolution_2_of_photo",
    ]
    dark = {**rows, "image_photo": np.zeros_like(rows["image_photo"])}
    # The last layers of some begin at 0: what they read is compared, not what they say.
    import keras

    read = keras.Model(network.input, network.get_layer("raw_outputs").input)
    assert not np.array_equal(np.asarray(read(rows)), np.asarray(read(dark)))


def test_blocks_follow_from_the_size():
    assert default_filters((8, 8, 1)) == [16]
    assert default_filters((15, 40, 3)) == [16, 32]
    assert default_filters((32, 32, 3)) == [16, 32, 64]
    assert default_filters((1024, 1024, 4)) == [16, 32, 64, 128, 128]


def with_images(**shapes: tuple[int, ...]) -> tuple[Table, Examples]:
    made = examples(30, 1)
    pictures = {name: np.zeros((30, *shape), np.uint8) for name, shape in shapes.items()}
    made = replace(made, matrix=replace(made.matrix, images=pictures))
    return table(made), made


def test_two_image_columns_are_kept_apart():
    described, made = with_images(photo=(16, 16, 3), scan_1=(12, 20, 1))
    recipe = recipe_of(described, architecture="tabm_mini")
    network = assembly.compiled(described, goal("binary", options()), recipe)
    assert np.asarray(network(inputs(made.matrix))).shape == (30, 2, 1)
    seeds = [augmentations(described, recipe, name)[0].seed for name in described.images]
    assert len(set(seeds)) == 2


def own(function: str) -> Any:
    described = table(TRAIN)
    recipe = recipe_of(described, architecture=f"{__name__}:{function}")
    from plumbline.network import architectures

    return architectures.untrained(described, 1, recipe)


def reads_an_image(described: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given = features.inputs(described)
    hidden = features.image(given, described, recipe, "photo", filters=[4, 6])
    return keras.Model(given, features.raw_outputs(hidden, outputs))


def reads_no_image(described: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given = keras.Input((4,), name="numeric")
    return keras.Model(given, features.raw_outputs(given, outputs))


def reads_another(described: Table, outputs: int, recipe: Recipe) -> Any:
    return features.image(features.inputs(described), described, recipe, "scan")


def reads_another_shape(described: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given = keras.Input((16, 15, 3), dtype="uint8", name="image_photo")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(given))
    return keras.Model(given, features.raw_outputs(flat, outputs))


@pytest.mark.parametrize("function", ["reads_an_image", "reads_no_image"])
def test_an_architecture_of_ones_own_may_read_images(function: str):
    network = own(function)
    assert {one.name for one in network.inputs} == {"numeric", "codes", "image_photo"}
    reads = any("convolution" in one.name for one in network.layers)
    assert reads == (function == "reads_an_image")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("reads_another", r"asks for image 'scan'; expected one of photo"),
        ("reads_another_shape", r"input 'image_photo' of shape \(None, 16, 15, 3\), uint8"),
    ],
)
def test_images_that_are_not_there_are_refused(function: str, told: str):
    with pytest.raises(SpecError, match=told):
        own(function)


def test_other_images_than_the_networks_are_refused():
    predictor = fitted().predictor
    for matrix in (
        VAL.matrix.without_images(),
        replace(VAL.matrix, images={"scan": VAL.matrix.images["photo"]}),
        replace(VAL.matrix, images={"photo": VAL.matrix.images["photo"][:, 1:]}),
    ):
        with pytest.raises(BundleError, match=r"the rows have the images .*expected.*image_photo"):
            predictor.predict(matrix)


@pytest.mark.parametrize("damage", [lambda x: x[:, 1:], lambda x: x[1:], lambda x: x / 255])
def test_rows_of_other_images_are_told_before_training(damage: Any):
    wrong = replace(TRAIN.matrix, images={"photo": damage(TRAIN.matrix.images["photo"])})
    chosen = options()
    with pytest.raises(TrainingError, match="of the image 'photo' of the training rows"):
        fitting.fit_examples(
            replace(TRAIN, matrix=wrong), VAL, table(TRAIN), goal("binary", chosen), chosen, None
        )


def test_large_images_are_answered_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch):
    predictor = fitted().predictor
    assert images.rows_together(predictor.network, 1024) == 1024
    monkeypatch.setattr(images, "BYTES", 15 * 15 * 3 * 100)
    assert images.rows_together(predictor.network, 1024) == 64
    np.testing.assert_allclose(predictor.predict(VAL.matrix), fitted().val_scores, atol=1e-5)
    chosen = options()
    found = smoke_test(predictor.network, table(TRAIN), goal("binary", chosen), 0, strict=False)
    assert found["rows"] == 1024
    monkeypatch.setattr(images, "BYTES", 1)
    assert images.rows_together(predictor.network, 1024) == 1


def test_the_diagnosis_looks_at_fewer_rows_where_images_are_large():
    each = 15 * 15 * 3
    assert len(sampled(TRAIN, 100).matrix) == 100
    assert len(sampled(TRAIN, 100, 10 * each).matrix) == 10
    assert len(sampled(TRAIN, 100, each - 1).matrix) == 1
    plain = replace(TRAIN, matrix=TRAIN.matrix.without_images())
    assert len(sampled(plain, 100, 10 * each).matrix) == 100


def test_a_file_of_rows_holds_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prepared, "READ_ROWS", 64)
    stored = copied(TRAIN.matrix, tmp_path)
    assert row_bytes(stored) == row_bytes(TRAIN.matrix) == 4 * 6 + 15 * 15 * 3
    spans = np.array([[3, 40], [100, 333]])
    places = np.concatenate([np.arange(*one) for one in spans])
    for found, expected in (
        (stored.read(spans), TRAIN.matrix.take(places)),
        (stored.take(slice(7, 500, 3)), TRAIN.matrix.take(slice(7, 500, 3))),
        (stored.take(places[::-1]), TRAIN.matrix.take(places[::-1])),
        (stored.take(slice(5, 5)), TRAIN.matrix.take(slice(5, 5))),
        (
            stored.without_images().take(slice(2, 9)),
            TRAIN.matrix.without_images().take(slice(2, 9)),
        ),
    ):
        for name, values in inputs(expected).items():
            np.testing.assert_array_equal(inputs(found)[name], values)
        assert inputs(found).keys() == inputs(expected).keys()


@pytest.mark.skipif(keras_backend() != "tensorflow", reason="TensorFlow's steps only")
@given(
    rows=st.integers(0, 5),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4])),
)
def test_packed_images_come_back_byte_by_byte(rows: int, shape: tuple[int, int, int]):
    import keras

    from plumbline.network.loop.tensorflow_packing import Packing

    given = keras.Input(shape, dtype="uint8", name="image_photo")
    packing = Packing(keras.Model(given, given))
    pixels = np.random.default_rng(rows).integers(0, 256, (rows, *shape)).astype(np.uint8)
    packed = packing.packed({"x": {"image_photo": pixels}, "y": np.zeros(rows)})
    assert packed["x"]["image_photo"].dtype == np.float32
    found = packing.unpacked(packed)
    np.testing.assert_array_equal(np.asarray(found["x"]["image_photo"]), pixels)
