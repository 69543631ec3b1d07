"""Runs that are killed, doubled or refused leave the store and the registry consistent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_pipeline import make_source, small_spec

from assets.pictures import FOLDER as PICTURES
from assets.workbench import Workbench
from plumbline.network import fitting
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.store import ArtifactStore
from plumbline.summary import summary
from plumbline.versions import DatasetVersion

RUN = """
import sys
import time
import dagster as dg
from pathlib import Path
from small_pipeline import run, small_spec
from plumbline.network import resume

resume.EVERY, resume.SHARE = 0.0, 1e9  # a checkpoint at every epoch
written = resume.Resuming.epoch_ends


def epoch_ends(self, epoch):
    written(self, epoch)
    time.sleep(float(sys.argv[3]))  # time to be killed in


resume.Resuming.epoch_ends = epoch_ends

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

    def call(epochs: int = 2, pause: float = 0.0) -> subprocess.Popen:
        command = [sys.executable, "-c", RUN, str(tmp_path), str(epochs), str(pause)]
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
    found = [path for path in (root / "store").rglob(".*") if path.is_dir()]
    return [path for path in found if path.name != PICTURES]


def test_a_run_killed_in_training_goes_on_when_it_is_started_again(start, postgres, tmp_path):
    # The number of epochs is the same in both runs, so the network's version is too.
    killed = start(epochs=8, pause=1)
    training = tmp_path / "store" / "visits" / "network"
    _await(lambda: training.is_dir() and list(training.glob(".*.work/*.npz")), killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not [path for path in training.iterdir() if not path.name.startswith(".")]
    registry = Registry.open(postgres)
    trained = {row["kind"] for row in registry.rows("model_versions")}
    assert trained == {"floor", "random_forest", "xgboost"}

    again = start(epochs=8)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    assert _drafts(tmp_path) == []
    facts = summary(registry, "visits", "v1")
    assert {candidate["kind"] for candidate in facts["candidates"]} == {
        "random_forest",
        "xgboost",
        "network",
    }
    assert len(facts["test_reads"]) == 2  # the evaluation and the promotion
    (made,) = training.iterdir()
    _ends_as_if_never_interrupted(made, postgres, tmp_path)


def _ends_as_if_never_interrupted(made: Path, postgres: Postgres, root: Path) -> None:
    told = json.loads((made / "training.json").read_text())
    (taken,) = told["resumed"]
    assert taken["epoch"] > 1
    assert taken["changed"] == {}
    network = {"widths": [8], "dropout": [0.0], "max_epochs": 8}
    spec = small_spec(network=network)
    bench = Workbench(
        spec=spec,
        root=root,
        dataset_version=DatasetVersion("v1"),
        postgres=postgres,
        registry=Registry.open(postgres),
        store=ArtifactStore.at(root / "store"),
    )
    sides = bench.split.train(), bench.split.validation()
    whole = fitting.fit(*sides, bench.normalization, spec.network, None)
    assert whole.predictor.weights_sha256() == told["weights_sha256"]
    assert whole.best_epoch == told["best_epoch"]


def test_two_runs_at_once_make_one_of_each(start, postgres, tmp_path):
    both = [start(), start()]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    registry = Registry.open(postgres)
    facts = summary(registry, "visits", "v1")
    assert len(facts["test_reads"]) == 2  # the evaluation and the promotion
    assert len(facts["bundle"]["promotions"]) == 1
    assert len(registry.rows("model_versions")) == 4
    for stage in (tmp_path / "store" / "visits").iterdir():
        (version,) = stage.iterdir()
        assert ArtifactStore.at(tmp_path / "store").find("visits", stage.name, version.name)
