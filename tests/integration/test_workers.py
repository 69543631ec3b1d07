"""Two processes train what one does; killed ones are started again and end where they would have.

Starting TensorFlow takes seconds of a processor: what two workers train is trained by the same two.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dagster import DagsterInstance
from small_pipeline import run, small_spec
from worker_tasks import Ground

from assets.resources import PlumblineResource
from plumbline.baselines import training as baselines
from plumbline.distribution import processes, tasks
from plumbline.distribution.tasks import TrainingTask
from plumbline.environment import keras_backend
from plumbline.network import training
from plumbline.network.resume import FILE
from plumbline.store import alive, workplace

needs_tensorflow = pytest.mark.skipif(
    keras_backend() != "tensorflow", reason="several workers train networks on TensorFlow only"
)

SEVERAL = """
import sys
from plumbline.distribution import member, tasks

def work(given):
    for one in given["tasks"]:
        tasks.run(tasks.TrainingTask(**one))

sys.exit(member.take_part(int(sys.argv[1]), work))
"""

SLOW = """
import os, sys, time
from pathlib import Path
from plumbline.distribution import member, tasks
from plumbline.network import resume

resume.EVERY, resume.SHARE = 0.0, 1e9  # a checkpoint at every epoch
written = resume.Resuming.epoch_ends

def epoch_ends(self, epoch):
    written(self, epoch)
    time.sleep(0.5)  # time to be killed in

resume.Resuming.epoch_ends = epoch_ends

def work(task):
    Path(task["folder"]).with_name(f"worker.{os.getpid()}").touch()
    tasks.run(tasks.TrainingTask(**task))

