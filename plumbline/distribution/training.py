"""The training of one model, where the pipeline's declaration says: here, or by workers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.distribution import processes, ray_train, tasks
from plumbline.normalization.parameters import Normalization
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

_RECORD = "training.json"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a model is trained on, and where workers read it."""

    split: Split
    split_folder: Path
    normalization: Normalization
    normalization_folder: Path


def train(
    kind: tasks.Kind, spec: PipelineSpec, inputs: Inputs, folder: Path, *, memory: int | None
) -> None:
    """Write the artifact's files of one model into `folder`, by the workers of `spec.execution`.

    memory: budget of each worker (bytes); None: nothing tells.

    Raises:
        SpecError: engine ray is declared, and Ray is not installed.
        ClusterError: the Ray cluster is away, too small, or its nodes are not alike.
        WorkerLost: local workers were lost once more than `spec.execution.max_failures`.
        And what `tasks.train` raises.
    """
    execution = spec.execution
    if execution.engine == "local" and execution.workers == 1:
        tasks.train(kind, spec, inputs.split, inputs.normalization, folder, memory=memory)
        return
    task = tasks.task_of(
        *(kind, spec, inputs.split, inputs.split_folder, inputs.normalization_folder, folder),
        memory=memory,
    )
    if execution.engine == "ray":
        nodes = ray_train.run_on_ray(task, execution)
    else:
        processes.run_in_processes(task, execution.workers, execution.max_failures)
        nodes = None
    where = {"engine": execution.engine, "workers": execution.workers}
    _record(folder, {**where, **({"nodes": nodes} if nodes else {})})


def _record(folder: Path, execution: dict[str, Any]) -> None:
    """Say in the artifact who trained it; what it is was decided before."""
    path = folder / _RECORD
    written = {**json.loads(path.read_text("utf-8")), "execution": execution}
    path.write_text(json.dumps(written, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
