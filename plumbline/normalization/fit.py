"""Statistics of the training rows, streamed: memory does not grow with their number."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from plumbline.errors import NormalizationError
from plumbline.extract.features import FeatureTable
from plumbline.extract.snapshot import BLOCK_ROWS
from plumbline.leakage import require_side
from plumbline.normalization.columns import number, require_finite
from plumbline.normalization.moments import CELL_ROWS, TINY_UNIT, Moments, cells, extended, nothing
from plumbline.normalization.parameters import Normalization, QuantileSample, Vocabulary
from plumbline.normalization.progress import Progress
from plumbline.normalization.quantiles import Sampling, sampling
from plumbline.normalization.scales import Scaled, scaled, statistics
from plumbline.normalization.vocabulary import frequencies
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TrainRows
from plumbline.versions import NormalizationVersion

log = logging.getLogger(__name__)

_Columns = list[np.ndarray]

COLUMNS_PER_PASS = 64
"""Numeric features read together: a sample of them takes at most 64 x 200,000 x 8 bytes."""


def fit(
    train: TrainRows,
    features: FeatureTable,
    options: NormalizationSpec,
    version: NormalizationVersion,
    *,
    rows: int = BLOCK_ROWS,
) -> Normalization:
    """Fit the declared method on the training rows, `rows` snapshot rows at a time.

    NULL and NaN count as missing. Statistics are float64 and the same bits for any `rows`;
    mean and spread merge cell by cell (`moments.extended`). Medians and quantiles are exact
    up to `SAMPLE_ROWS` training rows, then of the sample that `Sampling` describes.

    Raises:
        LeakageError: `train` is anything but training rows.
        NormalizationError: a value is infinite or not a number, a spread exceeds float64,
            or no feature is left.
    """
    require_side(train, TrainRows, "fitted by a normalization")
    sample = sampling(train.count) if options.method in ("robust", "quantile") else None
    numeric = _scaled_columns(train, _named(features, "numeric"), options.method, sample, rows)
    categories, dropped = _vocabularies(
        train, _named(features, "category"), options.max_categories, rows
    )
    fitted = Normalization(
        version=version,
        method=options.method,
        row_count=train.count,
        numeric=tuple(one.feature for one in numeric if one.feature),
        categories=categories,
        indicators=tuple(one.name for one in numeric if one.indicator),
        dropped={one.name: one.dropped for one in numeric if one.dropped} | dropped,
        sample=sample and QuantileSample(rows=sample.rows, of=sample.of, exact=sample.exact),
        images=features.images,
    )
    _require_features(fitted)
    return fitted


def _scaled_columns(
    train: TrainRows, names: Sequence[str], method: str, sample: Sampling | None, rows: int
) -> list[Scaled]:
    """What each numeric feature comes to, in the order of `names`."""
    results: list[Scaled] = []
    for first in range(0, len(names), COLUMNS_PER_PASS):
        block = names[first : first + COLUMNS_PER_PASS]
        measured, sampled = _measured(train, block, sample, rows)
        require_finite(measured.infinite, block, train.count, "training rows")
        columns = statistics(block, train.count, measured, sampled)
        results += [scaled(column, method) for column in columns]
    return results


def _measured(
    train: TrainRows, names: Sequence[str], sample: Sampling | None, rows: int
) -> tuple[Moments, np.ndarray | None]:
    """Moments, with another pass for those that need a unit of their own; sampled values."""
    found, sampled = _pass(train, names, sample, rows)
    tiny = np.flatnonzero(found.tiny)
    if tiny.size:
        others, _ = _pass(train, [names[i] for i in tiny.tolist()], None, rows, unit=TINY_UNIT)
        found = found.with_features(tiny, others)
    return found, sampled


def _pass(
    train: TrainRows,
    names: Sequence[str],
    sample: Sampling | None,
    rows: int,
    *,
    unit: float = 1.0,
) -> tuple[Moments, np.ndarray | None]:
    """Moments; and values of the sampled rows, float64, shape (d, sample.rows), NaN if missing."""
    total = nothing(len(names), unit)
    sampled = np.empty((len(names), sample.rows)) if sample else None
    start = filled = 0
    progress = Progress(log, "normalization", train.count)
    batches = ([number(batch, name) for name in names] for batch in train.batches(names, rows))
    for cell in cells(_ahead(batches), CELL_ROWS):
        total = extended(total, cell)
        if sample is not None and sampled is not None:
            chosen = np.flatnonzero(sample.chosen(start, len(cell[0])))
            for row, values in zip(sampled, cell, strict=True):
                row[filled : filled + len(chosen)] = values[chosen]
            filled += len(chosen)
        start += len(cell[0])
        progress.advance(len(cell[0]))
    return total, sampled


def _ahead(batches: Iterable[_Columns]) -> Iterator[_Columns]:
    """The same batches, the next one being read while the caller computes on one."""
    source = iter(batches)
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, source, None)
        while (columns := waiting.result()) is not None:
            waiting = reader.submit(next, source, None)
            yield columns


def _vocabularies(
    train: TrainRows, names: Sequence[str], size: int, rows: int
) -> tuple[tuple[Vocabulary, ...], dict[str, str]]:
    kept: list[Vocabulary] = []
    dropped: dict[str, str] = {}
    for name in names:
        found = frequencies(train, name, size, rows=rows)
        if found.distinct == 0:
            dropped[name] = "NULL in every training row"
        elif found.distinct == 1 and found.nulls == 0:
            dropped[name] = f"constant in the training rows ({found.values[0]!r})"
        else:
            kept.append(Vocabulary(name=name, **vars(found)))
    return tuple(kept), dropped


def _named(features: FeatureTable, kind: str) -> list[str]:
    return [feature.name for feature in features.features if feature.kind == kind]


def _require_features(fitted: Normalization) -> None:
    if not fitted.tabular.columns:
        reasons = ", ".join(f"{name}: {reason}" for name, reason in fitted.dropped.items())
        raise NormalizationError(
            f"no feature says anything in the {fitted.row_count:,} training rows ({reasons})",
            expected="at least one feature that varies",
            remedy="select other columns, or move the split's borders",
            dropped=fitted.dropped,
        )
