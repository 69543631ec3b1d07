"""How Dagster carries out a pipeline's runs: limits, place in the queue, processes."""

import dagster as dg

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
    """In the run's own process, or each stage in one that is forked from a warm one."""
    if spec.run.processes == 1:
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {
            "max_concurrent": spec.run.processes,
            "start_method": {"forkserver": {"preload_modules": list(PRELOADED)}},
        }
    )
