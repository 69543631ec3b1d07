"""What the sample says of one column: quantiles, histogram, skill, order and shift."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from plumbline.audit import codes, histograms, order, shift, skill
from plumbline.audit.codes import Coded
from plumbline.audit.profile import QUANTILES, ColumnProfile, Edge
from plumbline.audit.sample import Sample

EDGE = 0.01
"""Share of the rows from which a value at the end of the range is told apart (fraction)."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What all columns are measured on."""

    sample: Sample
    rate: float
    """False-alarm rate of each single comparison of two sides (fraction)."""
    examples: int
    """Rows that are remembered of a shift (count)."""

    def numbers(self, found: ColumnProfile, values: np.ndarray) -> ColumnProfile:
        """`found` with what its sampled values say: float64, NaN where missing."""
        coded, ordered = codes.of_numbers(values)
        places = (np.array(QUANTILES) * (len(ordered) - 1)).astype(np.int64)
        found = replace(
            found,
            quantiles=tuple(ordered[places].tolist()) if len(ordered) else (),
            edges=_edges(ordered),
        )
        if not found.is_feature:
            return found
        found = replace(found, histogram=histograms.of_numbers(values, ordered, coded, self.sample))
        return self._related(found, coded, values[self.sample.train])

    def categories(self, found: ColumnProfile, values: pa.Array) -> ColumnProfile:
        """`found` with what its sampled values say: strings, NULL where missing."""
        if not found.is_feature:
            return found
        coded, names = codes.of_categories(values)
        found = replace(found, histogram=histograms.of_categories(coded, names, self.sample))
        return self._related(found, coded, None)

    def _related(
        self, found: ColumnProfile, coded: Coded, numbers: np.ndarray | None
    ) -> ColumnProfile:
        sample = self.sample
        train = replace(coded, codes=coded.codes[sample.train])
        return replace(
            found,
            skill=skill.skill(train, numbers, sample.labels, sample.folds),
            order=order.rank_by_order(train) if coded.ordered else 0.0,
            shifts=shift.shifts(coded, sample, self.rate, self.examples),
        )


def _edges(ordered: np.ndarray) -> tuple[Edge, ...]:
    """Values at the ends that many rows have: float64, ascending, without NaN."""
    if not len(ordered):
        return ()
    first = int(np.searchsorted(ordered, ordered[0], side="right"))
    last = int(np.searchsorted(ordered, ordered[-1], side="left"))
    if first == len(ordered):
        return ()
    low = Edge(value=float(ordered[0]), nearest=float(ordered[first]), share=first / len(ordered))
    high = Edge(
        value=float(ordered[-1]),
        nearest=float(ordered[last - 1]),
        share=1 - last / len(ordered),
    )
    return tuple(edge for edge in (low, high) if edge.share >= EDGE)
