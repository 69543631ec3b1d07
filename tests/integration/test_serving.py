"""`plumbline serve` as a process: what it answers, what it refuses, and how it ends."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fuzzed_bodies import fuzzed
from release_bundles import Built, raw_table
from serving_bundles import ARROW, Server, json_body, serving, stream

from pipelines.cli import main
from plumbline.postgres import Postgres
from plumbline.release.bundle import load_bundle
from plumbline.serving.digests import row_digests

pytest_plugins = ["release_fixtures"]

KEY = "not-a-secret-in-a-test"
JSON = {"content-type": "application/json"}
ROWS = raw_table().combine_chunks().to_batches()[0].drop_columns(["id", "note", "label"])
DOCUMENT = Path(__file__).parents[2] / "docs" / "serving.md"
STATUSES = {200, 400, 413, 415, 422}


@pytest.fixture(scope="module")
def served(boosted: Built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    limits = ["--max-body", "1", "--max-rows", "2000", "--timeout", "2", "--max-requests", "2"]
    with serving(boosted.folder, folder, *limits, PLUMBLINE_API_KEY=KEY) as started:
        yield started


@pytest.fixture(scope="module")
def client(served: Server):
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=served.address, headers=headers, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def expected(boosted: Built) -> np.ndarray:
    return load_bundle(boosted.folder).score(ROWS)


def scores(response: httpx.Response) -> np.ndarray:
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == ARROW:
        return pa.ipc.open_stream(response.content).read_all()["score"].to_numpy()
    return np.array(response.json()["score"])


def problem(response: httpx.Response, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["request_id"] == response.headers["x-request-id"]
    return told


def test_json_and_arrow_score_as_the_bundle_does(client, expected):
    by_json = client.post("/predict", content=json_body(ROWS), headers=JSON)
    body = stream(ROWS.slice(0, 100), ROWS.slice(100))
    by_arrow = client.post("/predict", content=body, headers={"content-type": ARROW})
    assert np.array_equal(scores(by_json), expected)
    assert np.array_equal(scores(by_arrow), expected)
    assert by_json.json()["predicted"] == (expected >= 0.5).astype(int).tolist()


def test_the_documented_code_scores(served, expected):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    for block in [one for one in blocks if "httpx" in one]:
        table = pa.Table.from_batches([ROWS.slice(0, 5)])
        names = {"address": served.address, "key": KEY, "rows": table.to_pylist(), "table": table}
        exec(block, names)
        found = names["scores"] if "scores" in names else names["scored"]["score"].to_pylist()
        assert found == expected[:5].tolist()
        assert names["model_version"] == "model_version-1"


def test_an_answer_names_its_request_and_versions_once(client, boosted):
    versions = load_bundle(boosted.folder).manifest.versions
    given = {**JSON, "x-request-id": "abc-1.2_3"}
    told = client.post("/predict", content=json_body(ROWS.slice(0, 2)), headers=given).json()
    assert told["request_id"] == "abc-1.2_3"
    assert told["versions"]["model_version"] == versions.model_version
    assert told["versions"]["dataset_version"] == versions.dataset_version
    assert told["versions"]["normalization_version"] == versions.normalization_version
    by_arrow = {**given, "accept": ARROW}
    answer = client.post("/predict", content=json_body(ROWS.slice(0, 2)), headers=by_arrow)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.metadata[b"request_id"] == b"abc-1.2_3"
    assert table.schema.metadata[b"model_version"].decode() == versions.model_version
    assert table["score"].to_pylist() == told["score"]
    for odd in ("a b", "x" * 65, "é"):
        headers = {**JSON, "x-request-id": odd.encode()}
        told = client.post("/predict", content=json_body(ROWS.slice(0, 1)), headers=headers).json()
        assert re.fullmatch("[0-9a-f]{32}", told["request_id"])


@pytest.mark.parametrize("path", ["/predict", "/metadata", "/metrics", "/openapi.json"])
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer other", f"Basic {KEY}", KEY])
def test_without_the_key_nothing_is_told(served, path, given):
    headers = {**JSON, **({"authorization": given} if given else {})}
    method = "POST" if path == "/predict" else "GET"
    answer = httpx.request(method, served.address + path, headers=headers)
    assert KEY not in json.dumps(problem(answer, 401))
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_is_open(served):
    assert httpx.get(f"{served.address}/healthz").json() == {"status": "alive"}
    assert httpx.get(f"{served.address}/readyz").json() == {"status": "ready"}


def test_wrong_fields_are_named(client):
    row = ROWS.to_pylist()[0]
    del row["age"]
    body = json.dumps({"rows": [{**row, "member": "yes", "agee": 3}]})
    told = problem(client.post("/predict", content=body, headers=JSON), 422)
    assert {(one["field"], one["row"]) for one in told["errors"]} == {
        ("age", 1),
        ("member", 1),
        ("agee", 1),
    }
    without = stream(ROWS.drop_columns(["age"]))
    told = problem(client.post("/predict", content=without, headers={"content-type": ARROW}), 422)
    assert [one["field"] for one in told["errors"]] == ["age"]


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_value_that_the_model_cannot_read_is_named(client, value):
    row = {**ROWS.to_pylist()[0], "amount": value}
    told = problem(client.post("/predict", content=json.dumps({"rows": [row]}), headers=JSON), 422)
    assert [one["field"] for one in told["errors"]] == ["amount"]


def chunks(size: int):
    yield from (b" " * 65_536 for _ in range(size // 65_536))


def test_a_body_beyond_the_limit_is_refused_whatever_its_length_says(client):
    told = client.post("/predict", content=b" " * (2**20 + 1), headers=JSON)
    assert problem(told, 413)["found"] == "a body of more than 1,048,576 bytes"
    streamed = client.post("/predict", content=chunks(3 * 2**20), headers=JSON)
    problem(streamed, 413)
    assert streamed.headers["connection"] == "close"


def test_more_rows_than_the_limit_are_refused(client):
    many = pa.concat_batches([ROWS] * 4)
    problem(client.post("/predict", content=stream(many), headers={"content-type": ARROW}), 413)
    problem(client.post("/predict", content=json_body(many), headers=JSON), 413)


def test_other_types_are_refused(client):
    for headers in ({"content-type": "text/csv"}, {}, {**JSON, "content-encoding": "gzip"}):
        problem(client.post("/predict", content=b"a,b\n1,2\n", headers=headers), 415)


def test_other_routes_and_methods_are_problems_too(client):
    problem(client.get("/docs"), 404)
    answer = client.get("/predict")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def half_sent(served: Server, request_id: str) -> socket.socket:
    """A prediction that was begun: its head is sent, and a byte of its body."""
    body = json_body(ROWS.slice(0, 1))
    opened = socket.create_connection(served.host_port, timeout=60)
    head = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"X-Request-ID: {request_id}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    opened.sendall(head.encode() + body[:1])
    return opened


def received(opened: socket.socket) -> bytes:
    found = b""
    while chunk := opened.recv(65_536):
        found += chunk
    return found


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def in_flight(client: httpx.Client) -> float:
    return float(re.findall(r"(?m)^plumbline_requests_in_flight (.+)$", metrics(client))[0])


def metrics(client: httpx.Client) -> str:
    return client.get("/metrics").text


def test_more_requests_than_the_limit_are_sent_away_and_slow_ones_end(served, client):
    waiting = [half_sent(served, str(n)) for n in range(2)]
    until(lambda: in_flight(client) == 2)
    refused = client.post("/predict", content=json_body(ROWS.slice(0, 1)), headers=JSON)
    assert problem(refused, 503)["found"] == "2 requests are being answered"
    assert refused.headers["retry-after"] == "1"
    for one in waiting:
        answer = received(one)
        one.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"the body did not arrive within 2 s" in answer
    assert in_flight(client) == 0
    assert client.post("/predict", content=json_body(ROWS.slice(0, 1)), headers=JSON).is_success


def test_metrics_count_what_happened(client):
    before = metrics(client)
    client.post("/predict", content=json_body(ROWS.slice(0, 3)), headers=JSON)
    client.post("/predict", content=b"{", headers=JSON)
    after = metrics(client)

    def value(text: str, name: str) -> float:
        found = re.findall(rf"(?m)^{re.escape(name)} (.+)$", text)
        return float(found[0]) if found else 0.0

    for name, more in {
        "plumbline_rows_total": 3,
        "plumbline_predict_seconds_count": 1,
        "plumbline_batch_rows_sum": 3,
        'plumbline_requests_total{route="/predict",status="200"}': 1,
        'plumbline_requests_total{route="/predict",status="400"}': 1,
    }.items():
        assert value(after, name) - value(before, name) == more, name
    assert 'plumbline_model_info{bundle_version="bundle_version-1"' in after


def test_metadata_tells_what_the_model_is(client, boosted):
    told = client.get("/metadata").json()
    manifest = load_bundle(boosted.folder).manifest
    assert told["kind"] == "xgboost"
    assert [one["name"] for one in told["inputs"]] == [one.name for one in manifest.inputs]
    assert told["limits"] == {"body_bytes": 2**20, "rows": 2_000, "seconds": 2.0}
    assert not {"environment", "git", "files"} & told.keys()


def test_requests_at_the_same_time_have_their_own_answers(client, expected):
    def ask(at: int) -> bool:
        body = json_body(ROWS.slice(at, 1 + at % 5))
        while (answer := client.post("/predict", content=body, headers=JSON)).status_code == 503:
            time.sleep(0.01)
        return np.array_equal(scores(answer), expected[at : at + 1 + at % 5])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_no_body_crashes_it(served, client):
    for kind, body in fuzzed(ROWS, 300, seed=7):
        headers = {"content-type": kind.encode()}
        answer = client.post("/predict", content=body, headers=headers)
        assert answer.status_code in STATUSES, (kind, body, answer.text)
    assert served.process.poll() is None
    assert "Traceback" not in served.told
    assert client.post("/predict", content=json_body(ROWS.slice(0, 1)), headers=JSON).is_success


def test_schemathesis_finds_nothing(served, tmp_path):
    """Every check but one: numbers that the schema allows may be too large for the model."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        *(program, "run", f"{served.address}/openapi.json"),
        *("-H", f"Authorization: Bearer {KEY}"),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--max-examples", "60", "--seed", "1"),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "Tested: 5" in ran.stdout
    assert "Traceback" not in served.told


