"""Nothing that was answered is left out of the inference log in silence."""

import hashlib
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import errors
from release_bundles import raw_table

from plumbline.decision.decision import Decision
from plumbline.errors import ScoringError, ServingError
from plumbline.postgres import Postgres
from plumbline.serving import inference_log
from plumbline.serving.digests import row_digests
from plumbline.serving.inference_log import Answer, InferenceLog, layout
from plumbline.serving.log_sinks import ParquetParts, PostgresTable
from plumbline.serving.problems import Refused

VERSIONS = {
    "model_version": "m1",
    "dataset_version": "d1",
    "normalization_version": "n1",
    "bundle_version": "b1",
}
AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
BINARY = Decision(task="binary", threshold=0.5)
LAYOUT = layout(BINARY.schema)
RAW = raw_table().combine_chunks().to_batches()[0].drop_columns(["id", "note", "label"])


class Kept:
    """A sink in memory, which fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.tables: list[pa.Table] = []
        self.failures = failures
        self.tried = Event()

    def write(self, rows: pa.Table) -> None:
        self.tried.set()
        if self.failures:
            self.failures -= 1
            raise OSError("no space left")
        self.tables.append(rows)

    def close(self) -> None: ...

    @property
    def rows(self) -> list[dict]:
        return [row for table in self.tables for row in table.to_pylist()]


def opened(sink, rows: int = 100, seconds: float = 0.0) -> InferenceLog:
    return InferenceLog(sink, BINARY.schema, VERSIONS, rows=rows, seconds=seconds)


def answer(request_id: str, rows: int) -> Answer:
    outputs = BINARY.outputs(np.full(rows, 0.25))
    return Answer(request_id=request_id, rows=RAW.slice(0, rows), outputs=outputs, at=AT)


def add(log: InferenceLog, request_id: str, rows: int) -> None:
    log.reserve(rows)
    log.add(answer(request_id, rows))


def test_every_row_has_its_place():
    sink = Kept()
    log = opened(sink)
    add(log, "first", 2)
    add(log, "none", 0)
    add(log, "second", 1)
    assert log.close() == 0
    assert all(table.schema == LAYOUT for table in sink.tables)
    assert [(one["request_id"], one["row"]) for one in sink.rows] == [
        ("first", 1),
        ("first", 2),
        ("second", 1),
    ]
    assert sink.rows[0] == {
        "at": AT,
        "request_id": "first",
        "row": 1,
        "model_version": "m1",
        "dataset_version": "d1",
        "normalization_version": "n1",
        "inputs_sha256": row_digests(RAW.slice(0, 1))[0],
        "score": 0.25,
        "predicted": 0,
    }


def test_where_there_is_no_room_a_request_is_refused():
    log = opened(Kept(), rows=5, seconds=3600)
    log.reserve(3)
    with pytest.raises(Refused, match="3 rows wait") as caught:
        log.reserve(3)
    assert caught.value.status == 503
    assert caught.value.headers == {"retry-after": "1"}
    log.reserve(2)
    log.release(3)
    log.reserve(3)
    log.close()


def test_half_of_the_room_is_written_before_its_time():
    sink = Kept()
    log = opened(sink, rows=10, seconds=3600)
    add(log, "a", 3)
    assert not sink.tried.wait(0.2)
    add(log, "b", 3)
    assert sink.tried.wait(30)
    log.close()
    assert len(sink.rows) == 6


def test_a_write_that_fails_is_tried_again(monkeypatch, caplog):
    monkeypatch.setattr(inference_log, "_FIRST_PAUSE", 0.01)
    sink = Kept(failures=3)
    log = opened(sink)
    add(log, "kept", 2)
    assert sink.tried.wait(30)
    add(log, "later", 1)
    assert log.close() == 0
    assert [one["request_id"] for one in sink.rows] == ["kept", "kept", "later"]
    assert not log.failing
    assert log.waiting == 0
    assert "no space left" in caplog.text


def test_what_cannot_be_written_at_the_end_is_counted(monkeypatch, caplog):
    monkeypatch.setattr(inference_log, "CLOSE_SECONDS", 0.1)
    sink = Kept(failures=10**9)
    log = opened(sink, rows=4)
    add(log, "lost", 4)
    assert sink.tried.wait(30)
    with pytest.raises(Refused):
        log.reserve(1)
    assert log.close() == 4
    assert log.failing
    assert caplog.records[0].levelno == logging.ERROR


def test_files_appear_whole(tmp_path):
    folder = tmp_path / "new" / "log"
    log = opened(ParquetParts(folder, LAYOUT))
    add(log, "one", 3)
    log.close()
    (part,) = folder.iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.parquet", part.name)
    assert pq.read_table(part).schema == LAYOUT
    assert pq.read_table(part)["row"].to_pylist() == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServingError, match="cannot be written into"):
        ParquetParts(tmp_path / "file", LAYOUT)


def test_a_table_is_made_and_filled(postgres: Postgres):
    for request_id in ("one", "two"):
        log = opened(PostgresTable(postgres, 'public.o"dd; name', LAYOUT))
        add(log, request_id, 2)
        assert log.close() == 0
    with postgres.connect() as connection:
        cursor = connection.execute('SELECT * FROM public."o""dd; name" ORDER BY request_id, row')
        found = cursor.fetchall()
        assert [one.name for one in cursor.description or ()] == LAYOUT.names
    assert [row[1:3] for row in found] == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]
    assert found[0][0] == AT
    assert found[0][6:] == (row_digests(RAW.slice(0, 1))[0], 0.25, 0)


@pytest.mark.parametrize("table", ["nowhere.log", "log", "a.b.c", ".x", "public.other"])
def test_a_table_that_cannot_be_the_log_is_refused_at_once(postgres: Postgres, table):
    with postgres.connect() as connection:
        connection.execute("CREATE TABLE public.other (at timestamptz)")
    with pytest.raises((ScoringError, ServingError), match=r"to fix: "):
        PostgresTable(postgres, table, LAYOUT)


def test_a_lost_connection_is_made_again(postgres: Postgres):
    sink, rows = PostgresTable(postgres, "public.log", LAYOUT), LAYOUT.empty_table()
    sink.write(rows)
    with postgres.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises((errors.AdminShutdown, errors.OperationalError)):
        sink.write(rows)
    sink.write(rows)
    sink.close()


def test_a_digest_is_of_the_values_and_nothing_else():
    schema = pa.schema([("n", pa.int32()), ("x", pa.float64()), ("t", pa.string())])
    batch = pa.RecordBatch.from_pylist(
        [{"n": 7, "x": 0.1, "t": "Köln"}, {"n": None, "x": None, "t": ""}], schema
    )
    texts = ["1:7,3:0.1,5:Köln,", "-,-,0:,"]
    assert row_digests(batch) == [hashlib.sha256(one.encode()).hexdigest() for one in texts]
    assert row_digests(batch.slice(1)) == row_digests(batch)[1:]
    assert row_digests(batch.slice(0, 0)) == []


def test_different_rows_have_different_digests():
    assert len(set(row_digests(RAW))) == len(RAW)
    shifted = pa.RecordBatch.from_pylist([{"a": "1:", "b": ""}, {"a": "1", "b": ":"}])
    assert len(set(row_digests(shifted))) == 2


def test_every_type_has_a_digest():
    from serving_bundles import EVERY

    values = [pa.nulls(1, kind) for _, kind in EVERY.values()]
    batch = pa.RecordBatch.from_arrays(values, names=list(EVERY))
    expected = hashlib.sha256(b"-," * len(EVERY)).hexdigest()
    assert row_digests(batch) == [expected]
    moment = pa.array([AT], pa.timestamp("us", tz="UTC"))
    files = pa.record_batch({"f": pa.array([b"abc"]), "m": moment})
    digest = hashlib.sha256(b"abc").hexdigest()
    text = f"64:{digest},27:2026-01-02 03:04:05.000006Z,"
    assert row_digests(files) == [hashlib.sha256(text.encode()).hexdigest()]


def test_the_folder_is_made(tmp_path: Path):
    ParquetParts(tmp_path / "a" / "b", LAYOUT)
    assert list((tmp_path / "a" / "b").iterdir()) == []
