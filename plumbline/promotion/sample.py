"""Rows that neither side has learned of, and what each side says of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError, NotComparable
from plumbline.evaluation.sides import Side
from plumbline.promotion.entrants import CHALLENGER, Entrant, unreadable
from plumbline.spec import PipelineSpec, PromotionSpec
from plumbline.split.rows import TestRows

_FEW = "wait for a dataset version with more rows, or promote with --override and its expiry"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Test rows of the new bundle's split without those that the champion has learned of."""

    rows: TestRows
    kept: np.ndarray
    """Of the test rows in order: bool, shape (rows.count,)."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows that are kept, in order; none is empty."""
        start = 0
        for batch in self.rows.batches(columns):
            here = self.kept[start : start + batch.num_rows]
            start += batch.num_rows
            if here.any():
                yield batch.filter(pa.array(here))

    @property
    def labels(self) -> np.ndarray:
        """As `Rows.labels`, of the rows that are kept."""
        return self.rows.labels()[self.kept]

    @property
    def groups(self) -> np.ndarray | None:
        """As `Rows.groups`, of the rows that are kept: codes without a gap."""
        found = self.rows.groups()
        return None if found is None else np.unique(found[self.kept], return_inverse=True)[1]


def side(sample: Sample, entrants: Sequence[Entrant], spec: PipelineSpec) -> Side:
    """Everybody's scores of the same rows.

    Raises:
        NotComparable: too few rows of a label, or the champion cannot read one.
        BundleError: the new bundle cannot.
    """
    labels = sample.labels
    if spec.source.task == "binary":
        require_labels(labels, spec.promotion)
    return Side(
        task=spec.source.task,
        labels=labels,
        scores=_scores(sample, entrants),
        options=spec.evaluation,
        thresholds={one.name: one.threshold for one in entrants if one.threshold is not None},
        groups=sample.groups,
    )


def require_rows(kept: np.ndarray, options: PromotionSpec) -> None:
    """Raises NotComparable where too few test rows are kept.

    kept: bool, shape (test rows,).
    """
    count, test = int(kept.sum()), len(kept)
    if count < options.min_rows:
        raise NotComparable(
            f"{count:,} of {test:,} test rows are left without those that the champion was trained "
            "on or chosen by",
            expected=f"promotion.min_rows, {options.min_rows:,}, or more",
            remedy=_FEW,
            rows=count,
            test_rows=test,
        )


def require_labels(labels: np.ndarray, options: PromotionSpec) -> None:
    """Raises NotComparable where too few rows have the rarer label; labels: 0 and 1."""
    positives = int((labels == 1).sum())
    fewest = min(positives, len(labels) - positives)
    if fewest < options.min_positives:
        raise NotComparable(
            f"{len(labels):,} rows are left that neither has learned of, {positives:,} of them "
            "positive",
            expected=f"promotion.min_positives, {options.min_positives:,}, or more of either label",
            remedy=_FEW,
            rows=len(labels),
            positives=positives,
        )


def _scores(sample: Sample, entrants: Sequence[Entrant]) -> dict[str, np.ndarray]:
    columns = list(dict.fromkeys(name for one in entrants for name in one.columns))
    parts: dict[str, list[Any]] = {one.name: [] for one in entrants}
    for batch in sample.batches(columns):
        for one in entrants:
            parts[one.name].append(_scored(one, batch))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _scored(one: Entrant, batch: pa.RecordBatch) -> np.ndarray:
    try:
        return one.score(batch)
    except BundleError as error:
        if one.name == CHALLENGER:
            raise
        raise unreadable(error) from error
