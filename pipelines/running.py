"""How Dagster carries out a pipeline's runs: limits, place in the queue, processes."""

import dagster as dg

from pipelines.ray_jobs import ray_jobs
from plumbline.distribution.ray_cluster import require_installed
from plumbline.spec import PipelineSpec

PRELOADED = ("pipelines.definitions",)
"""Imported once by the process that stages' processes are forked from. No backend of Keras: it
starts threads, which do not survive a fork."""


def run_tags(spec: PipelineSpec) -> dict[str, str]:
    """Tags of a pipeline's jobs: its name, and what Dagster reads of `run`."""
    limit = spec.run.max_hours
    return {
        "pipeline": spec.name,
        "dagster/priority": str(spec.run.priority),
        **({"dagster/max_runtime": str(max(1, round(limit * 3600)))} if limit else {}),
    }


def executor(spec: PipelineSpec) -> dg.ExecutorDefinition:
    """In the run's own process, each stage in one that is forked from a warm one, or each stage
    as a job of a Ray cluster.

    Raises:
        SpecError: engine ray is declared, and Ray is not installed.
    """
    if spec.execution.engine == "ray":
        require_installed()
    if spec.execution.on_cluster:
        return ray_jobs(spec)
    if spec.run.processes == 1:
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {
            "max_concurrent": spec.run.processes,
            "start_method": {"forkserver": {"preload_modules": list(PRELOADED)}},
        }
    )
