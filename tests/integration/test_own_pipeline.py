"""As docs/add-a-pipeline.md says: its files in a copy of the project, then the console script."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from plumbline.extract.query import read_query
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

PROJECT = Path(__file__).parents[2]
PARTS = (
    "plumbline",
    "assets",
    "pipelines",
    "sql",
    "pyproject.toml",
    "workspace.yaml",
    "dagster.yaml",
)

PAGE = (PROJECT / "docs" / "add-a-pipeline.md").read_text("utf-8")
SMALL = {
    "network": {"widths": [8], "dropout": [0.0], "max_epochs": 2},
    "evaluation": {"resamples": 100},
    "verdict": {"seeds": 1},
}
"""What the page's pipeline has in addition, to be fast."""


def _block(language: str) -> str:
    """The page's only block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def _declared() -> dict:
    page = yaml.safe_load(_block("yaml"))
    return {**page, "attributes": {**page["attributes"], **SMALL}}


DECLARED = _declared()


def _orders() -> Iterator[list]:
    for g in range(1, 1501):
        price = g * 7919 % 10_000 / 100
        returned = "yes" if price + g * 104_729 % 83 > 95 else "no"
        country = ["DE", "FR", "NA", None][g % 4]
        yield [f"O-{g}", country, g % 12, price, g % 2 == 0, returned]


@pytest.fixture(scope="module")
def project(tmp_path_factory, module_postgres: Postgres) -> Path:
    root = tmp_path_factory.mktemp("own") / "project"
    root.mkdir()
    for part in PARTS:
        source = PROJECT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / part)
    with (root / "returns.csv").open("w", newline="", encoding="utf-8") as file:
        columns = ["order_no", "country", "size", "price", "first_order", "returned"]
        csv.writer(file).writerows([columns, *_orders()])
    (root / "load_csv.py").write_text(_block("python"))
    loading = {**os.environ, "PYTHONPATH": str(root), "DATABASE_URL": module_postgres.url}
    subprocess.run([sys.executable, "load_csv.py"], cwd=root, env=loading, check=True)
    (root / "sql" / "extracts" / "returns.sql").write_text(_block("sql"))
    _declare(root, DECLARED)
    return root


def _declare(root: Path, declared: dict) -> Path:
    defs = root / "pipelines" / "defs" / "returns" / "defs.yaml"
    defs.parent.mkdir(exist_ok=True)
    defs.write_text(yaml.safe_dump(declared, sort_keys=False))
    return defs


@pytest.fixture
def environment(project: Path, module_postgres: Postgres) -> dict[str, str]:
    own = {
        "PYTHONPATH": str(project),
        "DATABASE_URL": module_postgres.url,
        "PLUMBLINE_HOME": str(project / ".plumbline"),
        "COLUMNS": "200",
    }
    return {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | own


@pytest.fixture
def script(project: Path, environment: dict[str, str]):
    def call(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pipelines", *words]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    return call


def test_two_files_are_a_pipeline(project, script):
    ran = script("run", "returns", "--dataset-version", "v1")
    assert ran.returncode == 0, ran.stderr
    facts = json.loads(script("show", "returns", "--json").stdout)
    assert facts["dataset"]["row_count"] == 1500
    sides = [facts["split"][f"{side}_rows"] for side in ("train", "val", "test")]
    assert min(sides) > 100
    assert sum(sides) + facts["split"]["excluded_rows"] == 1500
    assert facts["verdict"]["decision"] in ("NETWORK", "BASELINE", "INCONCLUSIVE")
    for candidate in facts["candidates"]:
        score = candidate["test"]["auc"]
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    verified = script("verify", "returns", "--dataset-version", "v1")
    assert verified.returncode == 0, verified.stdout
    assert "v1" in script("show", "returns").stdout


def test_its_bundle_scores_raw_rows(project, script, module_postgres, tmp_path):
    (bundle,) = project.glob(".plumbline/store/returns/release/*/bundle")
    raw = tmp_path / "raw.csv"
    rows = "COPY (SELECT size, country, price, first_order FROM shop.orders LIMIT 9)"
    with (
        module_postgres.connect() as connection,
        connection.cursor().copy(f"{rows} TO STDOUT (FORMAT csv, HEADER)") as copy,
        raw.open("wb") as file,
    ):
        for block in copy:
            file.write(block)
    scored = script("predict", str(bundle), str(raw), str(tmp_path / "scored.parquet"))
    assert scored.returncode == 0, scored.stderr
    table = pq.read_table(tmp_path / "scored.parquet")
    assert table.num_rows == 9
    assert set(table["dataset_version"].to_pylist()) == {"v1"}


def test_a_changed_byte_is_found(project, script):
    snapshot = next(
        (project / ".plumbline" / "store" / "returns" / "snapshot").glob("*/data.parquet")
    )
    whole = snapshot.read_bytes()
    snapshot.write_bytes(whole[:-9] + b"x" + whole[-8:])
    try:
        found = script("verify", "returns", "--dataset-version", "v1")
        assert found.returncode == 1
        assert "data.parquet: sha256" in found.stdout
        refused = script("run", "returns", "--dataset-version", "v1")
        assert refused.returncode == 1
        assert "does not verify" in refused.stderr
    finally:
        snapshot.write_bytes(whole)


def test_an_unknown_option_is_refused_with_its_line(project, script):
    wrong = {**DECLARED, "attributes": {**DECLARED["attributes"], "netwrok": {}}}
    defs = _declare(project, wrong)
    try:
        line = defs.read_text().splitlines().index("  netwrok: {}") + 1
        refused = script("run", "returns", "--dataset-version", "v1")
        assert refused.returncode == 1
        assert f"defs.yaml:{line}" in refused.stderr
        assert "did you mean 'network'?" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        _declare(project, DECLARED)


def test_an_unknown_pipeline_lists_the_known_ones(script):
    refused = script("run", "nothing", "--dataset-version", "v1")
    assert refused.returncode == 1
    assert "flights, fraud, returns" in refused.stderr


def test_a_parameter_without_a_value_is_refused(script):
    refused = script("run", "returns", "--dataset-version", "v1", "--param", "as_of")
    assert refused.returncode == 2
    assert "not of the form k=v" in refused.stderr


def test_an_address_where_nobody_answers_is_refused_at_once(project, environment):
    refused = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "returns", "--dataset-version", "v1"],
        cwd=project,
        env={**environment, "DATABASE_URL": "postgresql://postgres@127.0.0.1:9/postgres"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: no PostgreSQL could be reached at 127.0.0.1:9")


def test_ctrl_c_keeps_what_was_finished(project, environment):
    slow = {"widths": [8], "dropout": [0.0], "max_epochs": 100_000, "patience": 100_000}
    _declare(project, {**DECLARED, "attributes": {**DECLARED["attributes"], "network": slow}})
    training = project / ".plumbline" / "store" / "returns" / "network"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "run", "returns", "--dataset-version", "v1"],
        cwd=project,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A test run that was itself started in the background hands on its deafness to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        while not list(training.glob(".*/*")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        _declare(project, DECLARED)
    assert process.returncode == 1
    assert "interrupted; what was finished is kept" in told
    assert "Traceback" not in told.partition("Error:")[2]


def test_dg_scaffolds_both_files(project, environment):
    dg = str(Path(sys.executable).with_name("dg"))
    defs, extract = project / "pipelines/defs/churn", project / "sql/extracts/churn.sql"
    try:
        made = subprocess.run(
            [dg, "scaffold", "defs", "pipelines.TrainingPipeline", "churn"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        declared = yaml.safe_load((defs / "defs.yaml").read_text())
        assert PipelineSpec.model_validate(declared["attributes"]).name == "churn"
        assert read_query(PipelineSpec.model_validate(declared["attributes"]), project).tables()
    finally:
        shutil.rmtree(defs, ignore_errors=True)
        extract.unlink(missing_ok=True)
