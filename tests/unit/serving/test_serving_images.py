"""A network that reads images, over HTTP."""

import asyncio
import base64
import json
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
from image_files import bars, file_of
from release_bundles import Built, build, prepare
from serving_bundles import ARROW, stream

from plumbline.network import fitting
from plumbline.release.bundle import load_bundle
from plumbline.serving.app import create_app
from plumbline.serving.scorer import Scorer
from plumbline.serving.service import Service
from plumbline.serving.settings import Limits
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SHAPE = {"height": 16, "width": 16}
ROWS = 120


def table() -> pa.Table:
    pictures, upright = bars(ROWS, 3)
    return pa.table(
        {
            "id": np.arange(ROWS),
            "amount": np.arange(ROWS) % 17 / 2,
            "photo": pa.array([file_of(one) for one in pictures], pa.binary()),
            "label": upright == 1,
        }
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder: Path = tmp_path_factory.mktemp("served images")
    source = {"drop": [], "kinds": {"photo": "image"}, "images": {"photo": SHAPE}}
    prepared = prepare(folder / "snapshot", table(), **source)
    split, normalization = prepared.split, prepared.normalization
    options = NetworkSpec(architecture="dense", widths=[8], max_epochs=1, batch_size=32)
    fitted = fitting.fit(split.train(), split.validation(), normalization, options, None)
    return build(prepared, "network", fitted.predictor, folder / "network")


def test_images_come_as_base64_or_as_bytes(built: Built):
    service = Service(Scorer.load(built.folder), Limits(batch_rows=50))
    rows = table().select(["amount", "photo"]).combine_chunks().to_batches()[0]
    expected = load_bundle(built.folder).score(rows)
    records = rows.to_pylist()
    for row in records:
        row["photo"] = base64.b64encode(row["photo"]).decode()
    broken = [dict(row) for row in records]
    broken[70]["photo"] = base64.b64encode(b"no image").decode()
    bodies = [
        (json.dumps({"rows": records}).encode(), "application/json"),
        (stream(rows), ARROW),
        (json.dumps({"rows": broken}).encode(), "application/json"),
    ]

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return [
                await client.post("/predict", content=body, headers={"content-type": kind})
                for body, kind in bodies
            ]

    by_json, by_arrow, refused = asyncio.run(ask())
    service.close()
    found = pa.ipc.open_stream(by_arrow.content).read_all()["score"].to_numpy()
    np.testing.assert_allclose(by_json.json()["score"], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.ptp(expected) > 0
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"], error["row"]) == (422, "photo", 71)
