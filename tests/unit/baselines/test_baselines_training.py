import json
import logging

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines import training
from plumbline.baselines.auc import delong_interval
from plumbline.errors import LeakageError, TrainingError
from plumbline.extract.features import feature_table
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import BaselinesSpec
from plumbline.split.rows import TrainRows
from plumbline.versions import NormalizationVersion

KINDS = ("random_forest", "xgboost")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A split of 400 rows and its normalization."""
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    table = pa.table(
        {
            "id": range(400),
            "x": pa.array(x, mask=random.random(400) < 0.1),
            "colour": random.choice(["red", "green", "blue"], 400),
            "label": x + random.normal(size=400) > 0,
        }
    )
    spec = spec_of(split={"policy": "stratified", "val": 0.25, "test": 0.25})
    snapshot = snapshot_of(table, tmp_path_factory.mktemp("snapshot"))
    split = split_of(snapshot, spec)
    features = feature_table(snapshot, spec)
    options = spec.normalization
    return split, fit(split.train(), features, options, NormalizationVersion("n"))


@pytest.fixture(scope="module", params=KINDS)
def built(request, prepared, tmp_path_factory):
    split, normalization = prepared
    folder = tmp_path_factory.mktemp(request.param)
    options = BaselinesSpec(confidence=0.9)
    sides = (split.train(), split.validation())
    training.build(request.param, *sides, normalization, options, folder)
    return training.load(folder, "version-1")


def test_what_is_recorded(built, prepared):
    split, _ = prepared
    record = json.loads((built.folder / "training.json").read_text("utf-8"))
    assert record == built.training
    assert built.kind == record["kind"] in KINDS
    assert built.model_version == "version-1"
    assert record["rows"] == split.counts["train"]
    assert record["seconds"] > 0
    assert record["confidence"] == 0.9
    area = delong_interval(split.validation().labels(), built.val_scores(), 0.9)
    assert record["val"]["auc"] == {"value": area.value, "low": area.low, "high": area.high}
    assert area.value > 0.65


def test_val_scores_are_those_of_the_stored_model(built, prepared):
    split, normalization = prepared
    matrix = load_matrix(split.validation(), normalization)
    assert built.val_scores().dtype == np.float64
    assert np.array_equal(built.val_scores(), built.predictor().predict(matrix))


def test_importances_of_every_column(built, prepared):
    _, normalization = prepared
    names = {one["feature"] for one in built.importances()}
    assert names == {*normalization.numeric_names, *normalization.category_names}
    assert sum(one["importance"] for one in built.importances()) == pytest.approx(1)


def test_nothing_is_pickled(built):
    files = {path.name for path in built.folder.iterdir()}
    model = {"random_forest": "forest.parquet", "xgboost": "model.ubj"}[built.kind]
    assert files == {model, "val_scores.npy", "importances.json", "training.json"}
    assert not any(b"sklearn" in (built.folder / name).read_bytes() for name in files)


def test_a_second_build_writes_the_same_bytes_but_its_time(built, prepared, tmp_path):
    split, normalization = prepared
    sides = (split.train(), split.validation())
    options = BaselinesSpec(confidence=0.9)
    training.build(built.kind, *sides, normalization, options, tmp_path)
    for path in built.folder.iterdir():
        if path.name != "training.json":
            assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name
    again = training.load(tmp_path, "version-1").training
    assert {**again, "seconds": 0} == {**built.training, "seconds": 0}


def test_another_seed_gives_another_forest(prepared, tmp_path):
    split, normalization = prepared
    scores = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        options = BaselinesSpec(seed=seed)
        sides = (split.train(), split.validation())
        training.build("random_forest", *sides, normalization, options, folder)
        scores.append(training.load(folder, "v").val_scores())
    assert not np.array_equal(*scores)


def test_progress_is_told(prepared, tmp_path, caplog):
    split, normalization = prepared
    caplog.set_level(logging.INFO, "plumbline")
    sides = (split.train(), split.validation())
    training.build("random_forest", *sides, normalization, BaselinesSpec(), tmp_path)
    told = [record.getMessage() for record in caplog.records if "trees" in record.getMessage()]
    assert told[-1].startswith(
        f"random_forest: 100 of 100 trees on {split.counts['train']} rows in"
    )


def test_rows_of_one_label_are_refused(tmp_path, prepared, monkeypatch):
    split, normalization = prepared
    monkeypatch.setattr(TrainRows, "labels", lambda self: np.ones(self.count, dtype=np.int8))
    with pytest.raises(TrainingError, match=r"(\d+) of \1 training rows are positive"):
        training.build(
            "xgboost", split.train(), split.validation(), normalization, BaselinesSpec(), tmp_path
        )


def test_only_training_rows_are_fitted(prepared, tmp_path):
    split, normalization = prepared
    options = BaselinesSpec()
    with pytest.raises(LeakageError, match="ValRows"):
        training.build(
            "xgboost", split.validation(), split.validation(), normalization, options, tmp_path
        )
