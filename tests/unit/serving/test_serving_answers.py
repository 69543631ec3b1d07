"""What is answered, told in OpenAPI and logged, for every task."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_bundles import TASKS, Built, sized_table
from serving_bundles import ARROW, json_body, stream

from plumbline.postgres import Postgres
from plumbline.release.opened import Bundle
from plumbline.scoring.tables import Table
from plumbline.serving.app import create_app
from plumbline.serving.inference_log import layout
from plumbline.serving.log_sinks import ParquetParts, PostgresTable
from plumbline.serving.scorer import Scorer
from plumbline.serving.service import Service
from plumbline.serving.settings import Limits

pytest_plugins = ["release_fixtures"]

JSON = "application/json"
ROWS = 40

TYPES = {
    "binary": {"score": "double precision", "predicted": "smallint", "prediction_set": "text[]"},
    "multiclass": {"scores": "double precision[]", "predicted": "text", "prediction_set": "text[]"},
    "multilabel": {
        "scores": "double precision[]",
        "predicted": "text[]",
        "prediction_set": "text[]",
    },
    "regression": {
        "predicted": "double precision",
        "low": "double precision",
        "high": "double precision",
    },
}


@pytest.fixture(params=list(TASKS))
def scorer(request, released: dict[Any, Built]) -> Scorer:
    return Scorer.load(released[request.param, "xgboost"].folder)


def rows_of(bundle: Bundle) -> pa.RecordBatch:
    whole = sized_table().combine_chunks().to_batches()[0]
    return whole.select(bundle.schema.names).slice(0, ROWS)


def asked(service: Service, method: str, path: str, body: bytes = b"", kind: str = JSON) -> Any:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.request(method, path, content=body, headers={"content-type": kind})

    return asyncio.run(ask())


@pytest.fixture
def service(scorer: Scorer) -> Iterator[Service]:
    opened = Service(scorer, Limits())
    yield opened
    assert opened.close() == 0


def test_answers_are_the_bundles_and_as_openapi_says(service: Service):
    bundle, rows = service.scorer.bundle, rows_of(service.scorer.bundle)
    expected = bundle.decision.outputs(bundle.score(rows))
    by_json = asked(service, "POST", "/predict", json_body(rows)).json()
    by_arrow = asked(service, "POST", "/predict", stream(rows), ARROW)
    table = pa.ipc.open_stream(by_arrow.content).read_all()
    for name in expected.schema.names:
        assert by_json[name] == expected[name].to_pylist()
        assert table[name].to_pylist() == expected[name].to_pylist()
    assert table.schema.types == expected.schema.types
    several = "scores" in expected.schema.names
    classes = list(bundle.decision.classes)
    assert by_json.get("classes") == (classes if several else None)
    metadata = table.schema.metadata or {}
    assert json.loads(metadata.get(b"classes", b"null")) == (classes if several else None)
    schemas = asked(service, "GET", "/openapi.json").json()["components"]["schemas"]
    jsonschema.validate(by_json, schemas["Predictions"])
    for wrong in ({"predicted": [None]}, {"more": 1}, {"versions": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**by_json, **wrong}, schemas["Predictions"])
    described = asked(service, "GET", "/metadata").json()
    assert described["classes"] == list(bundle.manifest.classes)
    assert described["answers"] == bundle.manifest.answers
    assert list(described["answers"]) == expected.schema.names


def test_answers_are_logged(scorer: Scorer, postgres: Postgres, tmp_path: Path):
    bundle, rows = scorer.bundle, rows_of(scorer.bundle)
    expected = bundle.decision.outputs(bundle.score(rows))
    of_log = layout(scorer.answers)
    kinds = Table.named("public.log", of_log).types
    assert {name: kinds[name] for name in scorer.answers.names} == TYPES[bundle.manifest.task]
    for sink in (ParquetParts(tmp_path, of_log), PostgresTable(postgres, "public.log", of_log)):
        service = Service(scorer, Limits(), sink=sink)
        assert asked(service, "POST", "/predict", json_body(rows)).is_success
        assert service.close() == 0
    logged = pq.read_table(tmp_path)
    with postgres.connect() as connection:
        cursor = connection.execute('SELECT * FROM log ORDER BY "row"')
        found = [dict(zip(kinds, row, strict=True)) for row in cursor]
    for name in expected.schema.names:
        assert logged[name].to_pylist() == expected[name].to_pylist()
        assert [row[name] for row in found] == expected[name].to_pylist()
    assert logged["inputs_sha256"].to_pylist() == [row["inputs_sha256"] for row in found]


def test_no_score_that_is_no_number_is_answered(released: dict[Any, Built]):
    whole = Scorer.load(released["multiclass", "xgboost"].folder)
    true = whole.bundle.predictor

    class Broken:
        def predict(self, matrix: Any) -> np.ndarray:
            scores = true.predict(matrix)
            scores[2:, 1] = np.nan
            return scores

    broken: Any = replace(whole.bundle, predictor=Broken())
    service = Service(replace(whole, bundle=broken, few=broken, many=broken), Limits())
    answer = asked(service, "POST", "/predict", json_body(rows_of(broken)))
    service.close()
    assert answer.status_code == 422
    assert "no finite score for 38 of 40 rows; the first is row 3" in answer.json()["detail"]
