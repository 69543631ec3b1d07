"""Rows that repeat, and rows that contradict each other."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from plumbline.audit.evidence import Evidence
from plumbline.audit.findings import Finding
from plumbline.extract.snapshot_sql import row_hashes
from plumbline.split.rows import TRAIN

RULE = 0.5
"""Share of rows with another's features from which repeating is the nature of the data."""


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Whole rows but for the key; and training rows with the same features and another label."""
    hashes = evidence.profile.hashes
    repeated = hashes.repeated()
    if not len(repeated):
        return
    # Only rows that share their features with another can be duplicates of any kind.
    rows = hashes.among(repeated)
    sets = np.searchsorted(repeated, hashes.values[rows])
    yield from _whole(evidence, rows, sets)
    if evidence.spec.source.task != "regression":
        yield from _conflicting(evidence, rows, sets)


def _whole(evidence: Evidence, rows: np.ndarray, sets: np.ndarray) -> Iterator[Finding]:
    others = _beside_features(evidence)
    rest = row_hashes(evidence.snapshot, others)[rows]
    order = np.lexsort((rows, rest, sets))
    same = np.append(False, (np.diff(sets[order]) == 0) & (rest[order][1:] == rest[order][:-1]))
    again = np.sort(rows[order[same]])
    if not len(again):
        return
    total = evidence.snapshot.rows
    usual = len(again) > RULE * total
    yield Finding(
        check="duplicates",
        severity="INFO" if usual else "WARN",
        column=None,
        count=len(again),
        message=f"{len(again):,} of {total:,} rows are an earlier row again, in everything but "
        "the key"
        + (
            ": the columns have few different combinations, so that this is to be expected"
            if usual
            else ""
        ),
        remedy="if they are one event told twice, SELECT DISTINCT; copies across the split are "
        "left out of val and test by split.duplicates",
        threshold="no two rows equal in all columns but the key",
        rows=tuple(again[: evidence.examples].tolist()),
    )


def _beside_features(evidence: Evidence) -> list[str]:
    """All columns but features and key: features are compared already."""
    return [
        column.name
        for column in evidence.profile.columns
        if not column.is_feature and column.name not in evidence.snapshot.key
    ]


def _conflicting(evidence: Evidence, rows: np.ndarray, sets: np.ndarray) -> Iterator[Finding]:
    train = evidence.split.assignment[rows] == TRAIN
    rows, sets = rows[train], sets[train]
    labels = _labels(evidence, rows)
    cells, counts = np.unique(np.stack([sets, labels]), axis=1, return_counts=True)
    _, first, kinds = np.unique(cells[0], return_index=True, return_counts=True)
    torn = cells[0][first][kinds > 1]
    here = np.isin(sets, torn)
    count = int(np.count_nonzero(here))
    if not count:
        return
    of_set = np.maximum.reduceat(counts, first)
    wrong = count - int(of_set[kinds > 1].sum())
    total = int(np.count_nonzero(evidence.split.assignment == TRAIN))
    usual = count > RULE * total
    yield Finding(
        check="duplicates",
        severity="INFO" if usual else "WARN",
        column=evidence.snapshot.label,
        count=count,
        message=f"{count:,} training rows have the features of a training row with another "
        f"label; no model can be right about {wrong:,} of them ({wrong / total:.2%} of all)",
        remedy="select the column that tells these rows apart, or correct the labels at the source",
        threshold="one label per combination of features, on training rows",
        rows=tuple(rows[here][: evidence.examples].tolist()),
    )


def _labels(evidence: Evidence, rows: np.ndarray) -> np.ndarray:
    """Equal numbers for equal labels of training rows, by their ascending positions: int64."""
    coding = evidence.split.coding
    parts, start = [], 0
    for block in evidence.snapshot.batches(coding.columns(evidence.snapshot.label)):
        first, last = np.searchsorted(rows, [start, start + block.num_rows])
        parts.append(coding.read(block.take(pa.array(rows[first:last] - start, pa.int64()))))
        start += block.num_rows
    labels = np.concatenate(parts)
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(len(labels))
