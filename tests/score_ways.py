"""The ways from raw rows to scores, for tests that compare them."""

import asyncio
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from serving_bundles import ARROW, json_body, stream

from plumbline.scoring.files import score_file
from plumbline.serving.app import create_app
from plumbline.serving.scorer import Scorer
from plumbline.serving.service import Service
from plumbline.serving.settings import Limits

COLUMNS = ("score", "scores", "predicted")
"""The first that an answer has is the one with the scores."""


def scores_of(table: pa.Table) -> np.ndarray:
    column = next(name for name in COLUMNS if name in table.column_names)
    return np.array(table[column].to_pylist())


def every_way(bundle: Path, rows: pa.RecordBatch, folder: Path) -> dict[str, np.ndarray]:
    """Scores of the same raw rows by a reloaded bundle, batch and HTTP."""
    service = Service(Scorer.load(bundle), Limits())
    # One row, as many as are answered at once, one more, and the rest.
    ends = [0, 1, min(33, len(rows)), len(rows)]
    parts = [rows.slice(a, b - a) for a, b in pairwise(ends) if b > a]
    found = {
        "reloaded": service.scorer.bundle.score(rows),
        "batch": _by_batch(bundle, rows, folder),
        "JSON": np.concatenate([_by_json(service, part) for part in parts]),
        "Arrow": _by_arrow(service, rows),
    }
    assert service.close() == 0
    return found


def _by_batch(bundle: Path, rows: pa.RecordBatch, folder: Path) -> np.ndarray:
    source, target = folder / "rows.parquet", folder / "scored.parquet"
    pq.write_table(pa.Table.from_batches([rows]), source)
    score_file(bundle, source, target)
    # A column of the rows may be called as an answer is, so that only what was added is looked at.
    added = [one for one in pq.read_schema(target).names if one not in rows.schema.names]
    return scores_of(pq.read_table(target, columns=added))


def _by_json(service: Service, rows: pa.RecordBatch) -> np.ndarray:
    answers = _asked(service, json_body(rows), "application/json").json()
    return np.array(next(answers[name] for name in COLUMNS if name in answers))


def _by_arrow(service: Service, rows: pa.RecordBatch) -> np.ndarray:
    answer = _asked(service, stream(rows), ARROW)
    return scores_of(pa.ipc.open_stream(answer.content).read_all())


def _asked(service: Service, body: bytes, kind: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.post("/predict", content=body, headers={"content-type": kind})

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    return answer
