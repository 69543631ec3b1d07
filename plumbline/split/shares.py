"""Shares of rows by a hash: of all, of each label, and of each label with whole groups."""

from math import floor

import numpy as np

from plumbline.spec import HashSplit, StratifiedSplit
from plumbline.split.evening import evened, is_small
from plumbline.split.keys import derived_key
from plumbline.split.rows import TEST, TRAIN, VAL

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio."""


def of_all(hashes: np.ndarray, split: HashSplit | StratifiedSplit) -> np.ndarray:
    """Sides by where each hash lies in the range of all: int8, shape (n,).

    hashes: uint64, shape (n,). Test rows take the low end and validation rows the high end,
    so that another share of one does not move the other.
    """
    sides = np.full(len(hashes), TRAIN, dtype=np.int8)
    sides[hashes < np.uint64(round(split.test * 2**64))] = TEST
    sides[hashes > np.uint64(2**64 - 1 - round(split.val * 2**64))] = VAL
    return sides


def of_labels(hashes: np.ndarray, label: np.ndarray, split: StratifiedSplit) -> np.ndarray:
    """Sides of rows that go one by one: int8, shape (n,); shares per label exact to one row.

    hashes: of the keys, uint64, shape (n,). label: codes, shape (n,).
    """
    sides = np.full(len(hashes), TRAIN, dtype=np.int8)
    for value in np.flatnonzero(np.bincount(label)):
        rows = np.flatnonzero(label == value)
        ranked = rows[np.argsort(hashes[rows], kind="stable")]
        # Rounding the cumulated shares keeps every side within one row of its share.
        test_end = floor(len(rows) * split.test + 0.5)
        val_end = floor(len(rows) * (split.test + split.val) + 0.5)
        sides[ranked[:test_end]] = TEST
        sides[ranked[test_end:val_end]] = VAL
    return sides


def of_labels_by_group(hashes: np.ndarray, label: np.ndarray, split: StratifiedSplit) -> np.ndarray:
    """Sides of rows whose groups stay whole: int8, shape (n,).

    hashes: of the groups, uint64, shape (n,). label: codes, shape (n,).

    A group's make-up is the rarest label among its rows, how many rows have it, and how many
    rows there are. Groups are ranked by make-up, and by their hash within one; the multiples
    of the golden ratio then spread each run of alike groups over the sides (Kronecker's
    sequence, the one of least discrepancy). Where a label's share is still off by more than
    `evening.NEAR`, groups are moved as long as that brings the shares nearer.
    """
    order = np.lexsort((_rarity(label), hashes))
    ordered, rarity = hashes[order], _rarity(label)[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(order)])
    sizes = np.diff(starts, append=len(order))
    rarest = rarity[starts]
    of_rarest = np.add.reduceat(rarity == np.repeat(rarest, sizes), starts, dtype=np.int64)
    ranked = np.lexsort((ordered[starts], sizes, of_rarest, rarest))
    sides = np.empty(len(starts), dtype=np.int8)
    sides[ranked] = of_all(_spread(len(starts), split.seed), split)
    placed = np.empty(len(order), dtype=np.int8)
    placed[order] = np.repeat(_evened(sides, sizes, rarity, split), sizes)
    return placed


def _evened(
    sides: np.ndarray, sizes: np.ndarray, rarity: np.ndarray, split: StratifiedSplit
) -> np.ndarray:
    """The sides of groups after evening. rarity: of the rows, group by group."""
    labels = int(rarity.max(initial=0)) + 1
    if not is_small(len(sides), labels):
        return sides
    cells = np.repeat(np.arange(len(sides)), sizes) * labels + rarity
    counts = np.bincount(cells, minlength=len(sides) * labels).reshape(len(sides), labels)
    shares = np.array([1 - split.val - split.test, split.val, split.test])
    return evened(sides, counts, shares)


def _rarity(label: np.ndarray) -> np.ndarray:
    """Rank of each row's label, 0 for the rarest: int16, shape (n,)."""
    counts = np.bincount(label)
    ranks = np.empty(len(counts), dtype=np.int16)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    return ranks[label]


def _spread(count: int, seed: int) -> np.ndarray:
    """The first `count` points of the sequence, from a start that the seed draws: uint64."""
    start = np.frombuffer(derived_key("plumbline strata", seed)[:8], dtype="<u8")
    return np.arange(count, dtype=np.uint64) * _GOLDEN + start