def test_a_server_that_is_stopped_answers_all_it_accepted(boosted, tmp_path):
    folder = tmp_path / "log"
    options = ["--drain", "0.3", "--log-to", str(folder)]
    with serving(boosted.folder, tmp_path, *options, PLUMBLINE_API_KEY=KEY) as served:
        answered = stopped_under_load(served)
    parts = pq.read_table(folder).to_pylist()
    assert {one["request_id"] for one in parts} == answered
    assert len(parts) == len(answered)
    assert not [path for path in folder.iterdir() if path.suffix != ".parquet"]


def test_the_log_in_postgresql_holds_every_answer(boosted, postgres: Postgres, tmp_path, expected):
    options = ["--drain", "0.3", "--log-table", "public.answers"]
    environment = {"PLUMBLINE_API_KEY": KEY, "DATABASE_URL": postgres.url}
    with serving(boosted.folder, tmp_path, *options, **environment) as served:
        with httpx.Client(headers={"authorization": f"Bearer {KEY}"}) as client:
            given = {"x-request-id": "some-rows", "content-type": ARROW}
            body = stream(ROWS.slice(0, 5))
            client.post(f"{served.address}/predict", content=body, headers=given)
        answered = stopped_under_load(served)
    with postgres.connect() as connection:
        found = connection.execute("SELECT * FROM answers ORDER BY request_id, row").fetchall()
    some = [row for row in found if row[1] == "some-rows"]
    assert {row[1] for row in found} == answered | {"some-rows"}
    assert [row[2] for row in some] == [1, 2, 3, 4, 5]
    assert [row[7] for row in some] == expected[:5].tolist()
    loaded = load_bundle(boosted.folder)
    versions = loaded.manifest.versions
    assert some[0][3:6] == (
        versions.model_version,
        versions.dataset_version,
        versions.normalization_version,
    )
    assert [row[6] for row in some] == row_digests(ROWS.slice(0, 5).select(loaded.schema.names))


