"""What a drill is held on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.audit.examination import examine
from plumbline.audit.findings import Finding
from plumbline.drill.copies import altered, drawn, with_column
from plumbline.extract.features import Feature, FeatureTable, feature_table
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization.parameters import Normalization
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.split import certificate
from plumbline.split.rows import TEST, TRAIN, VAL
from plumbline.split.split import Split
from plumbline.store import ArtifactStore

ADDED = "plumbline_drill"
"""Name of a column that a drill adds."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One frozen dataset version with its split and normalization; never written to."""

    spec: PipelineSpec
    snapshot: Snapshot
    split: Split
    assignment: Path
    """The split's file."""
    normalization: Normalization
    postgres: Postgres
    registry: Registry
    store: ArtifactStore

    @cached_property
    def features(self) -> FeatureTable:
        return feature_table(self.snapshot, self.spec)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the audit looks for by itself; declared expectations are left out."""
        options = self.spec.audit.model_copy(update={"sql": [], "expectations": []})
        return examine(self.split, self.spec.model_copy(update={"audit": options})).findings

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What a certificate of these rows on these sides says against them."""
        return certificate.problems(
            certificate.certify(self.snapshot, self.spec, self.split.assignment)
        )

    @cached_property
    def number(self) -> Feature:
        """The numeric feature that is tampered with."""
        return next(one for one in self.features.features if one.kind == "numeric")

    def with_copied_label(self, folder: Path) -> "Ground":
        """The label, or the first of several, stands among the features, under another name."""
        label = self.spec.source.label_columns[0]

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:  # noqa: ARG001
            return with_column(block, ADDED, block.column(label))

        return self.on(altered(self.snapshot, folder, change))

    def with_shuffled_label(self, folder: Path) -> "Ground":
        """Labels are dealt out anew, each side's among its own rows."""
        order = np.arange(self.snapshot.rows)
        for side in (TRAIN, VAL, TEST):
            rows = np.flatnonzero(self.split.assignment == side)
            order[rows] = np.random.default_rng(0).permutation(rows)
        names = self.spec.source.label_columns
        shuffled = {name: drawn(self.snapshot, name, order) for name in names}

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:
            for name, values in shuffled.items():
                block = with_column(block, name, values.slice(start, block.num_rows))
            return block

        return self.on(altered(self.snapshot, folder, change))

    def with_infinity(self, folder: Path) -> "Ground":
        """One value of a numeric feature is infinite."""

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:
            values = self._numbers(block)
            values[: 1 if start == 0 else 0] = np.inf
            return with_column(block, self.number.name, pa.array(values, from_pandas=True))

        return self.on(altered(self.snapshot, folder, change))

    def with_shift(self, folder: Path) -> "Ground":
        """A numeric feature of the validation rows is told in another unit."""

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:
            values = self._numbers(block)
            here = self.split.assignment[start : start + len(values)] == VAL
            values[here] = values[here] * 100 + 1000
            return with_column(block, self.number.name, pa.array(values, from_pandas=True))

        return self.on(altered(self.snapshot, folder, change))

    def with_duplicate(self, folder: Path) -> "Ground":
        """A test row has the features of a training row."""
        source = int(np.flatnonzero(self.split.assignment == TRAIN)[0])
        target = int(np.flatnonzero(self.split.assignment == TEST)[0])
        names = [feature.name for feature in self.features.features]
        first = next(self.snapshot.batches(names, rows=source + 1)).slice(source, 1)

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:
            if not start <= target < start + block.num_rows:
                return block
            here = pa.array(np.arange(start, start + block.num_rows) == target)
            for name in names:
                copied = pc.if_else(here, first.column(name)[0], block.column(name))
                block = with_column(block, name, copied)
            return block

        return self.on(altered(self.snapshot, folder, change))

    def with_groups(self, folder: Path) -> "Ground":
        """Rows belong to groups of three that the split has never heard of."""

        def change(block: pa.RecordBatch, start: int) -> pa.RecordBatch:
            groups = np.arange(start, start + block.num_rows) // 3
            return with_column(block, ADDED, pa.array(groups))

        source = self.spec.source.model_copy(update={"group": ADDED})
        copy = self.on(altered(self.snapshot, folder, change))
        return replace(copy, spec=self.spec.model_copy(update={"source": source}))

    def on(self, snapshot: Snapshot) -> "Ground":
        """The same split, of other rows."""
        return replace(self, snapshot=snapshot, split=replace(self.split, snapshot=snapshot))

    def _numbers(self, block: pa.RecordBatch) -> np.ndarray:
        values = block.column(self.number.name).cast(pa.float64(), safe=False)
        return np.array(values.to_numpy(zero_copy_only=False))
