"""Scores for files and snapshots, beside the versions that made them."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import BundleError
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.release.bundle import Bundle, load_bundle
from plumbline.release.manifest import Manifest
from plumbline.release.raw import parsed_schema, require_columns
from plumbline.release.table_files import Source, format_of, writing

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.parquet"
SECONDS_BETWEEN_LINES = 2.0

OUTPUT = pa.schema(
    [
        ("score", pa.float64()),
        ("predicted", pa.int8()),
        ("model_version", pa.string()),
        ("dataset_version", pa.string()),
        ("normalization_version", pa.string()),
    ]
)
"""What scoring adds: probability of label 1, 1 where it reaches the threshold, versions."""


def score_file(bundle_folder: Path, source: Path, target: Path, *, rows: int = BLOCK_ROWS) -> int:
    """Score a Parquet or CSV file of raw rows into another; the number of rows.

    The target holds the source's columns and those of `OUTPUT`. Rows are read `rows` at a
    time; the target appears whole or not at all.

    Raises:
        BundleError: the bundle does not verify; a suffix is unknown; a file cannot be read or
            written; a column is missing or holds what its type cannot.
    """
    format_of(source)
    format_of(target)
    _require_separate(bundle_folder, source, target)
    bundle = load_bundle(bundle_folder)
    inputs = bundle.manifest.inputs
    table = Source(path=source, types=parsed_schema(inputs, bundle.schema))
    found = table.schema
    require_columns(found, inputs, bundle.schema, where=str(source))
    _require_names(found, source)
    with writing(target, pa.schema([*found, *OUTPUT])) as writer:
        done = 0
        for batch, first in _numbered(table.batches(rows)):
            scores = bundle.score(batch, where=str(source), first_row=first)
            writer.write_batch(_beside(batch, scores, bundle.manifest))
            done += batch.num_rows
    return done


def score_snapshot(bundle: Bundle, snapshot: Snapshot, folder: Path) -> int:
    """Write `predictions.parquet` into an existing folder; the number of rows.

    It holds the key columns of every row of the snapshot and the columns of `OUTPUT`, in the
    snapshot's order.
    """
    columns = list(dict.fromkeys([*snapshot.key, *bundle.schema.names]))
    writer, done = None, 0
    try:
        for batch, first in _numbered(snapshot.batches(columns)):
            scores = bundle.score(batch, where="the snapshot", first_row=first)
            scored = _beside(batch.select(list(snapshot.key)), scores, bundle.manifest)
            writer = writer or pq.ParquetWriter(folder / PREDICTIONS, scored.schema)
            writer.write_batch(scored)
            done += scored.num_rows
    finally:
        if writer is not None:
            writer.close()
    return done


def _beside(kept: pa.RecordBatch, scores: np.ndarray, manifest: Manifest) -> pa.RecordBatch:
    """The columns of `OUTPUT` to the right of `kept`."""
    versions = [pa.scalar(getattr(manifest.versions, name)) for name in OUTPUT.names[2:]]
    added = [
        pa.array(scores),
        pa.array((scores >= manifest.threshold).astype(np.int8)),
        *(pa.repeat(version, len(scores)) for version in versions),
    ]
    schema = pa.schema([*kept.schema, *OUTPUT])
    return pa.RecordBatch.from_arrays([*kept.columns, *added], schema=schema)


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Each batch with the number of its first row, counted from 1; progress is logged."""
    done, started, told = 0, time.monotonic(), time.monotonic()
    for batch in batches:
        yield batch, done + 1
        done += batch.num_rows
        now = time.monotonic()
        if now - told > SECONDS_BETWEEN_LINES:
            log.info("scored %s rows, %.0f rows/s", f"{done:,}", done / (now - started))
            told = now


def _require_separate(bundle_folder: Path, source: Path, target: Path) -> None:
    place = target.resolve()
    if place == source.resolve() or place.is_relative_to(bundle_folder.resolve()):
        raise BundleError(
            f"{target} would overwrite the rows to score or the bundle",
            expected="a target beside them",
            remedy="choose another name for the output",
        )


def _require_names(schema: pa.Schema, source: Path) -> None:
    names = schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    taken = sorted(set(names) & set(OUTPUT.names))
    if twice or taken:
        raise BundleError(
            f"{source} has "
            + (f"columns of the same name: {', '.join(twice)}" if twice else "")
            + (f"columns that scoring adds: {', '.join(taken)}" if taken and not twice else ""),
            expected=f"distinct columns, none of them {', '.join(OUTPUT.names)}",
            remedy="rename or drop them",
            columns=twice or taken,
        )
