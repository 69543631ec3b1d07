"""What changed is told apart: the scaler, the model and its software, or the decision."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_bundles import FIT, TASKS, decision_of, sized_table
from tampered_bundles import copied, refusal, reseal, rewrite_json

from plumbline.baselines.examples import training_rows
from plumbline.normalization.apply import PARAMETERS, load_matrix
from plumbline.release import golden, manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.expectations import expect
from plumbline.release.golden import EXPECTED, GOLDEN, Golden
from plumbline.release.layout import files

pytest_plugins = ["release_fixtures"]

RAW = sized_table().combine_chunks().to_batches()[0]


@pytest.mark.parametrize("kind", list(FIT))
@pytest.mark.parametrize("task", list(TASKS))
def test_every_task_and_kind_is_released(released, task, kind):
    built = released[task, kind]
    loaded, coding = load_bundle(built.folder), built.prepared.split.coding
    decision = decision_of(coding)
    assert {path.relative_to(built.folder).as_posix() for path in built.folder.rglob("*.*")} == {
        "manifest.json",
        *files(kind),
    }
    val = built.prepared.split.validation()
    said = built.predictor.predict(load_matrix(val, built.prepared.normalization))
    here = built.prepared.split.assignment == val.side
    np.testing.assert_array_equal(loaded.score(RAW)[here], decision.calibrated(said))
    assert loaded.decision == decision
    found = loaded.manifest
    assert (found.task, found.kind, found.classes) == (task, kind, coding.classes)
    assert (found.threshold is not None) == (task == "binary")
    assert list(found.answers) == decision.schema.names
    assert found.label_types.keys() == set(coding.columns(TASKS[task].get("label", "label")))


def test_golden_files_are_read_as_they_were_written(tmp_path):
    """A model may read columns with the names of those that are written beside them."""
    rows = pa.RecordBatch.from_pydict({"released": [1, 2], "transformed": ["a", None]})
    kept = Golden(
        rows=rows,
        transformed=pa.RecordBatch.from_arrays([pa.array([0.5, 1], pa.float32())] * 2, ["a", "a"]),
        model=np.array([[0.25, 0.75], [0.5, 0.5]]),
        released=np.array([0.25, np.nan]),
        answers=pa.RecordBatch.from_pydict({"predicted": [["x"], []]}),
    )
    golden.write(tmp_path, kept)
    found = golden.load(tmp_path)
    assert found.rows.equals(rows)
    assert found.transformed.equals(kept.transformed)
    assert found.answers.equals(kept.answers)
    np.testing.assert_array_equal(found.model, kept.model)
    np.testing.assert_array_equal(golden.read(tmp_path)[1], kept.released)


def stated(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in record["numeric"] if one["name"] == name)


def another_scale(record: dict[str, Any]) -> None:
    stated(record, "age")["center"] *= 1.000001


def another_fill(record: dict[str, Any]) -> None:
    stated(record, "age")["fill"] += 1


def swapped_cities(record: dict[str, Any]) -> None:
    next(one for one in record["categories"] if one["name"] == "city")["values"].reverse()


@pytest.mark.parametrize(
    ("change", "feature"),
    [(another_scale, "age"), (another_fill, "age"), (swapped_cities, "city")],
)
def test_another_scaler_is_told_from_another_model(built, tmp_path, change, feature):
    folder = copied(built.folder, tmp_path)
    rewrite_json(folder / PARAMETERS, change)
    assert f"{PARAMETERS}: sha256 is" in str(refusal(folder))
    inputs = [
        replace(one, vocabulary=one.vocabulary[::-1])
        if (one.name, change) == ("city", swapped_cities) and one.vocabulary
        else one
        for one in manifest.read(folder).inputs
    ]
    reseal(folder, inputs=tuple(inputs))
    refused = refusal(folder)
    row, now, was = re.search(
        rf"transforms {feature!r} of golden row (\d+) to (\S+) instead of (\S+);", str(refused)
    ).groups()
    assert "1 of 9 features differ: the scaler changed, not the model" in str(refused)
    assert refused.values["feature"] == feature
    expected = golden.load(folder).transformed[feature][int(row) - 1].as_py()
    assert (repr(expected), repr(refused.values["value"])) == (was, now)
    assert expected != refused.values["value"]


def test_a_vocabulary_of_another_bundle_is_named(forest, tmp_path):
    folder = copied(forest.folder, tmp_path)
    rewrite_json(folder / PARAMETERS, swapped_cities)
    reseal(folder)
    assert "the vocabulary of 'city' in normalization.json in" in str(refusal(folder))


def test_a_feature_that_is_missing_is_named(built, tmp_path):
    folder = copied(built.folder, tmp_path)
    rewrite_json(folder / PARAMETERS, lambda record: record["numeric"].pop(1))
    reseal(folder)
    assert "golden.parquet and normalization.json in" in str(refusal(folder))
    pq.write_table(pq.read_table(folder / GOLDEN).drop_columns(["amount"]), folder / GOLDEN)
    reseal(folder, inputs=tuple(i for i in manifest.read(folder).inputs if i.name != "amount"))
    assert "differ from the model's 9: amount; expected the columns" in str(refusal(folder))


@pytest.mark.parametrize("kind", ["linear", "random_forest", "xgboost"])
@pytest.mark.parametrize("task", list(TASKS))
def test_another_model_is_told_from_another_scaler(released, tmp_path, task, kind):
    folder = copied(released[task, kind].folder, tmp_path)
    prepared = released[task, kind].prepared
    given = training_rows(prepared.split.train(), prepared.normalization)
    other = FIT[kind](replace(given, labels=given.labels[::-1]))
    other.predictor.save(folder / "model")
    reseal(folder)
    refused = str(refusal(folder))
    assert re.search(r"scores golden row \d+ as \S+( for '\w+')? instead of ", refused)
    assert "the model or its software changed, not the scaler" in refused
    assert (" for '" in refused) == (task in ("multiclass", "multilabel"))


@pytest.mark.parametrize(
    ("task", "change", "told"),
    [
        ("binary", {"calibration": None}, "calibrates golden row"),
        ("multiclass", {"calibration": None}, "calibrates golden row"),
        ("multilabel", {"thresholds": []}, "answers its golden rows otherwise in predicted:"),
        ("binary", {"conformal": {"coverage": 0.9, "margins": [0.4]}}, "in prediction_set:"),
        ("regression", {"conformal": {"coverage": 0.9, "margins": [1]}}, "in low, high:"),
        ("binary", {"threshold": 0.6}, "decision.json in"),
        ("multiclass", {"conformal": None}, "decision.json in"),
        ("multilabel", {"task": "multiclass", "calibration": None}, "decision.json cannot be read"),
        ("regression", {"conformal": {"coverage": 2, "margins": [1]}}, "decision.json cannot be"),
        ("regression", {"loader": "os:system"}, "decision.json cannot be read"),
    ],
)
def test_another_decision_is_told(released, tmp_path, task, change, told):
    folder = copied(released[task, "linear"].folder, tmp_path)
    rewrite_json(folder / "decision.json", lambda record: record.update(change))
    reseal(folder)
    refused = str(refusal(folder))
    assert told in refused
    assert ("the decision changed, not the model" in refused) == ("decision.json" not in told)


def shift(folder: Path, column: str, by: float) -> None:
    """Move one expected score, and seal the bundle again."""
    table = pq.read_table(folder / EXPECTED)
    values = table[column].to_numpy().copy()
    values[3] += by
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), folder / EXPECTED)
    reseal(folder)


@pytest.mark.parametrize("kind", ["forest", "boosted"])
def test_trees_must_reproduce_their_golden_rows_exactly(request, tmp_path, kind):
    folder = copied(request.getfixturevalue(kind).folder, tmp_path)
    shift(folder, "model", 1e-15)
    told = str(refusal(folder))
    assert "scores golden row 4 as" in told
    assert "1 of 64 rows differ" in told
    assert "differences of at most 0;" in told


@pytest.mark.network
def test_networks_must_reproduce_their_golden_rows_to_a_millionth(network, tmp_path):
    folder = copied(network.folder, tmp_path)
    known, decision = golden.load(folder), load_bundle(folder).decision
    for by, told in ((5e-7, None), (-5e-7, None), (1e-5, "differences of at most 1e-06")):
        made = decision.calibrated(known.model + by)
        answers = decision.outputs(made)
        golden.write(folder, replace(known, model=made, released=made, answers=answers))
        reseal(folder)
        if told is None:
            load_bundle(folder)
        else:
            assert told in str(refusal(folder))


def test_calibrated_scores_may_differ_by_their_last_bits(released, tmp_path):
    folder = copied(released["binary", "random_forest"].folder, tmp_path)
    shift(folder, "released", 1e-13)
    load_bundle(folder)
    shift(folder, "released", 1e-11)
    assert "calibrates golden row 4 as" in str(refusal(folder))


def test_a_regression_s_tolerance_goes_with_its_unit(released, tmp_path):
    folder = copied(released["regression", "linear"].folder, tmp_path)
    largest = np.abs(golden.load(folder).model).max()
    shift(folder, "model", 0.5e-12 * largest)
    load_bundle(folder)
    shift(folder, "model", 4e-12 * largest)
    assert f"differences of at most {1e-12 * largest:g}" in str(refusal(folder))


@pytest.mark.parametrize("expected", [float("nan"), float("inf")])
def test_a_golden_score_that_is_no_number_matches_nothing(expected):
    found = np.array([0.5, 0.5])
    assert golden.differing(np.array([expected, 0.5]), found, 1.0).tolist() == [0]
    assert golden.differing(np.array([0.5, 0.5]), np.array([0.5, np.nan]), 1.0).tolist() == [1]


def test_a_manifest_cannot_widen_the_tolerance(forest, tmp_path):
    folder = copied(forest.folder, tmp_path)
    shift(folder, "model", 1e-4)
    reseal(folder, golden=replace(manifest.read(folder).golden, tolerance=1.0))
    assert "differences of at most 0;" in str(refusal(folder))


@pytest.mark.parametrize("broken", ["absent", "shorter", "empty", "garbled"])
def test_golden_rows_without_what_to_expect_are_refused(forest, tmp_path, broken):
    folder = copied(forest.folder, tmp_path)
    table = pq.read_table(folder / EXPECTED)
    match broken:
        case "absent":
            pq.write_table(table.drop_columns(["model"]), folder / EXPECTED)
        case "shorter":
            pq.write_table(table.slice(1), folder / EXPECTED)
        case "empty":
            pq.write_table(pq.read_table(folder / GOLDEN).slice(0, 0), folder / GOLDEN)
        case "garbled":
            (folder / EXPECTED).write_bytes(b"PAR1" * 9)
    reseal(folder)
    assert "has no golden rows that can be read" in str(refusal(folder))


def test_other_software_that_changes_scores_is_named(forest, tmp_path):
    """A bundle made with other versions loads while it scores alike, and else says which."""
    folder = copied(forest.folder, tmp_path)
    other = {**manifest.read(folder).environment, "numpy": "1.0", "cuda": "12.5"}
    reseal(folder, environment=other)
    load_bundle(folder)
    shift(folder, "model", 1e-9)
    told = str(refusal(folder))
    assert "do not use this bundle, or score where it was built: numpy 1.0 (here 2." in told
    assert "cuda 12.5 (here absent)" in told


def test_what_is_expected_is_readable_by_other_software(released):
    built = released["multilabel", "xgboost"]
    table = pq.read_table(built.folder / EXPECTED)
    assert table.column_names == ["transformed", "model", "released", "answers"]
    found = expect(load_bundle(built.folder), golden.load(built.folder).rows)
    assert table["transformed"].combine_chunks().field("age").to_pylist() == (
        found.transformed["age"].to_pylist()
    )
    assert np.array_equal(np.stack(table["released"].to_pylist()), found.released)
    json.loads((built.folder / "decision.json").read_text("utf-8"))
