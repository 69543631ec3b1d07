"""Runs that are killed, doubled or refused leave the store and the registry consistent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_pipeline import make_source

from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.store import ArtifactStore
from plumbline.summary import summary

RUN = """
import sys
import dagster as dg
from pathlib import Path
from small_pipeline import run, small_spec

with dg.DagsterInstance.ephemeral() as instance:
    network = {"widths": [8], "dropout": [0.0], "max_epochs": int(sys.argv[2])}
    result = run(small_spec(network=network), Path(sys.argv[1]), instance)
sys.exit(0 if result.success else 1)
"""


@pytest.fixture
def start(postgres: Postgres, tmp_path: Path):
    """Start a run of the small pipeline in a process of its own."""
    make_source(postgres, tmp_path, rows=1200)
    tests = Path(__file__).parents[1]
    environment = {
        **os.environ,
        "DATABASE_URL": postgres.url,
        "PLUMBLINE_STORE": str(tmp_path / "store"),
        "PYTHONPATH": str(tests),
    }
    started: list[subprocess.Popen] = []

    def call(epochs: int = 2) -> subprocess.Popen:
        command = [sys.executable, "-c", RUN, str(tmp_path), str(epochs)]
        started.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _await(condition, process: subprocess.Popen, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the run never got there"
        time.sleep(0.02)


def _drafts(root: Path) -> list[Path]:
    return [path for path in (root / "store").rglob(".*") if path.is_dir()]


@pytest.mark.network
def test_a_run_killed_in_training_goes_on_when_it_is_started_again(start, postgres, tmp_path):
    # The number of epochs is the same in both runs, so the network's version is too.
    killed = start(epochs=40)
    training = tmp_path / "store" / "visits" / "network"
    _await(lambda: training.is_dir() and list(training.glob(".*")), killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not [path for path in training.iterdir() if not path.name.startswith(".")]
    registry = Registry.open(postgres)
    assert {row["kind"] for row in registry.rows("model_versions")} == {"random_forest", "xgboost"}

    again = start(epochs=40)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert _drafts(tmp_path) == []
    facts = summary(registry, "visits", "v1")
    assert {candidate["kind"] for candidate in facts["candidates"]} == {
        "random_forest",
        "xgboost",
        "network",
    }
    assert len(facts["test_reads"]) == 1


def test_two_runs_at_once_make_one_of_each(start, postgres, tmp_path):
    both = [start(), start()]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    registry = Registry.open(postgres)
    facts = summary(registry, "visits", "v1")
    assert len(facts["test_reads"]) == 1
    assert len(facts["bundle"]["promotions"]) == 1
    assert len(registry.rows("model_versions")) == 3
    for stage in (tmp_path / "store" / "visits").iterdir():
        (version,) = stage.iterdir()
        assert ArtifactStore.at(tmp_path / "store").find("visits", stage.name, version.name)
