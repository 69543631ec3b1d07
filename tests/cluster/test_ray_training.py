"""Ray's workers train what local ones do, and end where they would have when some are lost."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray_clusters
import ray_work
from ray_clusters import Cluster
from worker_tasks import Ground

from plumbline.baselines import training as baselines
from plumbline.distribution import processes, ray_train, tasks
from plumbline.distribution.tasks import TrainingTask
from plumbline.errors import ClusterError, SpecError
from plumbline.network import training
from plumbline.network.resume import FILE
from plumbline.spec import ExecutionSpec
from plumbline.store import workplace

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="the extra ray is missing: make test-ray"
    ),
    # Ray's own, of what it will do one day.
    pytest.mark.filterwarnings("default"),
]

ROWS = 1500
KILLED: dict[str, Any] = {"batch_size": 64, "max_epochs": 8, "patience": 8, "dropout": 0.1}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ray"), ROWS)


@pytest.fixture(scope="module", autouse=True)
def driver() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ray_clusters.settings().items():
            patch.setenv(name, value)
        yield patch


@pytest.fixture(scope="module")
def cluster(driver: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster(cpus=2)
    driver.setenv("RAY_ADDRESS", made.gcs)  # as in a job of it
    yield made
    made.close()


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster(cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", made.gcs)
    yield made
    made.close()


def on(cluster: Cluster, **options: Any) -> ExecutionSpec:
    return ExecutionSpec(engine="ray", address=cluster.address, **{"workers": 2, **options})


@pytest.fixture(scope="module")
def undisturbed(ground: Ground) -> TrainingTask:
    """By two local workers."""
    task = ground.task("network", "undisturbed", **KILLED)
    processes.run_in_processes(task, 2)
    return task


def network(task: TrainingTask) -> training.TrainedNetwork:
    return training.load(Path(task.folder), "version")


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def checkpoint(task: TrainingTask) -> Path:
    return workplace(Path(task.folder)) / FILE


def workers(task: TrainingTask) -> list[int]:
    """Process ids of all workers that there ever were."""
    return [int(one.suffix[1:]) for one in Path(task.folder).parent.glob("worker.*")]


def afterwards(condition: Callable[[], Any], act: Callable[[], Any]) -> threading.Thread:
    """Act when something has come to be, while this thread waits for a training."""

    def wait() -> None:
        wait_for(condition)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def same_weights(task: TrainingTask, other: TrainingTask) -> bool:
    one, two = network(task), network(other)
    return (
        one.training["weights_sha256"] == two.training["weights_sha256"]
        and one.history["val_loss"] == two.history["val_loss"]
    )


def test_one_worker_of_ray_trains_the_model_of_this_process(ground):
    """Which is why the engine is in no version of theirs. The cluster is one of its own."""
    alone = ExecutionSpec(engine="ray")
    for kind, file in (("network", None), ("xgboost", "model.ubj")):
        here, there = (ground.task(kind, f"{kind}_{place}") for place in ("here", "there"))
        tasks.run(here)
        assert ray_train.run_on_ray(there, alone) == [os.uname().nodename]
        if file is None:
            assert same_weights(here, there)
        else:
            models = [(Path(one.folder) / file).read_bytes() for one in (here, there)]
            assert models[0] == models[1]


def test_two_workers_of_ray_train_what_two_local_ones_do(ground, cluster, undisturbed, caplog):
    task = ground.task("network", "on_ray", **KILLED)
    with caplog.at_level("INFO", "plumbline"):
        ray_train.run_on_ray(task, on(cluster))
    assert same_weights(task, undisturbed)
    # What workers log is in the log of who waits for them: Dagster's, in a stage.
    assert "epochs in" in caplog.text
    trees = [ground.task("xgboost", f"trees_{one}") for one in ("local", "ray")]
    processes.run_in_processes(trees[0], 2)
    ray_train.run_on_ray(trees[1], on(cluster))
    local, ray = (baselines.load(Path(one.folder), "v") for one in trees)
    assert (local.folder / "model.ubj").read_bytes() == (ray.folder / "model.ubj").read_bytes()
    np.testing.assert_array_equal(local.val_scores(), ray.val_scores())


def test_a_killed_worker_changes_no_weight(ground, cluster, undisturbed, monkeypatch, caplog):
    monkeypatch.setattr(ray_train, "_work", ray_work.slow)
    task = ground.task("network", "killed", **KILLED)
    killer = afterwards(checkpoint(task).exists, lambda: os.kill(workers(task)[-1], signal.SIGKILL))
    ray_train.run_on_ray(task, on(cluster))
    killer.join()
    assert "workers were lost" in caplog.text
    assert len(network(task).training["resumed"]) == 1
    assert same_weights(task, undisturbed)


def test_what_a_worker_refuses_is_told_once_and_leaves_nothing(ground, cluster, caplog):
    task = ground.task("network", "refused")
    broken = {**task.spec["network"], "class_weights": {"nobody": 2.0}}
    refused = replace(task, spec={**task.spec, "network": broken})
    with pytest.raises(SpecError):
        ray_train.run_on_ray(refused, on(cluster))
    assert "taken up again" not in caplog.text
    assert not list(Path(task.folder).iterdir())


def test_a_node_with_other_software_trains_nothing(ground, two_nodes):
    two_nodes.node(cpus=1, KERAS_BACKEND="jax")
    _wait_for_nodes(2)
    task = ground.task("network", "unlike")
    with pytest.raises(ClusterError, match=r"node .* has jax .*; expected .* tensorflow 2") as told:
        ray_train.run_on_ray(task, on(two_nodes))
    assert "give all nodes the same image" in told.value.remedy
    assert not list(Path(task.folder).iterdir())


def test_a_store_that_nodes_do_not_share_is_refused(ground, cluster):
    task = replace(ground.task("network", "elsewhere"), folder="/nowhere/store/draft")
    with pytest.raises(ClusterError, match="cannot write to /nowhere/store; expected a store that"):
        ray_train.run_on_ray(task, on(cluster))


def test_another_token_is_refused(ground, cluster, tmp_path):
    task = ground.task("network", "stranger")
    with driving(task, cluster, tmp_path, RAY_AUTH_TOKEN="another") as driver:
        _, told = driver.communicate(timeout=300)
    assert "ClusterError" in told
    assert "refuses the token of this process" in told


DRIVER = """
import json, sys
from pathlib import Path
import ray_work
from plumbline.distribution import ray_train, tasks
from plumbline.spec import ExecutionSpec

ray_train._work = ray_work.slow
task = tasks.TrainingTask(**json.loads(Path(sys.argv[1]).read_text()))
ray_train.run_on_ray(task, ExecutionSpec(engine="ray", address=sys.argv[2], workers=2))
"""


def driving(
    task: TrainingTask, cluster: Cluster, folder: Path, **environment: str
) -> subprocess.Popen[str]:
    """The training in a process of its own, slowly."""
    (folder / "task.json").write_text(json.dumps(vars(task)))
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(folder / "task.json"), cluster.address],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_nodes(count: int) -> None:
    import ray

    ray.init(log_to_driver=False)
    try:
        wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == count)
    finally:
        ray.shutdown()
