import json
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines import training
from plumbline.baselines.score import better
from plumbline.errors import LeakageError, TrainingError
from plumbline.extract.features import feature_table
from plumbline.metrics.delong import delong_interval
from plumbline.metrics.measured import measured
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import BaselinesSpec
from plumbline.spec.metrics import OF_TASK
from plumbline.split.rows import TrainRows
from plumbline.versions import NormalizationVersion

KINDS = ("random_forest", "xgboost")
FILES = {
    "random_forest": "forest.parquet",
    "xgboost": "model.ubj",
    "dummy": "dummy.json",
    "linear": "linear.npz",
}
VOLATILE = {"seconds": 0, "latency": {}}


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


SOURCES = {
    "binary": {"label": "label", "drop": ["number", "other"]},
    "multiclass": {"label": "number", "task": "multiclass", "drop": ["label", "other"]},
    "multilabel": {
        "label": "both",
        "task": "multilabel",
        "labels": ["label", "other"],
        "drop": ["number"],
    },
    "regression": {"label": "number", "task": "regression", "drop": ["label", "other"]},
}


def rows_of(task: str, folder: Path, **source):
    """A split of 300 rows with a label of each task and a weight, and its normalization."""
    random = np.random.default_rng(0)
    x = random.normal(size=300)
    noisy = x + random.normal(size=300)
    table = pa.table({
        "id": range(300),
        "x": pa.array(x, mask=random.random(300) < 0.1),
        "colour": random.choice(["red", "green", None], 300),
        "label": noisy > 0,
        "other": noisy > 0.5,
        "number": np.clip(noisy.round(), -1, 1).astype(np.int64),
        "weight": random.integers(1, 5, 300),
    })  # fmt: skip
    spec = spec_of(**{"weight": "weight", **SOURCES[task], **source})
    split = split_of(snapshot_of(table, folder, label=spec.source.label), spec)
    features = feature_table(split.snapshot, spec)
    return split, fit(split.train(), features, spec.normalization, NormalizationVersion("n"))


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        *((kind, task) for kind in ("dummy", "linear", "xgboost") for task in SOURCES),
        ("random_forest", "multilabel"),
        ("random_forest", "regression"),
    ],
)
def test_every_task_from_rows_to_an_artifact(kind, task, tmp_path):
    split, normalization = rows_of(task, tmp_path / "rows")
    sides = (split.train(), split.validation())
    (tmp_path / "made").mkdir()
    training.build(kind, *sides, normalization, BaselinesSpec(), tmp_path / "made")
    made = training.load(tmp_path / "made", "m")
    scores, val = made.val_scores(), split.validation()
    assert scores.shape[1:] == {"multiclass": (3,), "multilabel": (2,)}.get(task, ())
    assert np.array_equal(made.predictor().predict(load_matrix(val, normalization)), scores)
    metric = OF_TASK[task][0]
    recorded = made.training["val"]
    assert recorded["metric"] == metric
    assert recorded["metrics"] == measured(task, val.labels(), scores, val.weights())
    if kind != "dummy":
        floor = {"binary": 0.5, "multiclass": 0.4, "multilabel": 0.5, "regression": 1.0}[task]
        assert better(metric, recorded["interval"]["value"], floor)


def test_weights_of_rows_reach_every_model(tmp_path):
    """XGBoost and the floor; a forest's are in its own tests."""
    said = {}
    for name, weight in (("weighed", "weight"), ("alike", None)):
        split, normalization = rows_of("binary", tmp_path / name, weight=weight, drop=[
            "number", "other", *([] if weight else ["weight"]),
        ])  # fmt: skip
        for kind in ("xgboost", "linear", "dummy", "random_forest"):
            folder = tmp_path / f"{name} {kind}"
            folder.mkdir()
            sides = (split.train(), split.validation())
            training.build(kind, *sides, normalization, BaselinesSpec(), folder)
            said.setdefault(kind, []).append(training.load(folder, "m").val_scores())
    assert not any(np.allclose(*both) for both in said.values())


