"""The rows that models are trained on, as SQL finds them in PostgreSQL."""

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from snapshots import register, snapshot_of, spec_of, split_of

from plumbline.errors import SpecError
from plumbline.extract.features import feature_table
from plumbline.normalization import parameters
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.postgres import Postgres
from plumbline.training_features import sink
from plumbline.versions import NormalizationVersion

TABLE = "features.as_trained"
ROWS = 500
WORDS = ["NA", "None", "nan", "", 'a"b\\c', "{x,y}", "Köln\n", "NULL"]

DOCUMENT = (Path(__file__).parents[2] / "docs" / "training-features.md").read_text("utf-8")


def made_table(rows=ROWS, label=None):
    draw = np.random.default_rng(3)
    amount = draw.normal(20_000, 9_000, rows)
    return pa.table(
        {
            "at": pa.array([dt.datetime(2024, 1, 1) + dt.timedelta(hours=h) for h in range(rows)]),
            "id": pa.array(np.arange(rows) % 7, pa.int16()),
            "amount": pa.array(amount, pa.float64(), mask=draw.random(rows) < 0.1),
            "ratio": pa.array(np.where(draw.random(rows) < 0.05, np.nan, draw.random(rows))),
            "age": pa.array(draw.integers(18, 90, rows), pa.int32(), mask=amount > 30_000),
            "fee": pa.array([f"{v / 8:g}" for v in draw.integers(0, 400, rows)], pa.string()),
            "member": pa.array(draw.random(rows) < 0.3, pa.bool_()),
            "city": pa.array(draw.choice(WORDS, rows), pa.string(), mask=draw.random(rows) < 0.1),
            "month": pa.array(draw.integers(1, 13, rows), pa.int16()),
            "label": pa.array(draw.random(rows) < 0.5 if label is None else label),
        }
    )


class Prepared:
    def __init__(self, folder, table=None, version="n1", **options):
        self.spec = spec_of(key=["at", "id"], **{"kinds": {"month": "category"}, **options})
        self.snapshot = snapshot_of(
            table or made_table(), folder, key=["at", "id"], postgres_types={"fee": "numeric"}
        )
        self.split = split_of(self.snapshot, self.spec)
        self.normalization = fit(
            self.split.train(),
            feature_table(self.snapshot, self.spec),
            self.spec.normalization,
            NormalizationVersion(version),
        )

    def write(self, postgres, table=TABLE):
        return sink.write(self.split, self.normalization, table, postgres)


@pytest.fixture
def prepared(tmp_path):
    return Prepared(tmp_path / "snapshot")


