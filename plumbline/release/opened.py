"""A bundle that is open: raw rows in, scores out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from plumbline.baselines.predictor import Predictor
from plumbline.decision.decision import Decision
from plumbline.errors import BundleError, NormalizationError
from plumbline.normalization import apply
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.release.manifest import Manifest
from plumbline.release.raw import conform

_CORRECT = "correct the values, or leave them NULL"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle; `load_bundle` makes it of files that it verified."""

    folder: Path
    manifest: Manifest
    schema: pa.Schema
    """The raw columns that the model reads, in its order."""
    normalization: Normalization
    predictor: Predictor
    decision: Decision
    """How scores are calibrated, and what is answered by them."""

    def score(
        self, batch: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> np.ndarray:
        """Calibrated scores of raw rows: float64, shape (n,), or (n, classes or labels).

        binary: probability of label 1. multiclass: of each class. multilabel: of each label.
        regression: the label in its own unit.

        Columns are found by name, others are ignored; NULLs and categories never seen are
        treated as in training. Messages call the rows `where`, counted from `first_row`.

        Raises:
            BundleError: a column is missing, of another type, or holds what it cannot.
        """
        rows = self.conformed(batch, where=where, first_row=first_row)
        return self.score_conformed(rows, where=where, first_row=first_row)

    def conformed(
        self, batch: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> pa.RecordBatch:
        """The rows in the model's columns and types.

        Raises:
            BundleError: a column is missing, of another type, or holds what its type cannot.
        """
        return conform(batch, self.manifest.inputs, self.schema, where=where, first_row=first_row)

    def score_conformed(
        self, rows: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> np.ndarray:
        """As `score`, for rows that `conformed` returned.

        Raises:
            BundleError: a column holds what the model cannot read.
        """
        blocks = self.matrices(rows, where=where, first_row=first_row)
        said = np.concatenate([self.predictor.predict(one) for one in blocks])
        return self.decision.calibrated(said)

    def matrices(
        self, rows: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> Iterator[Matrix]:
        """Rows that `conformed` returned as the model reads them, at least one block.

        Raises:
            BundleError: a column holds what the model cannot read.
        """
        size = apply.block_rows(self.normalization)
        for at in range(0, max(1, rows.num_rows), size):
            yield self._matrix(rows.slice(at, size), where, first_row + at)

    def _matrix(self, rows: pa.RecordBatch, where: str, first_row: int) -> Matrix:
        try:
            return apply.transform(self.normalization, rows)
        except NormalizationError as error:
            raise BundleError(
                f"{_placed(where, error, first_row)}: {error.found}",
                expected=error.expected,
                remedy="correct the images" if "images" in error.values else _CORRECT,
                **{**error.values, **_row(error, first_row)},
            ) from error


def _row(error: NormalizationError, first_row: int) -> dict[str, int]:
    """The row of the first value that was refused, as far as that is known."""
    place = error.values.get("place")
    return {"row": first_row + place} if isinstance(place, int) else {}


def _placed(where: str, error: NormalizationError, first_row: int) -> str:
    """Where a value stands that was refused, as far as that is known."""
    row = _row(error, first_row).get("row")
    return where if row is None else f"{where}, row {row}"
