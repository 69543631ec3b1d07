"""The asset page over a long history, in a real browser, for house.py."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import httpx
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.storage.dagster_run import DagsterRun

ROOT = Path(__file__).parents[1]
KEY = dg.AssetKey(["flights", "evaluation"])
PER_RUN = 20
LOADS = 5
CHROMIUM = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox", "--disable-gpu"]}


def main(folder: Path, materializations: int) -> None:
    """Seconds until the content stands, and the slowest of the page's queries, on SQLite, or on
    PostgreSQL where DAGSTER_POSTGRES_URL names an empty database."""
    print("\n| /assets/flights/evaluation | page s | slowest query s |\n| --- | --- | --- |")
    for count in (PER_RUN, materializations):
        home = folder / f"history-{count}"
        home.mkdir()
        deployed = "DAGSTER_POSTGRES_URL" in os.environ
        settings = ROOT / ("deploy/dagster.yaml" if deployed else "dagster.yaml")
        (home / "dagster.yaml").write_text(settings.read_text("utf-8"), "utf-8")
        write(home, count)
        with webserver(home) as address:
            page, slowest = measured(address)
        print(f"| {count:,} materializations | {page:.2f} | {slowest:.2f} |", flush=True)


def write(home: Path, count: int) -> None:
    """The demo's evaluation, with its metadata and pictures, `count` times."""
    with dg.DagsterInstance.from_config(str(ROOT / ".plumbline" / "dagster")) as demo:
        record = demo.get_latest_materialization_event(KEY)
    assert record is not None, "run `make demo` first"
    made = record.asset_materialization
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for number in range(0, count, PER_RUN):
            version = f"flights_{number:06}"
            instance.add_dynamic_partitions("flights_dataset_versions", [version])
            run = DagsterRun(
                job_name="flights",
                run_id=str(uuid.uuid4()),
                status=dg.DagsterRunStatus.SUCCESS,
                tags={"dagster/partition": version},
            )
            instance.add_run(run)
            for _ in range(min(PER_RUN, count - number)):
                again = dg.AssetMaterialization(
                    asset_key=KEY, partition=version, metadata=made.metadata, tags=made.tags
                )
                event = DagsterEvent(
                    event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                    job_name="flights",
                    event_specific_data=StepMaterializationData(again, []),
                    step_key="flights__evaluation",
                )
                instance.report_dagster_event(event, run.run_id)


@contextmanager
def webserver(home: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-w", "workspace.yaml"]
    with (home / "web.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "-p", str(port)],
            cwd=ROOT,
            env={**os.environ, "DAGSTER_HOME": str(home), "PLUMBLINE_HOME": str(home)},
            stdout=log,
            stderr=log,
        )
    try:
        while not _answers(address):
            assert process.poll() is None, (home / "web.log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/server_info").is_success
    except httpx.TransportError:
        return False


def measured(address: str) -> tuple[float, float]:
    """Medians over several loads: the page until its metadata is there, and its slowest query
    asked again by itself."""
    from playwright.sync_api import sync_playwright

    asked: dict[str, str] = {}

    def remember(request) -> None:
        if "/graphql" in request.url and request.method == "POST":
            asked[json.loads(request.post_data)["operationName"]] = request.post_data

    pages = []
    with sync_playwright() as play:
        page = play.chromium.launch(**CHROMIUM).new_page()
        page.on("request", remember)
        for _ in range(LOADS):
            started = time.perf_counter()
            page.goto(f"{address}/{'/'.join(['assets', *KEY.path])}")
            page.get_by_text("test_auc_network").first.wait_for()
            pages.append(time.perf_counter() - started)
        page.context.browser.close()
    return statistics.median(pages), max(_seconds(address, body) for body in asked.values())


def _seconds(address: str, body: str) -> float:
    times = []
    for _ in range(LOADS):
        started = time.perf_counter()
        answer = httpx.post(
            f"{address}/graphql", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.is_success, answer.text
        times.append(time.perf_counter() - started)
    return statistics.median(times)
