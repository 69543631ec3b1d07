"""Whether every node of a Ray cluster can take part in a training, before any does."""

# Ray is an extra, and imported where it is used.
# pyright: reportMissingImports=false

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plumbline.distribution import software
from plumbline.distribution.tasks import TrainingTask
from plumbline.errors import ClusterError

ANSWER_SECONDS = 120
"""That a node has to load the software and answer."""


def require_alike(task: TrainingTask) -> list[str]:
    """The names of the cluster's nodes; each has the task's software and writes to its folder.

    Raises:
        ClusterError: a node has other software, cannot write to the folder, or does not answer.
    """
    expected = {**task.software, **_engine()}
    answers = _answers(task.folder)
    for name, answer in answers.items():
        _require_software(name, answer["software"], expected)
        _require_folder(name, answer["writes"], task.folder)
    return sorted({answer["host"] for answer in answers.values()})


def _answers(folder: str) -> dict[str, dict[str, Any]]:
    """What each living node says of itself, by host and Ray's own number of it."""
    import ray

    asked = {
        f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})": _asked(node["NodeID"], folder)
        for node in ray.nodes()
        if node["Alive"]
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_SECONDS)
    return {name: _answered(name, answer) for name, answer in asked.items()}


def _asked(node: str, folder: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    function = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(_answer)
    return function.remote(folder)


def _answer(folder: str) -> dict[str, Any]:
    """What runs on a node."""
    return {
        "host": os.uname().nodename,
        "software": {**software.here(), **_engine()},
        "writes": os.access(folder, os.W_OK | os.X_OK),
    }


def _answered(name: str, answer: Any) -> dict[str, Any]:
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(answer, timeout=0)
    except RayError as error:
        told = str(error).strip().splitlines() or [""]
        raise ClusterError(
            f"node {name} does not say which software it has ({type(error).__name__}: {told[-1]})",
            expected=f"an answer within {ANSWER_SECONDS} s from every node of the Ray cluster",
            remedy="start the node from the image of the others, or take it out of the cluster",
        ) from error


def _engine() -> dict[str, str]:
    import ray

    return {"ray": ray.__version__}


def _require_software(name: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    differ = software.differing(found, expected)
    if differ:
        raise ClusterError(
            f"node {name} has {software.listed(found, differ)}",
            expected=f"{software.listed(expected, differ)}, as the run that hands out the training",
            remedy="give all nodes the same image, or the same requirements-ray.lock and checkout",
            differ=differ,
        )


def _require_folder(name: str, writes: bool, folder: str) -> None:
    if not writes:
        raise ClusterError(
            f"node {name} cannot write to {Path(folder).parent}",
            expected="a store that all nodes share",
            remedy="mount one volume at the same path on every node and name it in PLUMBLINE_STORE",
        )
