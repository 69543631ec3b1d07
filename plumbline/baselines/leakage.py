"""The proof that a baseline learnt nothing but its training rows: spoil the others, fit again."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from plumbline.baselines import training
from plumbline.baselines.feeding import UNKNOWN, Room, training_alone
from plumbline.baselines.fitted import Fitted
from plumbline.baselines.training import Kind
from plumbline.errors import PlumblineError
from plumbline.extract.features import FeatureTable
from plumbline.extract.sampling import sampling
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.normalization.leakage import LeakageProof
from plumbline.normalization.parameters import Normalization
from plumbline.spec import BaselinesSpec
from plumbline.split.rows import TRAIN, TrainRows
from plumbline.split.split import Split
from plumbline.split.spoilt import rows_beside, spoilt

log = logging.getLogger(__name__)

SAMPLE_ROWS = 1_000
"""Training rows that a baseline is fitted on again (count): two fits take under a second."""

ROWS_PER_LABEL = 20
"""Training rows of each label that are in the sample, however rare it is (count)."""


class Fit(Protocol):
    def __call__(self, train: TrainRows, normalization: Normalization, seed: int) -> Fitted: ...


def prove(
    kind: Kind,
    split: Split,
    features: FeatureTable,
    normalization: Normalization,
    *,
    seed: int,
    full: bool = False,
    room: Room = UNKNOWN,
    fitting: Fit | None = None,
) -> LeakageProof:
    """Fit with the rows as they are and with every other row spoilt: the same files, by byte.

    Validation, test and excluded rows are what `plumbline.split.spoilt` makes of them, their
    labels included. The fits are of a sample of the rows; `full` takes all of them.
    """
    fit = fitting or _honest(kind, room)
    kinds = {feature.name: feature.kind for feature in features.features}
    read = [*kinds, *split.coding.columns(split.snapshot.label), *filter(None, [split.weight])]
    honest = split if full else _sampled(split, read, SAMPLE_ROWS)
    rows = honest.train().count
    log.info("%s: leakage proof, fitting twice on %s training rows", kind, f"{rows:,}")
    evidence: dict[str, Any] = {
        "full": full,
        "training_rows": rows,
        "rows_spoilt": rows_beside(honest),
        "files": _saved(fit(honest.train(), normalization, seed)),
    }
    try:
        again = _saved(fit(spoilt(honest, kinds).train(), normalization, seed))
    except (PlumblineError, OSError) as error:
        return LeakageProof(passed=False, evidence={**evidence, "error": str(error)})
    names = {**evidence["files"], **again}
    differing = [name for name in names if evidence["files"].get(name) != again.get(name)]
    evidence |= {"files_again": again, "differing": differing}
    return LeakageProof(passed=not differing, evidence=evidence)


def _honest(kind: Kind, room: Room) -> Fit:
    def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
        given = training_alone(train, normalization, room)
        return training.fit(kind, given, BaselinesSpec(seed=seed))

    return fit


def _saved(fitted: Fitted) -> dict[str, str]:
    """SHA-256 by name of the files that the model is saved as."""
    with TemporaryDirectory(prefix="plumbline-proof-") as folder:
        fitted.predictor.save(Path(folder))
        files = sorted(Path(folder).iterdir())
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True, kw_only=True)
class _Sample(Snapshot):
    """Some rows of a snapshot, in memory."""

    table: pa.Table

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        table = self.table.select(list(columns)) if columns else self.table
        yield from table.to_batches(max_chunksize=rows)


def _sampled(split: Split, columns: Sequence[str], size: int) -> Split:
    """About `size` training rows and the same share of the others, chosen by their position."""
    chosen = _chosen(split, size)
    parts, start = [], 0
    for batch in split.snapshot.batches(columns):
        parts.append(batch.filter(pa.array(chosen[start : start + batch.num_rows])))
        start += batch.num_rows
    given = {field.name: getattr(split.snapshot, field.name) for field in fields(Snapshot)}
    given["rows"] = int(chosen.sum())
    given["folder"] = Path(split.snapshot.folder, "sampled rows are in memory only")
    table = pa.Table.from_batches(parts).combine_chunks()
    snapshot = _Sample(**given, table=table)
    return replace(split, snapshot=snapshot, assignment=split.assignment[chosen])


def _chosen(split: Split, size: int) -> np.ndarray:
    """Whether a row is in the sample: bool, shape (rows,)."""
    training = np.flatnonzero(split.assignment == TRAIN)
    others = np.flatnonzero(split.assignment != TRAIN)
    chosen = np.zeros(len(split.assignment), dtype=bool)
    share = min(1.0, size / len(training))
    for rows in (training, others):
        few = sampling(len(rows), max(1, round(share * len(rows))))
        chosen[rows[few.chosen(0, len(rows))]] = True
    for rows in _by_label(split):
        chosen[training[rows[:ROWS_PER_LABEL]]] = True
    return chosen


def _by_label(split: Split) -> Iterator[np.ndarray]:
    """Places among the training rows: of each class, of both values of each label."""
    if split.coding.task == "regression":
        return
    labels = split.train().labels()
    for label in labels.reshape(len(labels), -1).T:
        for value in np.unique(label):
            yield np.flatnonzero(label == value)
