"""A bundle made ready to answer: few rows fast, many rows at full speed, the same scores."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.network.predictor import KerasPredictor
from plumbline.release.archive import opened
from plumbline.release.bundle import load_bundle
from plumbline.release.expectations import reproduces
from plumbline.release.opened import Bundle

log = logging.getLogger(__name__)

FEW_ROWS, MANY_ROWS = 32, 16_384
"""Rows of a network's calls, beside `network.predictor.BATCH_ROWS`: where no more are asked for,
and where at least as many are. Every shape is compiled before the first request."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores conformed rows. Calls the model from one thread at a time."""

    bundle: Bundle
    few: Bundle
    """The same for `FEW_ROWS` rows at most."""
    many: Bundle
    """The same for multiples of `MANY_ROWS`."""

    @classmethod
    def load(cls, path: Path, *, public_key: str | None = None) -> Self:
        """The bundle at `path`, a folder or an archive, verified and warm.

        Raises:
            BundleError: as `load_bundle`.
        """
        with opened(path, public_key=public_key) as folder:
            bundle = load_bundle(folder)
            few, many = (_shaped(bundle, rows) for rows in (FEW_ROWS, MANY_ROWS))
        return cls(bundle=bundle, few=few, many=many)

    def conform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows in the model's columns and types; raises BundleError as `conform` does."""
        try:
            return self.bundle.conformed(batch)
        except pa.ArrowException as error:  # a cast that Arrow does not know
            reason = str(error).partition("\n")[0]
            raise BundleError(
                f"the rows cannot be read as the model's columns ({reason})",
                expected=str(self.bundle.schema).replace("\n", ", "),
                remedy="give the columns in the types that the extract's SQL selects",
            ) from error

    def score(self, rows: pa.RecordBatch, first_row: int = 1) -> np.ndarray:
        """Calibrated scores of conformed rows: float64, shape (n,), or (n, classes or labels).

        Messages count the rows from `first_row`.

        Raises:
            BundleError: a value is infinite or so far out that the model has no answer.
        """
        scores = self._scores(rows, first_row)
        finite = np.isfinite(scores).all(axis=tuple(range(1, scores.ndim)))
        if not finite.all():
            row = first_row + int(np.argmin(finite))
            raise BundleError(
                f"the model has no finite score for {(~finite).sum():,} of {len(scores):,} rows; "
                f"the first is row {row}",
                expected="numbers of the size seen in training",
                remedy="correct the values, or leave them NULL",
                row=row,
            )
        return scores

    def outputs(self, scores: np.ndarray) -> pa.RecordBatch:
        """What is answered and logged of each row: the columns of `answers`."""
        return self.bundle.decision.outputs(scores)

    @cached_property
    def answers(self) -> pa.Schema:
        """Names and types of what is answered of a row."""
        return self.bundle.decision.schema

    @property
    def classes(self) -> tuple[str, ...]:
        """What the places of a row's `scores` stand for; none where it has one `score`."""
        several = "scores" in self.answers.names
        return self.bundle.decision.classes if several else ()

    @property
    def versions(self) -> dict[str, str]:
        """What an answer comes from."""
        versions = self.bundle.manifest.versions
        names = ("model_version", "dataset_version", "normalization_version", "bundle_version")
        return {name: getattr(versions, name) for name in names}

    def _scores(self, rows: pa.RecordBatch, first_row: int) -> np.ndarray:
        if rows.num_rows <= FEW_ROWS:
            return self.few.score_conformed(rows, first_row=first_row)
        whole = rows.num_rows - rows.num_rows % MANY_ROWS
        parts = [(self.many, 0, whole), (self.bundle, whole, rows.num_rows)]
        return np.concatenate([
            bundle.score_conformed(rows.slice(start, end - start), first_row=first_row + start)
            for bundle, start, end in parts
            if start < end
        ])  # fmt: skip


def _shaped(bundle: Bundle, rows: int) -> Bundle:
    """The bundle with a network's calls of so many rows, if its golden rows then agree.

    Trees have no shape: they are as they were.
    """
    predictor: Any = bundle.predictor
    if not isinstance(predictor, KerasPredictor):
        return bundle
    shaped = replace(bundle, predictor=replace(predictor, call_rows=rows))
    if not reproduces(shaped):
        log.warning("calls of %d rows change the golden rows' scores: not used", rows)
        return bundle
    return shaped
