"""Trainings of a frozen table in files, for tests of several workers."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from snapshots import snapshot_of, spec_of, split_of

from plumbline.distribution.tasks import Kind, TrainingTask, task_of
from plumbline.extract.features import feature_table
from plumbline.normalization import apply
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

NETWORK = {
    "architecture": "dense",
    "widths": [8],
    "dropout": 0.0,
    "batch_normalization": False,
    "learning_rate": 0.01,
    "max_epochs": 3,
}


def table(rows: int, numbers: int = 0) -> pa.Table:
    """The label follows the amount and the channel, with some noise; ages have NULLs.

    numbers: columns more, which say nothing.
    """
    generator = np.random.default_rng(7)
    amount = generator.normal(size=rows).round(3)
    channel = generator.integers(0, 3, rows)
    noise = generator.normal(scale=0.5, size=rows)
    ages = [None if one % 11 == 0 else one % 70 for one in range(rows)]
    return pa.table(
        {
            "id": np.arange(rows),
            "amount": amount,
            "age": pa.array(ages),
            "channel": [("web", "shop", "phone")[one] for one in channel],
            **{f"number_{one}": generator.normal(size=rows) for one in range(numbers)},
            "label": amount + channel - 1 + noise > 0,
        }
    )


class Ground:
    """A frozen, split and normalized table below a folder."""

    def __init__(self, folder: Path, rows: int, numbers: int = 0):
        self.folder = folder
        self.spec: PipelineSpec = spec_of()
        self.split: Split = split_of(
            snapshot_of(table(rows, numbers), folder / "snapshot"), self.spec
        )
        self.normalization_folder = folder / "normalization"
        self.normalization_folder.mkdir()
        began = time.perf_counter()
        apply.build(
            self.split.train(),
            feature_table(self.split.snapshot, self.spec),
            self.spec.normalization,
            NormalizationVersion("normalization-1"),
            self.normalization_folder,
        )
        self.normalized = time.perf_counter() - began
        """Seconds that fitting the normalization took."""
        self.normalization = apply.load(self.normalization_folder)

    def declared(self, **network: Any) -> PipelineSpec:
        return self.spec.model_copy(
            update={"network": type(self.spec.network)(**{**NETWORK, **network})}
        )

    def task(self, kind: Kind, name: str, **network: Any) -> TrainingTask:
        """To be written into a new folder of that name."""
        folder = self.folder / "store" / name
        folder.mkdir(parents=True)
        return task_of(
            kind,
            self.declared(**network),
            self.split,
            self.split.snapshot.folder / "split",
            self.normalization_folder,
            folder,
        )
