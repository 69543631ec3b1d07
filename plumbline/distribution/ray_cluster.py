"""A Ray cluster, for as long as one training takes: joined, or started on this machine."""

# Ray is an extra, and imported where it is used.
# pyright: reportMissingImports=false

import importlib.util
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from plumbline.environment import environment_kept
from plumbline.errors import ClusterError, SpecError
from plumbline.spec import ExecutionSpec

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a cluster of the run's own. Rows are read from files; arguments are all that Ray carries."""


def require_installed() -> None:
    """Raises SpecError where Ray or dagster-ray is not installed, without importing either."""
    missing = [name for name in ("ray", "dagster_ray") if importlib.util.find_spec(name) is None]
    if missing:
        raise SpecError(
            f"execution.engine is ray, and {' and '.join(missing)} cannot be imported here",
            expected="the extra ray",
            remedy="pip install plumbline[ray], or `make test-ray` in a checkout; or engine: local",
        )


@contextmanager
def connected(execution: ExecutionSpec) -> Iterator[None]:
    """Have this process drive a Ray cluster within the block.

    Raises:
        SpecError: Ray is not installed.
        ClusterError: the cluster does not answer, refuses this process, or there is none.
    """
    require_installed()
    import ray

    with environment_kept(), told(execution):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(**(_joined() if execution.on_cluster else _own(execution)))
    try:
        with told(execution):
            yield
    finally:
        ray.shutdown()


def _joined() -> dict[str, Any]:
    """Of a process that runs as a Ray job; Ray has said where in the environment."""
    if not os.environ.get("RAY_ADDRESS"):
        raise ClusterError(
            "this stage was launched outside of the Ray cluster that execution.address names",
            expected="a run of the pipeline's job, whose stages are Ray jobs",
            remedy="launch the job named like the pipeline, or `plumbline run`; assets that are "
            "materialized without their job run where the run is",
        )
    return {"log_to_driver": False}


def _own(execution: ExecutionSpec) -> dict[str, Any]:
    # Others on this machine cannot send it work: they would run it as this user.
    os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()})
    return {
        "address": "local",
        "num_cpus": execution.workers,
        "num_gpus": execution.workers * execution.gpus_per_worker,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        "log_to_driver": False,
    }


@cache
def _token() -> str:
    """One for a process: Ray reads it once."""
    return os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)


@contextmanager
def told(execution: ExecutionSpec) -> Iterator[None]:
    """Turn what Ray says of its cluster into what a user can do about it.

    Raises:
        ClusterError: the cluster does not answer, or refuses this process.
    """
    from ray.exceptions import RayError
    from requests import RequestException

    place = execution.address if execution.on_cluster else "this machine"
    try:
        yield
    except (ConnectionError, TimeoutError, RayError, RequestException) as error:
        if _is_of_the_token(error):
            raise ClusterError(
                f"the Ray cluster at {place} refuses the token of this process",
                expected="the token that its nodes were started with",
                remedy="give all nodes and the run the same RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH",
            ) from error
        raise ClusterError(
            f"the Ray cluster at {place} does not answer: {_first_line(error)}",
            expected="a head and its nodes that stay up",
            remedy="see `ray status` on the head; the same run goes on from the last checkpoint",
        ) from error
    except RuntimeError as error:
        if "Version mismatch" not in str(error):
            raise
        raise ClusterError(
            f"the Ray cluster at {place} runs other software: {' '.join(str(error).split())}",
            expected="the Ray and the Python of this process on every node",
            remedy="give all nodes the same image, or the same requirements-ray.lock",
        ) from error


def no_room(execution: ExecutionSpec, seconds: float) -> ClusterError:
    """Of a cluster that could not start all workers in time."""
    import ray

    def total(name: str) -> float:
        return ray.cluster_resources().get(name, 0)

    gpus = f", {execution.gpus_per_worker} GPU each" if execution.gpus_per_worker else ""
    return ClusterError(
        f"the Ray cluster had no room for {execution.workers} workers within {seconds:g} s: in all "
        f"it has {total('CPU'):g} CPUs and {total('GPU'):g} GPUs",
        expected=f"a CPU for each worker{gpus}",
        remedy="start the nodes that are missing or wait for other runs, then run this one again: "
        "it goes on from the last checkpoint; or declare fewer execution.workers",
    )


def _is_of_the_token(error: BaseException | None) -> bool:
    """Whether Ray's error, or what it was raised from, is of authentication. Ray tells it by a
    type in one place, and by a traceback in a text in another."""
    if error is None:
        return False
    named = "AuthenticationError" in f"{type(error).__name__} {error}"
    return named or _is_of_the_token(error.__cause__ or error.__context__)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
