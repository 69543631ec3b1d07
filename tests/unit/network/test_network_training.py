"""From rows of a split to an artifact, and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from network_examples import normalized_split

from plumbline.environment import keras_backend
from plumbline.errors import LeakageError, TrainingError
from plumbline.metrics.delong import delong_interval
from plumbline.network import fitting, smoke, training
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.split import Split
from plumbline.store import workplace

pytestmark = [
    pytest.mark.network,
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

OPTIONS = NetworkSpec(
    architecture="dense", widths=[8], dropout=[0.0], learning_rate=0.01, max_epochs=2
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Normalization]:
    return normalized_split(tmp_path_factory.mktemp("snapshot"), 600)


@pytest.fixture(scope="module")
def artifact(
    prepared: tuple[Split, Normalization], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    split, normalization = prepared
    folder = tmp_path_factory.mktemp("store") / "draft"
    folder.mkdir()
    training.build(split.train(), split.validation(), normalization, OPTIONS, folder)
    return folder


def test_the_artifact_is_whole_and_nothing_lies_beside_it(artifact: Path):
    files = {
        "model.keras",
        "columns.json",
        "history.json",
        "val_scores.npy",
        "training.json",
        "diagnosis.json",
    }
    assert {path.name for path in artifact.iterdir()} == files
    # What a killed training would be taken up from goes when the artifact is published.
    assert set(artifact.parent.iterdir()) <= {artifact, workplace(artifact)}


def test_the_record_of_the_training(artifact: Path, prepared: tuple[Split, Normalization]):
    split, _ = prepared
    trained = training.load(artifact, "model-1")
    record = trained.training
    assert (record["kind"], record["backend"]) == ("network", keras_backend())
    assert record["rows"] == split.train().count
    assert record["epochs"] == len(trained.history["loss"]) == 2
    assert 1 <= record["best_epoch"] <= 2
    assert record["smoke_test"]["loss"] == pytest.approx(np.log(2), abs=smoke.TOLERANCE)
    named = record["hyperparameters"]
    assert (named["learning_rate"], named["widths"]) == (OPTIONS.learning_rate, [8])
    assert (named["task"], named["loss"], named["activation"], named["from_logits"]) == (
        *("binary", "binary_crossentropy", "sigmoid"),
        True,
    )
    assert record["weights"] == {"column": None, "classes": None}
    assert trained.metric == "auc"
    # 3 numbers and indicators, 5 x 4 embedded; 7 x 8; 4 x 8 of normalization; 8 + 1.
    assert record["parameters"] == 5 * 4 + (2 + 1 + 4) * 8 + 4 * 8 + 9
    assert record["seconds"] > 0


def test_the_interval_is_that_of_the_scores(
    artifact: Path, prepared: tuple[Split, Normalization], tmp_path: Path
):
    split, _ = prepared
    trained = training.load(artifact, "model-1")
    labels = split.validation().labels()
    interval = delong_interval(labels, trained.val_scores(), 0.95)
    assert trained.training["confidence"] == 0.95
    assert trained.training["val"]["auc"] == {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
    }
    assert trained.training["val"]["metrics"]["auc"] == interval.value
    (told,) = trained.training["val"]["classes"]
    assert (told["class"], told["rows"]) == ("1", labels.sum())


def test_the_recorded_metrics_are_those_of_the_best_epoch(artifact: Path):
    trained = training.load(artifact, "model-1")
    best = trained.training["best_epoch"] - 1
    told = trained.training["val"]["metrics"]
    assert told == {
        name.removeprefix("val_"): values[best]
        for name, values in trained.history.items()
        if name.startswith("val_")
    }
    assert set(told) == {"loss", *trained.training["hyperparameters"]["metrics"]}


def test_the_loaded_network_gives_the_stored_scores(
    artifact: Path, prepared: tuple[Split, Normalization]
):
    split, normalization = prepared
    trained = training.load(artifact, "model-1")
    assert trained.model_version == "model-1"
    assert trained.training["weights_sha256"] == trained.predictor().weights_sha256()
    matrix = load_matrix(split.validation(), normalization)
    np.testing.assert_array_equal(trained.predictor().predict(matrix), trained.val_scores())


def test_the_files_are_json_without_nan(artifact: Path):
    for name in ("history.json", "training.json", "columns.json"):
        json.loads((artifact / name).read_text("utf-8"), parse_constant=pytest.fail)


def test_only_training_rows_are_fitted_and_only_validation_rows_watched(
    prepared: tuple[Split, Normalization], tmp_path: Path
):
    split, normalization = prepared
    train, val = split.train(), split.validation()
    for sides in ((val, val), (train, train), (val, train)):
        with pytest.raises(LeakageError, match=r"expected (TrainRows|ValRows)"):
            fitting.fit(*sides, normalization, OPTIONS, tmp_path / "work")


def test_a_failed_smoke_test_leaves_nothing(
    prepared: tuple[Split, Normalization], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    split, normalization = prepared
    monkeypatch.setattr(smoke, "TOLERANCE", -1.0)
    with pytest.raises(TrainingError, match="untrained network's loss"):
        training.build(split.train(), split.validation(), normalization, OPTIONS, tmp_path)
    assert not list(tmp_path.iterdir())