sys.exit(member.take_part(int(sys.argv[1]), work))
"""

ROWS = 1500
STAGES = [
    *("snapshot", "split", "audit", "normalization", "random_forest", "xgboost"),
    *("baseline_gate", "network", "network_seeds", "evaluation"),
]
KILLED: dict[str, Any] = {"batch_size": 64, "max_epochs": 8, "patience": 8, "dropout": 0.1}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("workers"), ROWS)


@pytest.fixture(scope="module")
def declared(ground: Ground) -> dict[str, dict[str, Any]]:
    """Batches that do not divide; an epoch whose last batch is one row, for two workers."""
    rows = ground.split.counts["train"]
    assert rows % 33 not in (0, 1)
    return {
        "odd": {"batch_size": 33},
        "streamed": {"batch_size": rows - 1, "feeding": "stream", "class_weights": "balanced"},
        "undisturbed": KILLED,
    }


@pytest.fixture(scope="module")
def trained(ground: Ground, declared: dict[str, dict[str, Any]]) -> dict[str, TrainingTask]:
    """By two workers."""
    made = {name: ground.task("network", name, **one) for name, one in declared.items()}
    given = {"tasks": [asdict(one) for one in made.values()]}
    processes.started((sys.executable, "-c", SEVERAL), given, 2, 0)
    return made


def network(task: TrainingTask) -> training.TrainedNetwork:
    return training.load(Path(task.folder), "version")


def weights(task: TrainingTask) -> list[np.ndarray]:
    return network(task).predictor().network.get_weights()


@needs_tensorflow
@pytest.mark.parametrize("name", ["odd", "streamed"])
def test_two_workers_train_the_network_that_one_does(ground, declared, trained, name):
    alone = ground.task("network", f"{name}_alone", **declared[name])
    tasks.run(alone)
    one, two = network(alone), network(trained[name])
    assert (one.training["devices"], two.training["devices"]) == (1, 2)
    assert two.training["best_epoch"] == one.training["best_epoch"]
    for metric in one.history.keys() - {"seconds", "wait_share"}:
        np.testing.assert_allclose(
            two.history[metric], one.history[metric], rtol=1e-6, atol=1e-6, err_msg=metric
        )
    for a, b in zip(weights(trained[name]), weights(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
    np.testing.assert_allclose(two.val_scores(), one.val_scores(), rtol=0, atol=1e-6)


@needs_tensorflow
def test_the_first_worker_leaves_a_network_that_needs_no_workers(trained):
    found = network(trained["odd"])
    assert found.predictor().weights_sha256() == found.training["weights_sha256"]
    files = sorted(one.name for one in found.folder.iterdir())
    assert {"model.keras", "history.json", "training.json", "val_scores.npy"} <= set(files)
    assert not list(workplace(found.folder).glob("*"))


@pytest.fixture
def killable(ground: Ground) -> Iterator[TrainingTask]:
    task = ground.task("network", "killed", **KILLED)
    yield task
    assert not any(map(alive, workers(task)))


def workers(task: TrainingTask) -> list[int]:
    """Process ids of all workers that there ever were."""
    return [int(one.suffix[1:]) for one in Path(task.folder).parent.glob("worker.*")]


def wait_for(condition: Any, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def checkpoint(task: TrainingTask) -> Path:
    return workplace(Path(task.folder)) / FILE


@needs_tensorflow
def test_killed_drivers_and_workers_change_no_weight(killable, trained):
    command = (sys.executable, "-c", SLOW)
    launch = "import json, sys; from plumbline.distribution import processes; "
    launch += "processes.started(*map(json.loads, sys.argv[1:]), 2, 0)"
    given = json.dumps(command), json.dumps(asdict(killable))
    path = {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    with subprocess.Popen(
        [sys.executable, "-c", launch, *given], env={**os.environ, **path}
    ) as driver:
        wait_for(checkpoint(killable).exists)
        driver.kill()
    wait_for(lambda: not any(map(alive, workers(killable))), 20)
    assert not list(Path(killable.folder).iterdir())

    before = checkpoint(killable).stat().st_mtime_ns
    first = set(workers(killable))

    def kill_one() -> None:
        wait_for(lambda: checkpoint(killable).stat().st_mtime_ns > before)
        os.kill(max(set(workers(killable)) - first), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    processes.started(command, asdict(killable), 2, 1)
    killer.join()
    assert len(workers(killable)) == 6
    taken = [one["epoch"] for one in network(killable).training["resumed"]]
    assert len(taken) == 2
    assert 1 < taken[0] < taken[1]
    disturbed, undisturbed = network(killable), network(trained["undisturbed"])
    assert disturbed.training["weights_sha256"] == undisturbed.training["weights_sha256"]
    assert disturbed.history["val_loss"] == undisturbed.history["val_loss"]


def test_xgboost_of_two_workers_is_that_of_one_and_the_same_each_time(ground):
    alone = ground.task("xgboost", "trees_alone")
    tasks.run(alone)
    twice = [ground.task("xgboost", f"trees_{one}") for one in (1, 2)]
    for one in twice:
        processes.run_in_processes(one, 2)
    one, two, again = (baselines.load(Path(task.folder), "v") for task in (alone, *twice))
    assert (two.folder / "model.ubj").read_bytes() == (again.folder / "model.ubj").read_bytes()
    np.testing.assert_array_equal(two.val_scores(), again.val_scores())
    assert abs(two.training["val"]["metrics"]["auc"] - one.training["val"]["metrics"]["auc"]) < 1e-3
    assert two.training["rows"] == one.training["rows"] == ground.split.counts["train"]


@needs_tensorflow
def test_the_verdict_of_two_workers_is_that_of_one(project: Path, instance: DagsterInstance):
    decided = [verdict_of(one, project, instance) for one in (1, 2)]
    one, two = decided
    assert two["decision"] == one["decision"]
    assert two["evidence"]["winner"] == one["evidence"]["winner"]
    assert two["verdict_version"] != one["verdict_version"]
    gains = [found["evidence"]["comparison"]["difference"] for found in decided]
    for end in ("value", "low", "high"):
        assert abs(gains[0][end] - gains[1][end]) < 1e-3


def verdict_of(workers: int, project: Path, instance: DagsterInstance) -> dict[str, Any]:
    """Of the small pipeline; what does not depend on the workers is made once."""
    reads = {"seeds": 1, "max_test_reads": 2}  # the second one widens no interval
    spec = small_spec(execution={"workers": workers}, training_features=None, verdict=reads)
    assert run(spec, project, instance, selection=STAGES).success
    bench = PlumblineResource().open(spec, project, "v1")
    version = bench.chain.version("evaluation")
    return bench.registry.one("verdicts", verdict_version=version)
