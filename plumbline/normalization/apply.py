"""Raw rows to a `Matrix`, and the normalization's artifact."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import NormalizationError
from plumbline.extract.features import FeatureTable
from plumbline.extract.images import pixels
from plumbline.extract.snapshot import BLOCK_ROWS
from plumbline.normalization.columns import (
    infinities,
    numbers,
    require_columns,
    require_finite,
    texts,
    type_named,
)
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import FIRST_VALUE, MISSING, UNKNOWN, Matrix
from plumbline.normalization.parameters import Normalization, Vocabulary
from plumbline.normalization.progress import Progress
from plumbline.normalization.quantiles import normal_scores
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import Rows, TrainRows
from plumbline.versions import NormalizationVersion

log = logging.getLogger(__name__)

PARAMETERS = "normalization.json"

IMAGE_BYTES = 64 * 2**20
"""Pixels that are decoded together (bytes)."""


def transform(normalization: Normalization, batch: pa.RecordBatch) -> Matrix:
    """Raw rows as the models read them: float64 arithmetic, float32 result.

    Columns are found by name and cast to the kind they had in training; others are ignored.
    NULL and NaN take the feature's `fill` and set its indicator. A category value without a
    code becomes `UNKNOWN`, NULL becomes `MISSING`. Images are decoded.

    Raises:
        NormalizationError: a column is missing, cannot be cast, is infinite, or lies so far
            out that float32 cannot hold it; or an image cannot be read.
    """
    require_columns(batch, normalization.columns)
    raw = numbers(batch, normalization.number_columns)
    require_finite(infinities(raw), normalization.number_columns, batch.num_rows, "rows")
    missing = np.isnan(raw)
    width = len(normalization.numeric)
    numeric = np.empty((batch.num_rows, len(normalization.numeric_names)), dtype=np.float32)
    numeric[:, :width] = _scaled(normalization, raw[:width], missing[:width]).T
    at = [normalization.number_columns.index(name) for name in normalization.indicators]
    numeric[:, width:] = missing[at].T
    return Matrix(
        numeric=numeric,
        codes=_codes(normalization, batch),
        numeric_names=normalization.numeric_names,
        category_names=normalization.category_names,
        images={one.name: pixels(batch.column(one.name), one) for one in normalization.images},
    )


def block_rows(normalization: Normalization) -> int:
    """Rows to transform together: a block of the snapshot, or fewer where images are large."""
    size = sum(one.bytes for one in normalization.images)
    return max(1, min(BLOCK_ROWS, IMAGE_BYTES // max(1, size)))


def matrices(rows: Rows, normalization: Normalization) -> Iterator[Matrix]:
    """One side of the split, transformed, a block at a time.

    Raises:
        NormalizationError: as `transform`.
    """
    for batch in rows.batches(normalization.columns, block_rows(normalization)):
        yield transform(normalization, batch)


def load_matrix(rows: Rows, normalization: Normalization) -> Matrix:
    """One side of the split, transformed, whole in memory.

    Raises:
        NormalizationError: as `transform`.
    """
    count = rows.count
    numeric = np.empty((count, len(normalization.numeric_names)), dtype=np.float32)
    codes = np.empty((count, len(normalization.category_names)), dtype=np.int32)
    images = {one.name: np.empty((count, *one.shape), np.uint8) for one in normalization.images}
    progress = Progress(log, f"transforming {type(rows).__name__}", count)
    start = 0
    for part in matrices(rows, normalization):
        numeric[start : start + len(part)] = part.numeric
        codes[start : start + len(part)] = part.codes
        for name, values in part.images.items():
            images[name][start : start + len(part)] = values
        start += len(part)
        progress.advance(len(part))
    return Matrix(
        numeric=numeric,
        codes=codes,
        numeric_names=normalization.numeric_names,
        category_names=normalization.category_names,
        images=images,
    )


def build(
    train: TrainRows,
    features: FeatureTable,
    options: NormalizationSpec,
    version: NormalizationVersion,
    folder: Path,
) -> None:
    """Fit on the training rows and write the parameters into an existing folder.

    Raises:
        LeakageError, NormalizationError: as `fit`.
    """
    fitted = fit(train, features, options, version)
    text = json.dumps(fitted.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / PARAMETERS).write_text(text, "utf-8")
    log.info(
        "normalization %s fitted on %s training rows: %d numeric, %d categories, %d dropped",
        fitted.method,
        f"{fitted.row_count:,}",
        len(fitted.numeric),
        len(fitted.categories),
        len(fitted.dropped),
    )


def load(folder: Path) -> Normalization:
    """The normalization that `build` wrote."""
    return Normalization.from_json(json.loads((folder / PARAMETERS).read_text("utf-8")))


def _scaled(normalization: Normalization, raw: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Scaled values: float64, shape (d, n)."""
    values = np.where(missing, normalization.numbers("fill")[:, None], raw)
    if normalization.method == "quantile":
        for i, table in enumerate(normalization.tables):
            values[i] = normal_scores(values[i], table)
        return values
    with np.errstate(over="ignore"):
        values -= normalization.numbers("center")[:, None]
        values /= normalization.numbers("scale")[:, None]
    _require_float32(normalization, values)
    return values


def _require_float32(normalization: Normalization, values: np.ndarray) -> None:
    beyond = (np.abs(values) > np.finfo(np.float32).max).sum(axis=1)
    far = {one.name: int(n) for one, n in zip(normalization.numeric, beyond, strict=True) if n}
    if far:
        told = ", ".join(f"{count:,} in {name!r}" for name, count in far.items())
        raise NormalizationError(
            f"values too far from the training rows for float32: {told}",
            expected="values of the size seen in training",
            remedy="correct or filter these rows in the SQL",
            far=far,
        )


def _codes(normalization: Normalization, batch: pa.RecordBatch) -> np.ndarray:
    codes = np.empty((batch.num_rows, len(normalization.categories)), dtype=np.int32)
    pairs = zip(normalization.categories, normalization.value_sets, strict=True)
    for i, (vocabulary, values) in enumerate(pairs):
        codes[:, i] = _code(vocabulary, values, batch)
    return codes


def _code(vocabulary: Vocabulary, values: pa.Array, batch: pa.RecordBatch) -> np.ndarray:
    found = texts(batch, vocabulary.name, type_named(vocabulary.arrow_type))
    index = pc.index_in(found, value_set=values).fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.where(index < 0, UNKNOWN, index + FIRST_VALUE)
    return np.where(found.is_null().to_numpy(zero_copy_only=False), MISSING, codes)