def stopped_under_load(served: Server) -> set[str]:
    """Ask from several threads, end the server meanwhile; the requests that were answered."""
    late = half_sent(served, "late")
    busy = Event()

    def ask(thread: int) -> set[str]:
        answered = set()
        with httpx.Client(headers={"authorization": f"Bearer {KEY}", **JSON}) as client:
            for number in range(10**6):
                name, body = f"{thread}-{number}", json_body(ROWS.slice(number % 500, 1))
                try:
                    answer = client.post(
                        f"{served.address}/predict", content=body, headers={"x-request-id": name}
                    )
                except httpx.TransportError:
                    return answered
                assert answer.status_code == 200, answer.text
                answered.add(name)
                if number == 20:
                    busy.set()
        return answered

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, thread) for thread in range(4)]
        assert busy.wait(60)
        served.process.terminate()
        answered = set().union(*(one.result() for one in asking))
    # Nobody is let in any more, and yet what was begun is still waited for.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(served.host_port, timeout=5)
    assert served.process.poll() is None
    late.sendall(json_body(ROWS.slice(0, 1))[1:])
    assert received(late).startswith(b"HTTP/1.1 200 ")
    late.close()
    assert served.process.wait(60) == 0, served.told
    assert "every accepted request was answered" in served.told
    return answered | {"late"}


def refused(*arguments: str, monkeypatch) -> str:
    monkeypatch.delenv("PLUMBLINE_API_KEY", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    ran = CliRunner().invoke(main, ["serve", *arguments, "--port", "0"])
    assert ran.exit_code in (1, 2), ran.output
    return ran.output


def test_it_does_not_start_where_it_should_not(boosted, tmp_path, monkeypatch):
    folder = str(boosted.folder)
    assert "PLUMBLINE_API_KEY is not set" in refused(
        folder, "--host", "0.0.0.0", monkeypatch=monkeypatch
    )
    logs = ["--log-to", str(tmp_path), "--log-table", "a.b"]
    assert "choose one" in refused(folder, *logs, monkeypatch=monkeypatch)
    assert "DATABASE_URL is not set" in refused(
        folder, "--log-table", "a.b", monkeypatch=monkeypatch
    )
    changed = tmp_path / "changed"
    shutil.copytree(boosted.folder, changed)
    (changed / "normalization.json").write_text("{}")
    assert "normalization.json" in refused(str(changed), monkeypatch=monkeypatch)
    assert "cannot listen" in refused(
        folder, "--host", "192.0.2.1", "--without-key", monkeypatch=monkeypatch
    )