def test_the_floor_is_two_models_of_one_artifact(prepared, tmp_path):
    split, normalization = prepared
    sides = (split.train(), split.validation())
    training.build_floor(*sides, normalization, BaselinesSpec(), tmp_path)
    dummy, linear = (training.load(tmp_path / kind, "v") for kind in training.FLOOR)
    assert (dummy.kind, linear.kind) == ("dummy", "linear")
    assert dummy.training["val"]["metrics"]["auc"] == 0.5
    assert linear.training["val"]["metrics"]["auc"] > 0.7
    assert linear.importances() == []
    assert {path.name for path in tmp_path.iterdir()} == {"dummy", "linear"}


def test_early_stopping_is_shown_beside_and_changes_no_byte_of_the_model(prepared, tmp_path):
    split, normalization = prepared
    sides, made = (split.train(), split.validation()), {}
    for beside in (False, True):
        folder = tmp_path / str(beside)
        folder.mkdir()
        options = BaselinesSpec(early_stopping=beside)
        training.build("xgboost", *sides, normalization, options, folder)
        made[beside] = training.load(folder, "v").training
    assert (tmp_path / "True" / "model.ubj").read_bytes() == (
        tmp_path / "False" / "model.ubj"
    ).read_bytes()
    found = made[True].pop("early_stopping")
    assert made[True] | VOLATILE == made[False] | VOLATILE
    assert found["trees"] < 100
    assert found["val"]["metrics"]["log_loss"] < made[True]["val"]["metrics"]["log_loss"]


def test_a_forest_that_is_to_take_little_memory_is_told_of(prepared, tmp_path):
    split, normalization = prepared
    sides = (split.train(), split.validation())
    options = BaselinesSpec(forest_gib=0.0005)
    training.build("random_forest", *sides, normalization, options, tmp_path)
    recorded = training.load(tmp_path, "v").training["hyperparameters"]
    assert recorded["max_samples"] < 150
    assert "would take about" in recorded["max_samples_because"]


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
    interval = {"value": area.value, "low": area.low, "high": area.high}
    assert record["val"]["interval"] == interval
    assert record["val"]["metric"] == "auc"
    assert record["bytes"] == (built.folder / FILES[built.kind]).stat().st_size
    assert record["latency"].keys() == {"one_row_us", "bulk_row_us", "bulk_rows"}
    assert area.value > 0.65


def test_val_scores_are_those_of_the_stored_model(built, prepared):
    split, normalization = prepared
    matrix = load_matrix(split.validation(), normalization)
    assert built.val_scores().dtype == np.float64
    assert np.array_equal(built.val_scores(), built.predictor().predict(matrix))


def test_importances_of_every_column_that_is_read(built):
    listed = {one["feature"]: one for one in built.importances()}
    # XGBoost reads x as missing, and no indicator of it.
    assert listed.keys() == {"x", "colour", *(["x is null"] * (built.kind == "random_forest"))}
    assert listed["x"]["permutation"] > 0.1
    assert (listed["x"]["shap"] is None) == (built.kind == "random_forest")
    assert sum(one["importance"] for one in built.importances()) == pytest.approx(1)


def test_nothing_is_pickled(built):
    files = {path.name for path in built.folder.iterdir()}
    assert files == {FILES[built.kind], "val_scores.npy", "importances.json", "training.json"}
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
    assert again | VOLATILE == built.training | VOLATILE


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


def test_rows_of_one_number_are_refused(tmp_path):
    split, normalization = rows_of("regression", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainRows, "labels", lambda self: np.full(self.count, 2.5))
        with pytest.raises(TrainingError, match="hold one value of a label"):
            training.build(
                "linear",
                *(split.train(), split.validation(), normalization, BaselinesSpec(), tmp_path),
            )


def test_only_validation_rows_are_scored(prepared, tmp_path):
    split, normalization = prepared
    rows = split.train()
    with pytest.raises(LeakageError, match="TrainRows were about to be scored as validation"):
        training.build("xgboost", rows, rows, normalization, BaselinesSpec(), tmp_path)


def test_only_training_rows_are_fitted(prepared, tmp_path):
    split, normalization = prepared
    options = BaselinesSpec()
    with pytest.raises(LeakageError, match="ValRows"):
        training.build(
            "xgboost", split.validation(), split.validation(), normalization, options, tmp_path
        )
