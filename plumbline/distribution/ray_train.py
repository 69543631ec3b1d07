"""Workers as processes of a Ray cluster, started and watched by Ray Train."""

# Ray is an extra, and imported where it is used.
# pyright: reportMissingImports=false

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from plumbline.distribution import tasks
from plumbline.distribution.ray_cluster import connected, no_room
from plumbline.distribution.ray_logs import relayed, telling
from plumbline.distribution.ray_nodes import require_alike
from plumbline.distribution.ray_rendezvous import naming
from plumbline.distribution.tasks import TrainingTask
from plumbline.environment import environment_kept
from plumbline.errors import ClusterError, PlumblineError
from plumbline.spec import ExecutionSpec
from plumbline.store import workplace

log = logging.getLogger(__name__)

ROOM_SECONDS = 300
"""Until the cluster has room for all workers: as long as it takes to start a machine."""

_SETTINGS = {
    # A worker that is gone is seen after so many seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    # Relative paths, of an architecture of one's own say, mean the same in a worker.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def run_on_ray(task: TrainingTask, execution: ExecutionSpec) -> list[str]:
    """Run `task` in the workers of a Ray cluster. Returns the names of its nodes.

    A training that loses a worker is taken up again from its last checkpoint, at most
    `execution.max_failures` times.

    Raises:
        ClusterError: the cluster does not answer, has no room, its nodes are not alike, or
            workers were lost once more than that.
        And what the workers themselves raise.
    """
    with environment_kept(), connected(execution):
        os.environ.update({"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(ROOM_SECONDS)})
        os.environ.update(_SETTINGS)
        nodes = require_alike(task)
        log.info("%s: %d workers on Ray, nodes %s", task.kind, execution.workers, ", ".join(nodes))
        with relayed() as logs:
            _trained(task, execution, logs)
    return nodes


def _trained(task: TrainingTask, execution: ExecutionSpec, logs: Any) -> None:
    """Ray's own retries would repeat what a worker refuses, too, and tell nobody."""
    for losses in count(1):
        lost = _attempt(task, execution, logs)
        if lost is None:
            return
        if losses > execution.max_failures:
            raise _given_up(lost, losses)
        log.warning(
            "%s: workers were lost (%s); taken up again, %d. time of %d that are allowed",
            *(task.kind, lost, losses, execution.max_failures),
        )


def _given_up(lost: str, losses: int) -> ClusterError:
    return ClusterError(
        f"workers were lost {losses} times, at last by {lost}",
        expected=f"at most {losses - 1} losses (execution.max_failures)",
        remedy="see Ray's logs on the nodes for why (often it is memory), then run this again: it "
        "goes on from the last checkpoint",
    )


def _attempt(task: TrainingTask, execution: ExecutionSpec, logs: Any) -> str | None:
    """Train once; why a worker was lost, or None where all came to the end."""
    from ray.train import ControllerError, WorkerGroupError

    try:
        _trainer(task, execution, logs).fit()
    except WorkerGroupError as error:
        causes = {rank: _cause(one) for rank, one in error.worker_failures.items()}
        for refused in (one for one in causes.values() if isinstance(one, PlumblineError)):
            raise refused from error
        return "; ".join(f"{rank}: {_in_a_line(one)}" for rank, one in sorted(causes.items()))
    except ControllerError as error:
        raise no_room(execution, ROOM_SECONDS) from error
    return None


def _cause(failure: BaseException) -> BaseException:
    """What a worker raised, or was found dead by; Ray wraps either."""
    for name in ("_base_exc", "health_check_failure"):
        failure = getattr(failure, name, failure)
    return failure


def _in_a_line(error: BaseException) -> str:
    """Ray tells of a process that is gone in a paragraph."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:300]


def _trainer(task: TrainingTask, execution: ExecutionSpec, logs: Any) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    gpus = execution.gpus_per_worker
    return DataParallelTrainer(
        _work,
        backend_config=naming(),
        train_loop_config={"task": asdict(task), "gpus": gpus, "logs": logs},
        scaling_config=ScalingConfig(
            num_workers=execution.workers,
            use_gpu=bool(gpus),
            resources_per_worker={"CPU": 1, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(
            name="ray",
            # Nothing is reported, so that nothing waits: results are the first worker's files.
            storage_path=str(workplace(Path(task.folder))),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
        ),
    )


def _work(given: Mapping[str, Any]) -> None:
    """What each worker does."""
    # Ray sets one thread where a worker reserves one CPU.
    os.environ.pop("OMP_NUM_THREADS", None)
    if not given["gpus"]:  # Ray may or may not hide those that it was not asked for
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with telling(given["logs"]):
        tasks.run(TrainingTask(**given["task"]))
