"""Rows that break the schema are put aside with their reason; all others are scored."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_bundles import ROWS, Built, raw_table

from plumbline.errors import BundleError, ScoringError
from plumbline.release.bundle import load_bundle
from plumbline.scoring import csv_rows
from plumbline.scoring.batch import Scoring
from plumbline.scoring.file_sources import ParquetFiles
from plumbline.scoring.file_target import FileTarget
from plumbline.scoring.files import score_file
from plumbline.scoring.rejects import texts
from plumbline.scoring.snapshots import score_snapshot, summary

pytest_plugins = ["release_fixtures"]

HEADER = "id,age,amount,weight,fee,member,month,city"
SOUND = "1,40,55.5,70.25,12.5,true,3,Bonn"
VERSIONS = {
    "model_version": "model_version-1",
    "dataset_version": "v1",
    "normalization_version": "normalization_version-1",
}


def rejects(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "scored.rejects.parquet").to_pylist()


def raw() -> pa.RecordBatch:
    return raw_table().combine_chunks().to_batches()[0]


@pytest.fixture(scope="module")
def expected(forest: Built) -> np.ndarray:
    return load_bundle(forest.folder).score(raw())


def test_a_csv_file_s_rows_are_told_as_they_were_written(forest, tmp_path):
    lines = [
        SOUND,
        "2,forty,55.5,,12 EUR,yes,3,Köln",
        "",
        "3,40,1e999,70.25,12.5,t,3,Bonn",
        '4,40,55.5,70.25,12.5,t,3,"two\nlines",more',
        ",40,55.5,70.25,12.5,t,3,Bonn",
        "6,40,1e300,70.25,12.5,t,3,Bonn",
        "7,40",
        SOUND.replace("1,", "8,", 1),
    ]
    (tmp_path / "rows.csv").write_text("\n".join((HEADER, *lines)) + "\n", "utf-8")
    source, target = tmp_path / "rows.csv", tmp_path / "scored.parquet"
    outcome = score_file(forest.folder, source, target, key=["id"])
    assert (outcome.read, outcome.scored, outcome.rejected) == (8, 2, 6)
    assert outcome.rejects == str(tmp_path / "scored.rejects.parquet")
    assert pq.read_table(target)["id"].to_pylist() == ["1", "8"]
    told = rejects(tmp_path)
    assert [(one["row"], one["column"], one["reason"]) for one in told] == [
        (2, "age", "'forty' is not int32"),
        (3, "amount", "an infinite number"),
        (4, None, "the line has 9 values, its header 8"),
        (5, "id", "the key is NULL"),
        (6, "amount", "a number too far from the training rows for float32"),
        (7, None, "the line has 2 values, its header 8"),
    ]
    assert json.loads(told[0]["values"])["fee"] == "12 EUR"
    assert json.loads(told[0]["values"])["weight"] is None
    assert json.loads(told[1]["values"])["amount"] == "1e999"
    assert json.loads(told[2]["values"])[-2:] == ["two\nlines", "more"]
    assert [one["key"] for one in told][:4] == ['{"id": "2"}', '{"id": "3"}', None, '{"id": null}']
    assert all(one.items() >= VERSIONS.items() for one in told)


def test_lines_that_all_have_another_number_of_values_are_no_rows(forest, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "MOST_BROKEN", 50)
    (tmp_path / "rows.csv").write_text("\n".join([HEADER, *[SOUND.replace(",", ";")] * 60]))
    with pytest.raises(ScoringError, match=r"rows.csv cannot be read: .*Expected 8 columns, got 1"):
        score_file(forest.folder, tmp_path / "rows.csv", tmp_path / "scored.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


SPOILT: dict[str, Any] = {"amount": float("-inf"), "weight": float("inf"), "fee": "x", "age": 2**40}


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    where=st.dictionaries(st.integers(0, ROWS - 1), st.sampled_from(list(SPOILT)), max_size=40),
    rows=st.integers(200, 700),
)
def test_exactly_the_spoilt_rows_are_rejected(forest, expected, tmp_path, where, rows):
    columns = raw().to_pydict()
    for row, name in where.items():
        columns[name][row] = SPOILT[name]
    schema = raw().schema.set(1, pa.field("age", pa.int64()))
    pq.write_table(pa.table(columns, schema=schema), tmp_path / "rows.parquet")
    target = tmp_path / "scored.parquet"
    outcome = score_file(forest.folder, tmp_path / "rows.parquet", target, rows=rows)
    assert (outcome.scored, outcome.rejected) == (ROWS - len(where), len(where))
    sound = np.setdiff1d(np.arange(ROWS), list(where))
    found = pq.read_table(target)
    assert found["id"].to_pylist() == sound.tolist()
    assert np.array_equal(found["score"].to_numpy(), expected[sound])
    if where:
        told = {one["row"] - 1: one["column"] for one in rejects(tmp_path)}
        assert told == where
        assert list(told) == sorted(told)


def test_no_row_at_all_may_be_sound(forest, tmp_path):
    table = raw_table().set_column(2, "amount", pa.array([np.inf] * ROWS))
    pq.write_table(table, tmp_path / "rows.parquet")
    target = tmp_path / "scored.parquet"
    outcome = score_file(forest.folder, tmp_path / "rows.parquet", target, rows=100)
    assert (outcome.scored, outcome.rejected) == (0, ROWS)
    assert pq.read_table(target).num_rows == 0
    assert [one["row"] for one in rejects(tmp_path)] == list(range(1, ROWS + 1))


def test_a_score_that_is_no_number_is_none(forest, tmp_path):
    bundle = load_bundle(forest.folder)
    true = bundle.predictor

    class Broken:
        def predict(self, matrix: Any) -> np.ndarray:
            scores = true.predict(matrix)
            return np.where(np.arange(len(scores)) % 50 == 7, np.nan, scores)

    pq.write_table(raw_table(), tmp_path / "rows.parquet")
    broken: Any = replace(bundle, predictor=Broken())
    source = ParquetFiles(where="rows", paths=(tmp_path / "rows.parquet",))
    target = FileTarget(path=tmp_path / "scored.parquet")
    outcome = Scoring(bundle=broken, source=source).into(target)
    assert outcome.rejected == ROWS // 50
    reasons = {(one["column"], one["reason"]) for one in rejects(tmp_path)}
    assert reasons == {(None, "the model has no finite score for this row")}


def test_a_snapshot_s_row_that_cannot_be_scored_is_told(forest, prepared, tmp_path):
    snapshot = prepared.snapshot
    columns = raw().to_pydict()
    columns["amount"][41] = float("inf")
    changed = tmp_path / "changed"
    changed.mkdir()
    pq.write_table(pa.table(columns, schema=raw().schema), changed / "data.parquet")
    folder = tmp_path / ".fingerprint.1.x"
    folder.mkdir()
    moved = replace(snapshot, folder=changed)
    assert score_snapshot(load_bundle(forest.folder), moved, folder).rejected == 1
    found = summary(folder)
    assert (found.scored, found.rejected) == (ROWS - 1, 1)
    assert found.first == "row 42, column 'amount': an infinite number"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no files"),
        ({"a.parquet": 3, "b.csv": 3}, "holds b.csv"),
        ({"a.parquet": 3, "b.parquet": 4}, "b.parquet has the columns"),
    ],
)
def test_a_folder_that_is_not_one_table_is_refused(forest, tmp_path, files, told):
    folder = tmp_path / "rows"
    folder.mkdir()
    for name, columns in files.items():
        kept = raw_table().select(list(range(columns)))
        pq.write_table(kept, folder / name)
    with pytest.raises(ScoringError, match=told):
        score_file(forest.folder, folder, tmp_path / "scored.parquet")
    for inside in (folder, folder / "scored.parquet"):
        with pytest.raises(BundleError, match=r"would overwrite|has the suffix"):
            score_file(forest.folder, folder, inside)


def test_every_value_has_a_text():
    batch = pa.record_batch(
        {
            "file": pa.array([b"\x00\xff"]),
            "list": pa.array([[1.5, None]]),
            "flag": pa.array([False]),
            "real": pa.array([0.1], pa.float32()),
            "odd": pa.array([b"a\xff"]).view(pa.string()),
            "moment": pa.array([0], pa.timestamp("us", tz="UTC")),
            "none": pa.nulls(1),
        }
    )
    assert texts(batch, 0) == {
        "file": base64.b64encode(b"\x00\xff").decode(),
        "list": "[1.5, null]",
        "flag": "false",
        "real": "0.1",
        "odd": "a\\xff",
        "moment": "1970-01-01T00:00:00+00:00",
        "none": None,
    }
