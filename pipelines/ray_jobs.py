"""Stages as jobs of a Ray cluster: dagster-ray's, for a cluster that may go away."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)

from plumbline.distribution import ground
from plumbline.distribution.ray_cluster import told
from plumbline.spec import ExecutionSpec, PipelineSpec

SILENCE_SECONDS = 60
"""A head that has not answered for so long takes its jobs along."""


def ray_jobs(spec: PipelineSpec) -> dg.ExecutorDefinition:
    """Each stage a job of the cluster at `execution.address`, `run.processes` of them at once.

    A job has the environment that its node was started with. Of the run's it gets what no node
    could know, and nothing secret: Ray shows a job's variables to whoever may see its jobs.
    """

    def create(_: dg.InitExecutorContext) -> dg.Executor:
        with told(spec.execution):
            handler = _handler(spec.execution.address)
        return StepDelegatingExecutor(
            Heard(handler, spec.execution),
            retries=RetryMode.ENABLED,
            max_concurrent=spec.run.processes,
            should_verify_step=True,
        )

    return dg.ExecutorDefinition(name="ray", executor_creation_fn=create)


class Heard(StepHandler):
    """Another handler, whose stages fail where nobody answers: Dagster itself asks for ever."""

    def __init__(self, handler: StepHandler, execution: ExecutionSpec):
        super().__init__()
        self._handler, self._execution = handler, execution
        self._last = time.monotonic()

    @property
    def name(self) -> str:
        return self._handler.name

    def launch_step(self, step_handler_context: StepHandlerContext) -> Any:
        with told(self._execution):
            yield from self._handler.launch_step(step_handler_context) or ()
        self._last = time.monotonic()

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        try:
            found = self._handler.check_step_health(step_handler_context)
        except Exception as error:  # of HTTP's client and of Ray's
            return self._unheard(error)
        self._last = time.monotonic()
        return found

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        with suppress(OSError):  # its jobs are gone with it
            yield from self._handler.terminate_step(step_handler_context)

    def _unheard(self, error: Exception) -> CheckStepHealthResult:
        silent = time.monotonic() - self._last
        if silent < SILENCE_SECONDS:
            return CheckStepHealthResult.healthy()
        return CheckStepHealthResult.unhealthy(
            f"the Ray cluster at {self._execution.address} has not answered for {silent:.0f} s "
            f"({type(error).__name__}); expected a head that stays up; to fix: start it, then run "
            "this again: it goes on from the last finished stage and the last checkpoint"
        )


def _handler(address: str) -> StepHandler:
    from dagster_ray.core.executor import (  # pyright: ignore[reportMissingImports]
        RayStepHandler,
    )
    from ray.job_submission import (  # pyright: ignore[reportMissingImports]
        JobSubmissionClient,
    )

    return RayStepHandler(
        client=JobSubmissionClient(address),
        env_vars=[f"{name}={value}" for name, value in ground.sent().items()],
        runtime_env=None,
        num_cpus=None,
        num_gpus=None,
        memory=None,
        resources=None,
    )
