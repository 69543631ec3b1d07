"""The same raw rows through the predictor, batch scoring, HTTP and a reloaded bundle."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from release_bundles import Built, raw_table
from serving_bundles import ARROW, json_body, stream

from plumbline.normalization.apply import transform
from plumbline.release.bundle import load_bundle
from plumbline.release.predictors import TOLERANCE
from plumbline.scoring.files import score_file
from plumbline.serving import inference_log
from plumbline.serving.app import create_app
from plumbline.serving.scorer import FEW_ROWS, Scorer
from plumbline.serving.service import Service
from plumbline.serving.settings import Limits

pytest_plugins = ["release_fixtures"]

RAW = raw_table().combine_chunks().to_batches()[0]
ROWS = RAW.drop_columns(["id", "note", "label"])
PARITY = 1e-6


@pytest.fixture
def service(built: Built) -> Iterator[Service]:
    opened = Service(Scorer.load(built.folder), Limits(batch_rows=256))
    yield opened
    assert opened.close() == 0


def over_http(service: Service, body: bytes, kind: str) -> np.ndarray:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.post("/predict", content=body, headers={"content-type": kind})

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    if kind == ARROW:
        return pa.ipc.open_stream(answer.content).read_all()["score"].to_numpy()
    return np.array(answer.json()["score"])


def by_batch(built: Built, folder: Path, suffix: str) -> np.ndarray:
    source, target = folder / f"rows{suffix}", folder / "scored.parquet"
    table = pa.Table.from_batches([ROWS])
    if suffix == ".csv":
        arrow_csv.write_csv(table, source)
    else:
        pq.write_table(table, source)
    score_file(built.folder, source, target)
    return pq.read_table(target)["score"].to_numpy()


def test_all_ways_to_a_score_agree(built: Built, service: Service, tmp_path):
    evaluated = built.predictor.predict(transform(built.prepared.normalization, RAW))
    few = np.concatenate([
        over_http(service, json_body(ROWS.slice(at, 1 + at % FEW_ROWS)), "application/json")[:1]
        for at in range(0, 60)
    ])  # fmt: skip
    ways = {
        "reloaded": load_bundle(built.folder).score(RAW),
        "Parquet": by_batch(built, tmp_path, ".parquet"),
        "CSV": by_batch(built, tmp_path, ".csv"),
        "JSON": over_http(service, json_body(ROWS), "application/json"),
        "Arrow": over_http(service, stream(ROWS.slice(0, 9), ROWS.slice(9)), ARROW),
    }
    tolerance = TOLERANCE[service.scorer.bundle.manifest.kind]
    assert tolerance <= PARITY
    for way, scores in ways.items():
        np.testing.assert_allclose(scores, evaluated, rtol=0, atol=tolerance, err_msg=way)
    np.testing.assert_allclose(few, evaluated[:60], rtol=0, atol=tolerance)
    assert np.ptp(evaluated) > 0.1


def test_a_failure_of_ours_tells_nothing(forest: Built, caplog):
    service = Service(Scorer.load(forest.folder), Limits())

    async def failing(*_) -> None:
        raise RuntimeError("password=hunter2")

    service.predict = failing  # what cannot happen, as far as is known
    with pytest.raises(AssertionError) as told:
        over_http(service, json_body(ROWS.slice(0, 1)), "application/json")
    service.close()
    assert '"status": 500' in str(told.value)
    assert "hunter2" not in str(told.value)
    assert "hunter2" in caplog.text


def test_rows_are_refused_where_the_log_does_not_keep_up(forest: Built, monkeypatch, caplog):
    class Stuck:
        def write(self, rows: pa.Table) -> None:
            raise OSError("no space left")

        def close(self) -> None: ...

    monkeypatch.setattr(inference_log, "CLOSE_SECONDS", 0.05)
    limits = Limits(rows=5, log_rows=5, log_seconds=0.001)
    service = Service(Scorer.load(forest.folder), limits, sink=Stuck())
    body = json_body(ROWS.slice(0, 5))
    assert len(over_http(service, body, "application/json")) == 5
    with pytest.raises(AssertionError, match="5 rows wait to be written"):
        over_http(service, body, "application/json")
    assert b"plumbline_log_rows_waiting 5.0" in service.metrics.text()
    assert service.close() == 5
    assert "the inference log cannot be written" in service.unready()
    assert "no space left" in caplog.text
