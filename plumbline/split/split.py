"""The split of a snapshot: assigned once, certified, stored beside it."""

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.errors import SplitError
from plumbline.extract.labels import LabelCoding, coding
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.spec import PipelineSpec
from plumbline.split.certificate import certify
from plumbline.split.demands import require_both_labels
from plumbline.split.placement import place
from plumbline.split.rows import NAMES, TrainRows, ValRows, _mint
from plumbline.versions import SplitVersion

log = logging.getLogger(__name__)

ASSIGNMENT = "assignment.parquet"
CERTIFICATE = "certificate.json"
SIDE_COLUMN = "split"


@dataclass(frozen=True, kw_only=True)
class Split:
    """Every row of a snapshot on one side or on none; hands out what to train and choose by."""

    version: SplitVersion
    snapshot: Snapshot
    assignment: np.ndarray
    """Code of every row of the snapshot: int8, shape (snapshot.rows,), read-only."""
    coding: LabelCoding
    certificate: dict[str, Any]
    assignment_digest: str
    weight: str | None = None
    """The column that says what a row counts for; None: all alike."""
    group: str | None = None
    """The column whose equal values are on one side; None: rows are independent."""

    def train(self) -> TrainRows:
        return TrainRows(**self._parts, minted=_mint)

    def validation(self) -> ValRows:
        return ValRows(**self._parts, minted=_mint)

    @property
    def _parts(self) -> dict[str, Any]:
        names = ("snapshot", "assignment", "coding", "weight", "group")
        return {name: getattr(self, name) for name in names}

    @property
    def counts(self) -> dict[str, int]:
        """Rows by side."""
        return {name: side["rows"] for name, side in self.certificate["sides"].items()}


def build(snapshot: Snapshot, spec: PipelineSpec, folder: Path) -> None:
    """Assign every row, certify, and write both into an existing folder.

    Raises:
        SplitError: a row cannot be placed, or a side is empty or has one label only.
        LabelViolation: a label is not of the task.
    """
    started = time.monotonic()
    _require_free_name(spec)
    placed = place(snapshot, spec)
    certificate = certify(snapshot, spec, placed.assignment, placed.exclusions)
    require_both_labels(certificate, spec)
    _write_assignment(snapshot, spec, placed.assignment, folder / ASSIGNMENT)
    text = json.dumps(certificate, indent=1, ensure_ascii=False)
    (folder / CERTIFICATE).write_text(text, "utf-8")
    seconds = time.monotonic() - started
    counts = {**certificate["sides"], "excluded": certificate["excluded"]}
    told = ", ".join(f"{name} {one['rows']:,}" for name, one in counts.items())
    log.info("split %s rows in %.1f s: %s", f"{snapshot.rows:,}", seconds, told)


def load(folder: Path, snapshot: Snapshot, spec: PipelineSpec, version: SplitVersion) -> Split:
    """The split that `build` wrote.

    Raises:
        SplitError: the folder holds the split of other data.
    """
    certificate = json.loads((folder / CERTIFICATE).read_text("utf-8"))
    assignment = _read_assignment(folder / ASSIGNMENT)
    if certificate["dataset"]["digest"] != snapshot.digest or len(assignment) != snapshot.rows:
        raise SplitError(
            f"{folder} holds the split of {len(assignment):,} rows with the digest "
            f"{certificate['dataset']['digest'][:12]}",
            expected=f"{snapshot.rows:,} rows with the digest {snapshot.digest[:12]}",
            remedy="materialize the split for this dataset version",
        )
    return Split(
        version=version,
        snapshot=snapshot,
        assignment=assignment,
        coding=coding(snapshot, spec),
        certificate=certificate,
        assignment_digest=certificate["assignment_digest"],
        weight=spec.source.weight,
        group=spec.source.group,
    )


def row(split: Split, spec: PipelineSpec) -> dict[str, Any]:
    """The split's row of `split_versions`."""
    return {
        "split_version": split.version,
        "pipeline": split.snapshot.pipeline,
        "dataset_version": split.snapshot.dataset_version,
        "policy": spec.split.model_dump(mode="json"),
        **{f"{name}_rows": count for name, count in split.counts.items()},
        "excluded_rows": split.certificate["excluded"]["rows"],
        "assignment_digest": split.assignment_digest,
        "certificate": split.certificate,
    }


def _write_assignment(
    snapshot: Snapshot, spec: PipelineSpec, assignment: np.ndarray, path: Path
) -> None:
    writer, start = None, 0
    encoded: Any = [SIDE_COLUMN]
    for keys in snapshot.batches(spec.source.key):
        sides = assignment[start : start + keys.num_rows]
        start += keys.num_rows
        block = keys.append_column(SIDE_COLUMN, _named(sides))
        writer = writer or pq.ParquetWriter(
            path, block.schema, compression="lz4", use_dictionary=encoded
        )
        writer.write_batch(block, row_group_size=BLOCK_ROWS)
    if writer:
        writer.close()


def _named(sides: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(sides, pa.array(NAMES)).cast(pa.string())


def _read_assignment(path: Path) -> np.ndarray:
    # Block by block: the names of all rows would take twenty times the memory of their codes.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        assignment, start = np.empty(file.metadata.num_rows, dtype=np.int8), 0
        for block in file.iter_batches(BLOCK_ROWS, columns=[SIDE_COLUMN]):
            codes = pc.index_in(block.column(0), value_set=pa.array(NAMES))
            assignment[start : start + len(block)] = codes.to_numpy(zero_copy_only=False)
            start += len(block)
    assignment.flags.writeable = False
    return assignment


def _require_free_name(spec: PipelineSpec) -> None:
    if SIDE_COLUMN in spec.source.key:
        raise SplitError(
            f"a key column is named {SIDE_COLUMN!r}",
            expected=f"the name {SIDE_COLUMN!r} free for the side of each row",
            remedy=f"rename it with AS in {spec.source.sql} and in source.key",
        )
