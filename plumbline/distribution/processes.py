"""Workers as processes of this machine."""

import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from plumbline.distribution import group, workers
from plumbline.distribution.tasks import TrainingTask
from plumbline.environment import accelerator
from plumbline.errors import SpecError, WorkerLost

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MEMBER = (sys.executable, "-m", "plumbline.distribution.member")


def run_in_processes(task: TrainingTask, count: int, max_failures: int = 0) -> None:
    """Run `task` in `count` processes of this machine, none of which outlives this one.

    max_failures: how often a worker may die or hang. Each time all are started again, and go on
    from the last checkpoint.

    Raises:
        SpecError: the machine has GPUs, which one process uses all of.
        WorkerLost: a worker was lost once more than that.
        And what the workers raise.
    """
    _require_no_gpu(count)
    started(MEMBER, asdict(task), count, max_failures)


def started(command: Sequence[str], task: Mapping[str, Any], count: int, failures: int) -> None:
    """As `run_in_processes`, by `command`: see `group.attempt`."""
    for failure in range(failures + 1):
        try:
            group.attempt(command, task, _environments(count))
        except WorkerLost as lost:
            if failure == failures:
                raise
            log.warning(
                "%s; all %d are started again (%d of %d)", lost.found, count, failure + 1, failures
            )
        else:
            return


def _environments(count: int) -> list[dict[str, str]]:
    """Of each worker: where all of them are, and modules are found as in this process."""
    addresses = _free_addresses(count)
    path = os.pathsep.join(one for one in sys.path if one)
    return [
        {**os.environ, "PYTHONPATH": path, workers.CONFIG: workers.config(addresses, rank)}
        for rank in range(count)
    ]


def _free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [f"{HOST}:{one.getsockname()[1]}" for one in sockets]


def _require_no_gpu(count: int) -> None:
    if accelerator() == "cpu":
        return
    raise SpecError(
        f"{count} local workers are declared on a machine with GPUs",
        expected="one local worker, which trains on all GPUs of its machine",
        remedy="leave execution.workers out, or set execution.engine to ray",
    )
