"""Whole groups moved one at a time until the shares of every label are as near as they get."""

from itertools import permutations

import numpy as np

from plumbline.split.rows import SIDES

NEAR = 0.001
"""Largest difference from a declared share that is left as it is."""
_MOVES = 300
"""Groups that are moved, at most (count)."""
_CELLS = 20_000_000
"""Groups times labels, beyond which nothing is moved: so many are even by their number."""


def evened(sides: np.ndarray, counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Sides of groups with fewer rows astray: int8, shape (groups,).

    sides: as ranked, int8, shape (groups,). counts: rows of each label in each group, shape
    (groups, labels). shares: of train, val and test, shape (3,).

    The move that comes first is the one that takes most off the sum of squares of what the
    sides have too much or too little of each label, over what they should have.
    """
    sides, counts = sides.copy(), counts.astype(np.float64)
    wanted = np.outer(shares, counts.sum(axis=0))
    astray = np.stack([counts[sides == side].sum(axis=0) for side in SIDES.values()]) - wanted
    weights = 1 / np.maximum(wanted, 1)
    squares = np.square(counts) @ weights.T
    for _ in range(_MOVES):
        if (np.abs(astray) <= NEAR * counts.sum(axis=0)).all():
            break
        gain, group, target = min(
            _best(sides, counts, squares, astray * weights, pair) for pair in _PAIRS
        )
        if gain >= 0:
            break
        astray[sides[group]] -= counts[group]
        astray[target] += counts[group]
        sides[group] = target
    return sides


_PAIRS = tuple(permutations(SIDES.values(), 2))


def _best(
    sides: np.ndarray,
    counts: np.ndarray,
    squares: np.ndarray,
    slopes: np.ndarray,
    pair: tuple[int, int],
) -> tuple[float, int, int]:
    """The best move between two sides: change of the sum, group, new side."""
    source, target = pair
    groups = np.flatnonzero(sides == source)
    if not len(groups):
        return 0.0, 0, target
    change = 2 * counts[groups] @ (slopes[target] - slopes[source])
    change += squares[groups, source] + squares[groups, target]
    best = int(np.argmin(change))
    return float(change[best]), int(groups[best]), target


def is_small(groups: int, labels: int) -> bool:
    """Whether there are so few groups that moving one matters."""
    return groups * labels <= _CELLS