def rows_of(postgres: Postgres, what="*", table=TABLE):
    with postgres.connect() as connection:
        statement = f"SELECT {what} FROM {table} ORDER BY split, row"
        cursor = connection.execute(statement.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.mark.parametrize("block", [sink.BLOCK_ROWS, 60])
def test_scaled_vectors_are_what_the_models_read(prepared, postgres, monkeypatch, block):
    monkeypatch.setattr(sink, "BLOCK_ROWS", block)
    written = prepared.write(postgres)
    sides = {"train": prepared.split.train(), "val": prepared.split.validation()}
    assert written.rows == {name: rows.count for name, rows in sides.items()}
    assert not written.reused
    rows = rows_of(postgres)
    for name, side in sides.items():
        mine = [row for row in rows if row["split"] == name]
        read = load_matrix(side, prepared.normalization)
        np.testing.assert_array_equal(
            np.array([row["scaled_vector"] for row in mine], np.float32), read.dense()
        )
        assert [row["row"] for row in mine] == np.flatnonzero(
            prepared.split.assignment == side.side
        ).tolist()
        assert [row["label_index"] for row in mine] == side.labels().tolist()
        assert {row["label_value"] for row in mine} == {None}


def test_no_test_row_is_written(prepared, postgres):
    prepared.write(postgres)
    found = {row["row"] for row in rows_of(postgres)}
    assert not found & set(np.flatnonzero(prepared.split.assignment >= 2).tolist())
    assert {row["split"] for row in rows_of(postgres)} == {"train", "val"}


def test_raw_values_and_keys_are_those_of_the_snapshot(prepared, postgres):
    prepared.write(postgres)
    frozen = pa.Table.from_batches(prepared.snapshot.batches()).to_pylist()
    numbers = prepared.normalization.number_columns
    categories = prepared.normalization.category_names
    for row in rows_of(postgres):
        here = frozen[row["row"]]
        expected = [None if here[name] is None else float(here[name]) for name in numbers]
        np.testing.assert_equal(row["raw_vector"], expected)
        texts = [None if here[name] is None else str(here[name]) for name in categories]
        assert row["raw_categories"] == texts
        assert row["row_key"] == {"at": here["at"].isoformat(), "id": here["id"]}
        assert (row["pipeline"], row["dataset_version"]) == ("tested", "v1")
        assert row["normalization_version"] == "n1"
    seen = {row["raw_categories"][categories.index("city")] for row in rows_of(postgres)}
    assert seen == {*WORDS, None}


def test_sql_recomputes_the_scaled_vectors_as_documented(tmp_path, postgres, registry):
    prepared = Prepared(tmp_path / "snapshot")
    register(registry, prepared.split, prepared.spec)
    version = prepared.snapshot.dataset_version, prepared.split.version
    record = parameters.row(prepared.normalization, "tested", *version)
    registry.record("normalization_params", **record)
    prepared.write(postgres)
    (sql,) = re.findall(r"<!-- again -->\n```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    sql = sql.replace("fraud.training_features", TABLE).replace("fraud_v3", "v1")
    found = rows_of(postgres, table=f"(SELECT 1 AS split, r.* FROM ({sql}) AS r) AS r")
    features = prepared.normalization.numeric
    assert len(found) == len(rows_of(postgres)) * len(features)
    assert {row["name"] for row in found} == {feature.name for feature in features}
    again, scaled = (np.array([row[name] for row in found], float) for name in ("again", "scaled"))
    assert (np.abs(again - scaled) / np.maximum(1, np.abs(again))).max() < 1e-6


def test_the_document_lists_the_columns():
    rows = re.findall(r"(?m)^\| (`.*?) \| `(.*?)` \|", DOCUMENT)
    listed = [(name, kind) for names, kind in rows for name in re.findall(r"`(\w+)`", names)]
    kinds = {"double precision": "float8", "real": "float4"}
    assert listed == [
        (name, re.sub("|".join(kinds), lambda m: kinds[m[0]], kind.partition(" NOT NULL")[0]))
        for name, (kind, _) in sink.LAYOUT.items()
    ]


def test_a_rerun_writes_nothing_and_what_is_missing_is_written_anew(prepared, postgres):
    prepared.write(postgres)
    before = rows_of(postgres, "ctid::text, split, row")
    assert prepared.write(postgres).reused
    assert rows_of(postgres, "ctid::text, split, row") == before
    whole = rows_of(postgres, "row, split, scaled_vector")
    with postgres.connect() as connection:
        connection.execute(f"DELETE FROM {TABLE} WHERE row < 100".encode())
    assert not prepared.write(postgres).reused
    assert rows_of(postgres, "row, split, scaled_vector") == whole


def test_versions_and_pipelines_share_a_table(prepared, tmp_path, postgres):
    prepared.write(postgres)
    other = Prepared(tmp_path / "other", version="n2", normalization={"method": "min_max"})
    written = other.write(postgres)
    counts = rows_of(
        postgres, "*", f"(SELECT 1 AS split, normalization_version AS row, count(*) FROM {TABLE} "
        "GROUP BY 2) AS c",
    )  # fmt: skip
    total = sum(written.rows.values())
    assert [(one["row"], one["count"]) for one in counts] == [("n1", total), ("n2", total)]


def test_classes_have_codes_and_a_regression_has_its_label(tmp_path, postgres):
    label = pa.array(np.arange(ROWS) / 7.0)
    regression = Prepared(tmp_path / "r", made_table(label=label), "n1", task="regression")
    regression.write(postgres)
    for row in rows_of(postgres):
        assert (row["label_index"], row["label_value"]) == (None, row["row"] / 7.0)
    label = pa.array(np.array(["cat", "dog", "ant"])[np.arange(ROWS) % 3])
    classes = Prepared(tmp_path / "m", made_table(label=label), "n2", task="multiclass")
    classes.write(postgres, "features.of_classes")
    for row in rows_of(postgres, table="features.of_classes"):
        assert (row["label_index"], row["label_value"]) == ([1, 2, 0][row["row"] % 3], None)


def test_only_numbers_or_only_categories(tmp_path, postgres):
    split = {"policy": "hash", "duplicates": "keep"}
    for version, kept in (("n1", "amount"), ("n2", "city")):
        table = made_table().select(["at", "id", "label", kept])
        Prepared(tmp_path / version, table, version, kinds={}, split=split).write(postgres)
    found = {row["normalization_version"]: row for row in rows_of(postgres)}
    assert found["n1"]["raw_categories"] == found["n2"]["raw_vector"] == []


def test_the_table_says_what_it_holds(prepared, postgres):
    prepared.write(postgres)
    with postgres.connect() as connection:
        told = connection.execute(
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0",
            [TABLE],
        ).fetchall()
    assert dict(told) == {name: comment for name, (_, comment) in sink.LAYOUT.items()}


def test_a_table_of_other_columns_is_refused_and_left_alone(prepared, postgres):
    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA features; CREATE TABLE features.as_trained (id int)")
    with pytest.raises(SpecError, match=r"has the columns id integer; expected .* row_key jsonb"):
        prepared.write(postgres)
    assert (
        rows_of(postgres, "*", "(SELECT 1 AS split, 1 AS row, * FROM features.as_trained) t") == []
    )


def test_a_login_without_the_right_is_told(prepared, postgres):
    reader = f"reader_{os.getpid()}"
    with postgres.connect() as connection:
        connection.execute(f"CREATE ROLE {reader}".encode())
    try:
        as_reader = f"{postgres.url}{'&' if '?' in postgres.url else '?'}options=-crole%3D{reader}"
        with pytest.raises(SpecError, match=f"may not write {TABLE}: permission denied"):
            prepared.write(Postgres(as_reader))
    finally:
        with postgres.connect() as connection:
            connection.execute(f"DROP ROLE {reader}".encode())


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1])))
from test_training_features import Prepared
from plumbline.training_features import copy_lines
from plumbline.postgres import Postgres
lines = copy_lines.lines
def stuck(columns):
    if stuck.seen:
        print("half", flush=True)
        time.sleep(600)
    stuck.seen = True
    return lines(columns)
stuck.seen = False
copy_lines.lines = stuck
Prepared(Path(sys.argv[2])).write(Postgres(sys.argv[3]))
"""


def test_a_killed_run_leaves_nothing(prepared, tmp_path, postgres):
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(here), str(tmp_path / "killed"), postgres.url],
        env={**os.environ, "PYTHONPATH": str(here.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "half\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with postgres.connect(autocommit=True) as connection:
        gone = "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7077304"
        for _ in range(100):
            if connection.execute(gone).fetchone() == (True,):
                break
            time.sleep(0.05)
        assert connection.execute("SELECT to_regclass(%s)", [TABLE]).fetchone() == (None,)
    assert not prepared.write(postgres).reused
