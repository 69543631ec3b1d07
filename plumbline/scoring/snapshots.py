"""The predictions of a snapshot: every one of its rows, beside its key."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.release.opened import Bundle
from plumbline.scoring.batch import Outcome, Scoring
from plumbline.scoring.file_sources import ParquetFiles
from plumbline.scoring.file_target import FileTarget, rejects_of
from plumbline.store import workplace

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What is in a folder of predictions."""

    scored: int
    rejected: int
    first: str
    """What is wrong with the first rejected row, if there is one."""


def score_snapshot(bundle: Bundle, snapshot: Snapshot, folder: Path) -> Outcome:
    """Write `predictions.parquet` into an existing folder, which may be an artifact's draft.

    It holds the key of every row of the snapshot and what scoring adds, in the snapshot's order.
    A row that cannot be scored is beside it, with the reason. What a process that died had done
    is gone on with.
    """
    columns = list(dict.fromkeys([*snapshot.key, *bundle.schema.names]))
    rows = ParquetFiles(where="the snapshot", paths=(snapshot.folder / DATA,), columns=columns)
    scoring = Scoring(bundle=bundle, source=rows, key=snapshot.key, keep=snapshot.key)
    return scoring.into(FileTarget(path=folder / PREDICTIONS, parts=workplace(folder)))


def summary(folder: Path) -> Predicted:
    """What `score_snapshot` left there."""
    predictions = folder / PREDICTIONS
    scored, rejects = pq.read_metadata(predictions).num_rows, rejects_of(predictions)
    if not rejects.is_file():
        return Predicted(scored=scored, rejected=0, first="")
    with pq.ParquetFile(rejects) as file:
        (first,) = next(file.iter_batches(1)).to_pylist()
    told = "row {row}, column {column!r}: {reason}".format(**first)
    return Predicted(scored=scored, rejected=pq.read_metadata(rejects).num_rows, first=told)
