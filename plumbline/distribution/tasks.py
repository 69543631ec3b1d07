"""A training as plain JSON: the same in every worker that takes part in it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from plumbline.baselines import training as baselines
from plumbline.distribution import boosting, software, workers
from plumbline.extract.snapshot import Snapshot
from plumbline.network import training as network
from plumbline.network.loop import devices
from plumbline.normalization import apply
from plumbline.normalization.parameters import Normalization
from plumbline.spec import PipelineSpec
from plumbline.split import split as splits
from plumbline.split.split import Split
from plumbline.versions import SplitVersion
from plumbline.worker import ALONE, Worker

Kind = Literal["network", "xgboost"]


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """Every field is JSON: `TrainingTask(**asdict(task))` is `task`.

    Folders lie where every worker can read them.
    """

    kind: Kind
    spec: dict[str, Any]
    """The pipeline's; its network is the one to train, as a search may have left it."""
    snapshot: str
    """Folder of the frozen rows."""
    split: str
    split_version: str
    normalization: str
    folder: str
    """What the first worker writes the artifact's files into. Checkpoints lie in its workplace:
    see `plumbline.store.workplace`."""
    software: dict[str, str]
    """What every worker must have: see `software.here`."""
    memory: int | None = None
    """Budget of each worker (bytes); None: nothing tells."""


def task_of(  # noqa: PLR0917
    kind: Kind,
    spec: PipelineSpec,
    split: Split,
    split_folder: Path,
    normalization_folder: Path,
    folder: Path,
    *,
    memory: int | None = None,
) -> TrainingTask:
    """The training of one artifact, for workers with the software of this process."""
    return TrainingTask(
        kind=kind,
        spec=spec.model_dump(mode="json"),
        snapshot=str(split.snapshot.folder),
        split=str(split_folder),
        split_version=split.version,
        normalization=str(normalization_folder),
        folder=str(folder),
        software=software.here(),
        memory=memory,
    )


def run(task: TrainingTask) -> None:
    """Take part in a training, as the worker that this process is by `TF_CONFIG`.

    The first worker returns when the artifact's files are written, the others not before.

    Raises:
        TrainingError: this process has other software than the one that made the task.
        And what `train` raises.
    """
    worker = workers.current()
    software.require_same(task.software, worker.rank)
    if worker.first:
        _empty(Path(task.folder))
    spec = PipelineSpec.model_validate(task.spec)
    snapshot = Snapshot.load(Path(task.snapshot))
    split = splits.load(Path(task.split), snapshot, spec, SplitVersion(task.split_version))
    normalization = apply.load(Path(task.normalization))
    train(task.kind, spec, split, normalization, Path(task.folder), worker, memory=task.memory)


def _empty(folder: Path) -> None:
    """An attempt before this one may have died while it wrote."""
    shutil.rmtree(folder)
    folder.mkdir()


def train(  # noqa: PLR0917
    kind: Kind,
    spec: PipelineSpec,
    split: Split,
    normalization: Normalization,
    folder: Path,
    worker: Worker = ALONE,
    *,
    memory: int | None = None,
) -> None:
    """Train one model, alone or as one of several workers that call it with the same arguments.

    Raises:
        As `plumbline.network.training.build`, `plumbline.baselines.training.build`.
    """
    sides = split.train(), split.validation()
    if kind == "network":
        devices.join(worker)
        given = (*sides, normalization, spec.network, folder)
        network.build(*given, worker=worker, memory=memory)
    elif worker.alone:
        baselines.build(kind, *sides, normalization, spec.baselines, folder, memory=memory)
    else:
        boosting.build(split, normalization, spec.baselines, folder, worker, memory)
