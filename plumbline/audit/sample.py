"""The rows that distributions are taken from: chosen by position, the same for all columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from plumbline.extract.labels import LabelCoding
from plumbline.extract.sampling import sampling, splitmix64
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.spec import PipelineSpec
from plumbline.split.rows import SIDES, TRAIN
from plumbline.split.split import Split
from plumbline.split.times import micros

ROWS = 100_000
"""Rows in the sample, at most: a share in it is known to a third of a percentage point."""

BLOCKS = 8
"""Parts of the training rows, in order of time, that shifts in time are measured by (count)."""

CLASSES = 20
"""Classes of the label that skill is measured on: the commonest (count)."""

GROUPS = 4
"""Groups of the label that are told apart in histograms; the rarest classes share the last."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The label of the training rows; that of the others is not looked at."""

    coding: LabelCoding
    counts: tuple[int, ...]
    """Training rows by class or label, all of them and not of a sample; empty for regression."""
    sampled: np.ndarray
    """Codes (int16) or values (float64) of the sampled training rows, in order: shape (n,). Of
    several labels 0 and 1: shape (n, labels)."""

    @property
    def commonest(self) -> list[int]:
        """Codes of the classes that skill is measured on, by code."""
        ranked = np.argsort(-np.array(self.counts), kind="stable")[:CLASSES]
        return sorted(int(code) for code in ranked if self.counts[code])

    def members(self, code: int) -> np.ndarray:
        """Whether a sampled training row is of a class, or has one of several labels."""
        if self.coding.task == "multilabel":
            return self.sampled[:, code] == 1
        return self.sampled == code

    def groups(self, most: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """Sampled training rows in at most `most` groups to draw, and the groups' names."""
        if self.coding.task == "regression":
            thirds = np.quantile(self.sampled, [1 / 3, 2 / 3]) if len(self.sampled) else [0.0, 0.0]
            names = (f"up to {thirds[0]:.4g}", "between", f"above {thirds[1]:.4g}")
            return np.searchsorted(thirds, self.sampled), names
        if self.coding.task == "multilabel":
            names = ("no label", "1 label", *(f"{n} labels" for n in range(2, most - 1)))
            several = (*names, f"{most - 1} labels or more")
            return np.minimum(self.sampled.sum(axis=1, dtype=np.int64), most - 1), several
        names = self.coding.classes
        if len(names) <= most:
            return self.sampled.astype(np.int64), names
        kept = np.argsort(-np.array(self.counts), kind="stable")[: most - 1]
        place = np.full(len(names), most - 1)
        place[kept] = np.arange(most - 1)
        return place[self.sampled], (
            *(names[code] for code in kept),
            f"{len(names) - most + 1} others",
        )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows on a side of the split, or a fixed part of them."""

    of: int
    """Rows of the snapshot."""
    positions: np.ndarray
    """In the snapshot, ascending: int64, shape (n,)."""
    sides: np.ndarray
    """TRAIN, VAL or TEST: int64, shape (n,)."""
    labels: Labels
    folds: np.ndarray
    """Halves of the training rows, by hash: bool, shape (training rows,)."""
    periods: np.ndarray | None
    """Which of `BLOCKS` parts in time a training row is in: int64, shape (training rows,).
    None where the sides do not follow each other in time."""
    weights: tuple[float, ...]
    """Independent units per row of train, val and test: 1, or groups per row."""

    @property
    def complete(self) -> bool:
        """Whether no row on a side was left out."""
        return self.of <= ROWS

    @cached_property
    def train(self) -> np.ndarray:
        """Whether a row is a training row: bool, shape (n,)."""
        return self.sides == TRAIN

    @cached_property
    def groups(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Training rows in a few groups of their label, and the groups' names."""
        return self.labels.groups(GROUPS)

    @cached_property
    def units(self) -> tuple[float, ...]:
        """Independent rows in the sample, of train, val and test."""
        counts = np.bincount(self.sides, minlength=len(SIDES))
        return tuple(float(n * w) for n, w in zip(counts, self.weights, strict=True))

    def parts(self, rows: int) -> Iterator[np.ndarray]:
        """Positions within each block of `rows` snapshot rows: int64."""
        edges = np.searchsorted(self.positions, np.arange(0, self.of + rows, rows))
        for at, (first, last) in enumerate(pairwise(edges)):
            yield self.positions[first:last] - at * rows

    @property
    def told(self) -> str:
        """For messages: empty where the sample is all rows."""
        return "" if self.complete else f" (in a sample of {len(self.positions):,} rows)"


def draw(split: Split, spec: PipelineSpec) -> Sample:
    """The sample of a split's rows. Rows on no side are left out.

    Raises:
        LabelViolation: a training row's label is none that was declared.
    """
    snapshot = split.snapshot
    positions, halves = _chosen(split)
    sides = split.assignment[positions].astype(np.int64)
    return Sample(
        of=snapshot.rows,
        positions=positions,
        sides=sides,
        labels=_labels(split, spec, positions),
        folds=halves[sides == TRAIN],
        periods=_periods(snapshot, spec, positions, sides),
        weights=_weights(snapshot, spec, positions, sides),
    )


def _chosen(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the sampled rows on a side, and which half each is in, by hash."""
    threshold = np.uint64(sampling(split.snapshot.rows, ROWS).threshold)
    positions, halves = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=bool)]
    for start in range(0, split.snapshot.rows, BLOCK_ROWS):
        sides = split.assignment[start : start + BLOCK_ROWS]
        hashes = splitmix64(start, len(sides))
        here = np.flatnonzero((hashes <= threshold) & (sides < len(SIDES)))
        positions.append(here + start)
        halves.append((hashes[here] & np.uint64(1)).astype(bool))
    return np.concatenate(positions), np.concatenate(halves)


def _labels(split: Split, spec: PipelineSpec, positions: np.ndarray) -> Labels:
    code = split.coding
    counts = np.zeros(len(code.classes), dtype=np.int64)
    parts, start = [], 0
    for block in split.snapshot.batches(spec.source.label_columns):
        stop = start + block.num_rows
        here = np.flatnonzero(split.assignment[start:stop] == TRAIN)
        encoded = code.read(block.take(pa.array(here, pa.int64())))
        if code.task == "multilabel":
            counts += encoded.sum(axis=0)
        elif code.classes:
            counts += np.bincount(encoded, minlength=len(counts))
        first, last = np.searchsorted(positions, [start, stop])
        parts.append(encoded[np.isin(here, positions[first:last] - start, assume_unique=True)])
        start = stop
    return Labels(coding=code, counts=tuple(counts.tolist()), sampled=np.concatenate(parts))


def _values(snapshot: Snapshot, column: str, positions: np.ndarray) -> pa.Array:
    """One column's values at ascending positions."""
    parts, start = [], 0
    for block in snapshot.batches([column]):
        first, last = np.searchsorted(positions, [start, start + block.num_rows])
        parts.append(block.column(0).take(positions[first:last] - start))
        start += block.num_rows
    return pa.concat_arrays(parts)


def _periods(
    snapshot: Snapshot, spec: PipelineSpec, positions: np.ndarray, sides: np.ndarray
) -> np.ndarray | None:
    """Parts in time of the training rows, where val and test come after them."""
    column = spec.source.timestamp
    if column is None or snapshot.column(column).nulls:
        return None
    moments = micros(_values(snapshot, column, positions), column)
    train, later = moments[sides == TRAIN], moments[sides != TRAIN]
    if not len(train) or not len(later) or train.max() > later.min():
        return None
    periods = np.empty(len(train), dtype=np.int64)
    periods[np.argsort(train, kind="stable")] = np.arange(len(train)) * BLOCKS // len(train)
    return periods


def _weights(
    snapshot: Snapshot, spec: PipelineSpec, positions: np.ndarray, sides: np.ndarray
) -> tuple[float, ...]:
    """Rows of a group may be alike, so that groups are what counts as independent."""
    if spec.source.group is None:
        return (1.0,) * len(SIDES)
    groups = _values(snapshot, spec.source.group, positions)
    return tuple(
        len(here.unique()) / max(len(here), 1)
        for side in range(len(SIDES))
        if (here := groups.filter(pa.array(sides == side))) is not None
    )
