"""Bundles of networks that read images; bundles of trees, which need none."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import bars, file_of
from release_bundles import Built, Prepared, build, prepare

from plumbline.baselines import boosted_trees
from plumbline.environment import keras_backend
from plumbline.errors import BundleError
from plumbline.exports.export import Format, export
from plumbline.network import fitting
from plumbline.normalization import apply
from plumbline.normalization.apply import load_matrix
from plumbline.release import manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.golden import load
from plumbline.release.treatments import UNUSUAL, UNUSUAL_IMAGES
from plumbline.scoring.files import score_file
from plumbline.scoring.snapshots import PREDICTIONS, score_snapshot
from plumbline.spec import NetworkSpec

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ROWS = 300
SHAPE = {"height": 16, "width": 16, "nulls": "black"}


def rows() -> pa.Table:
    """An image in all rows but every twentieth; the label is what its bar does."""
    pictures, upright = bars(ROWS, 3)
    files = [None if place % 20 == 0 else file_of(one) for place, one in enumerate(pictures)]
    columns = {
        "id": np.arange(ROWS),
        "amount": np.arange(ROWS) % 17 / 2,
        "photo": pa.array(files, pa.binary()),
        "label": upright == 1,
    }
    return pa.table(columns)


@dataclass(frozen=True, kw_only=True)
class Made:
    prepared: Prepared
    network: Built
    trees: Built


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("images")
    source = {"drop": [], "kinds": {"photo": "image"}, "images": {"photo": SHAPE}}
    prepared = prepare(folder / "snapshot", rows(), **source)
    split, normalization = prepared.split, prepared.normalization
    options = NetworkSpec(architecture="dense", widths=[8], max_epochs=1, batch_size=32)
    sides = (split.train(), split.validation())
    network = fitting.fit(*sides, normalization, options, None).predictor
    trees = boosted_trees.fit(split.train(), normalization, 0).predictor
    return Made(
        prepared=prepared,
        network=build(prepared, "network", network, folder / "network"),
        trees=build(prepared, "xgboost", trees, folder / "trees"),
    )


def test_the_manifest_says_what_an_image_has_to_be(made: Made):
    described = manifest.read(made.network.folder)
    photo = next(one for one in described.inputs if one.name == "photo")
    assert (photo.kind, photo.postgres_type, photo.arrow_type) == ("image", "bytea", "binary")
    assert vars(photo.image) == {"channels": 3, "resize": False, **SHAPE}
    assert described.unusual_values == UNUSUAL | UNUSUAL_IMAGES
    assert "pillow" in described.environment
    card = (made.network.folder / "card.md").read_text("utf-8")
    assert "16 x 16 pixels of 3 channels, no other size; NULL is black" in card
    assert "To score raw rows, Parquet, with" in card


def test_trees_need_no_image(made: Made):
    described = manifest.read(made.trees.folder)
    assert [one.name for one in described.inputs] == ["amount"]
    assert described.unusual_values == UNUSUAL
    assert "pillow" not in described.environment
    written = json.loads((made.trees.folder / "manifest.json").read_text("utf-8"))
    assert [one["image"] for one in written["inputs"]] == [None]
    normalization = json.loads((made.trees.folder / apply.PARAMETERS).read_text("utf-8"))
    assert "images" not in normalization
    plain = rows().select(["amount"]).combine_chunks().to_batches()[0]
    assert len(load_bundle(made.trees.folder).score(plain)) == ROWS
    card = (made.trees.folder / "card.md").read_text("utf-8")
    assert "an image: networks read it, trees do not" in card


def test_golden_rows_hold_the_files(made: Made):
    golden = pq.read_table(made.network.folder / "golden.parquet")
    assert golden.schema.field("photo").type == pa.binary()
    assert 1 <= golden["photo"].null_count < len(golden)
    files = set(rows()["photo"].to_pylist())
    assert set(golden["photo"].to_pylist()) <= files
    pixels = load(made.network.folder).transformed["photo"].to_pylist()
    black = hashlib.sha256(bytes(16 * 16 * 3)).hexdigest()
    assert pixels.count(black) == golden["photo"].null_count
    assert len(set(pixels)) > 10


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_parquet_scores_as_the_predictor_does(
    made: Made, tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
):
    table = with_photos(rows(), rows()["photo"].cast(kind))
    pq.write_table(table, tmp_path / "rows.parquet")
    # In blocks that hold 70 images.
    monkeypatch.setattr(apply, "IMAGE_BYTES", 70 * 16 * 16 * 3)
    score_file(made.network.folder, tmp_path / "rows.parquet", tmp_path / "scored.parquet")
    found = pq.read_table(tmp_path / "scored.parquet")
    assert found["photo"].to_pylist() == rows()["photo"].to_pylist()
    split, normalization = made.prepared.split, made.prepared.normalization
    expected = made.network.predictor.predict(load_matrix(split.validation(), normalization))
    here = split.assignment == split.validation().side
    np.testing.assert_array_equal(found["score"].to_numpy()[here], expected)
    bundle = load_bundle(made.network.folder)
    assert score_snapshot(bundle, made.prepared.snapshot, tmp_path).scored == ROWS
    again = pq.read_table(tmp_path / PREDICTIONS)["score"].to_numpy()
    np.testing.assert_array_equal(again, found["score"].to_numpy())


def scored(bundle: Path, change: Callable[[pa.Table], pa.Table]) -> np.ndarray:
    batch = change(rows()).combine_chunks().to_batches()[0]
    return load_bundle(bundle).score(batch, where="new.parquet")


def with_photos(table: pa.Table, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index("photo"), "photo", values)


def replaced(value: Any, place: int = 250) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table["photo"].to_pylist()
        values[place] = value
        return with_photos(table, pa.array(values, pa.binary()))

    return change


def test_an_image_that_cannot_be_read_is_told_with_its_row(
    made: Made, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(apply, "IMAGE_BYTES", 70 * 16 * 16 * 3)
    small = file_of(np.zeros((8, 16, 3), np.uint8))
    for value, reason in ((b"?", "is no PNG"), (small, "has 16 x 8 pixels")):
        told = rf"new.parquet, row 251: 1 of 70 images in 'photo' .* the first {reason}"
        with pytest.raises(BundleError, match=told) as caught:
            scored(made.network.folder, replaced(value))
        assert caught.value.values["column"] == "photo"


def test_images_that_cannot_be_read_are_put_aside(made: Made, tmp_path: Path):
    small = file_of(np.zeros((8, 16, 3), np.uint8))
    table = replaced(small, 7)(replaced(b"?", 250)(rows()))
    pq.write_table(table, tmp_path / "rows.parquet")
    source, target = tmp_path / "rows.parquet", tmp_path / "scored.parquet"
    outcome = score_file(made.network.folder, source, target)
    assert (outcome.scored, outcome.rejected) == (ROWS - 2, 2)
    told = pq.read_table(tmp_path / "scored.rejects.parquet").to_pylist()
    assert [(one["row"], one["column"]) for one in told] == [(8, "photo"), (251, "photo")]
    assert told[0]["reason"] == "the image has 16 x 8 pixels"
    values = json.loads(told[0]["values"])
    assert base64.b64decode(values["photo"]) == small


def test_text_is_no_image_and_a_missing_column_is_told(made: Made):
    with pytest.raises(BundleError, match="no column 'photo'"):
        scored(made.network.folder, lambda table: table.drop_columns(["photo"]))
    texts = pa.array(["a path.png"] * ROWS)
    with pytest.raises(BundleError, match="column 'photo' is string; expected bytea"):
        scored(made.network.folder, lambda table: with_photos(table, texts))


def test_csv_holds_no_images(made: Made, tmp_path: Path):
    (tmp_path / "rows.csv").write_text("id,amount,photo\n1,2,abc\n", "utf-8")
    with pytest.raises(BundleError, match=r"CSV file, and 'photo' holds bytes.*Parquet"):
        score_file(made.network.folder, tmp_path / "rows.csv", tmp_path / "scored.parquet")
    pq.write_table(rows(), tmp_path / "rows.parquet")
    with pytest.raises(BundleError, match=r"scored\.csv is a CSV file, and 'photo' holds bytes"):
        score_file(made.network.folder, tmp_path / "rows.parquet", tmp_path / "scored.csv")
    plain = tmp_path / "plain.csv"
    plain.write_text("amount\n2.5\n", "utf-8")
    assert score_file(made.trees.folder, plain, tmp_path / "scored.csv").scored == 1


@pytest.mark.skipif(keras_backend() != "tensorflow", reason="exports are made by TensorFlow")
@pytest.mark.parametrize("to", ["saved_model", "onnx"])
def test_a_network_of_images_is_exported(made: Made, tmp_path: Path, to: Format):
    assert export(made.network.folder, to, tmp_path / "exported").apart <= 1e-6
