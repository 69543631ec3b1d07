"""Areas under curves: ROC AUC, exact or weighted, and average precision."""

from functools import cached_property

import numpy as np

from plumbline.errors import SplitError, TrainingError

_TINY = np.finfo(np.float64).tiny


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a random positive scores above a random negative, ties counting half.

    labels: 0 and 1, shape (n,). scores: finite, shape (n,). Exactly the Mann-Whitney U
    statistic over the number of pairs; O(n log n).

    Raises:
        SplitError: the rows hold one label only.
        TrainingError: a score is NaN or infinite.
    """
    return mean_wins(*wins(labels, scores))


class Ranking:
    """Rows by falling score, sorted once for however many weighings of them.

    As scikit-learn's `roc_auc_score` and `average_precision_score`, which is the mean of the
    precision at each positive row.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray):
        """labels: 0 and 1; scores: finite; of shape (n,), or (n, k) to take all k as one."""
        self._positive = labels.ravel() == 1
        self._scores = scores.ravel()
        self._places = labels.size // max(1, len(labels))

    def of(self, weights: np.ndarray | None = None) -> "Steps":
        """weights: of the rows, 0 or more, shape (b, n); None: one weighing, all rows alike."""
        if weights is None:
            # Sorted without the rows' places, which is faster.
            falling, positive = _with_labels(self._scores, self._positive)
            found, starts = positive.astype(np.float64)[None], _starts(falling)
            missed = 1 - found
        else:
            rows, positive, starts = self._order
            # `take` keeps each weighing in one piece, so that its sums round alike in any block.
            missed = weights.take(rows, axis=1)
            found = missed * positive
            missed -= found
        if len(starts) < found.shape[1]:
            found, missed = (np.add.reduceat(one, starts, axis=1) for one in (found, missed))
        return Steps(found, missed)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The row at each place from the top, 1 where it is positive, and each step's start."""
        rows = np.repeat(np.arange(len(self._scores) // self._places), self._places)
        bits = _bits(self._scores)
        if bits is None or bits.dtype != np.uint32:
            order = np.argsort(-self._scores, kind="stable")
            falling, rows, positive = self._scores[order], rows[order], self._positive[order]
        else:
            places = rows.astype(np.uint64) << 1 | self._positive
            keys = _sorted(bits.astype(np.uint64) << 33 | places)
            falling, rows, positive = keys >> 33, keys >> 1 & 0xFFFFFFFF, keys & 1
        return rows.astype(np.intp), positive.astype(np.float64), _starts(falling)


class Steps:
    """Weight of positive and of negative rows at each distinct score from the top: (b, steps)."""

    def __init__(self, found: np.ndarray, missed: np.ndarray):
        self._found, self._missed = found, missed

    def area(self) -> np.ndarray:
        """The AUC of each weighing, (b,): NaN without weight on both labels.

        Of whole weights exact, while their pairs are fewer than 2**52.
        """
        terms = self._hits - self._found / 2
        terms *= self._missed
        with np.errstate(invalid="ignore"):
            return terms.sum(axis=1) / (self._hits[:, -1] * self._missed.sum(axis=1))

    def average_precision(self) -> np.ndarray:
        """The average precision of each weighing, (b,): NaN without weight on a positive."""
        terms = np.cumsum(self._missed, axis=1)
        terms += self._hits
        # A step of weight 0 gains nothing, whatever its precision.
        np.maximum(terms, _TINY, out=terms)
        np.divide(self._hits, terms, out=terms)
        terms *= self._found
        with np.errstate(invalid="ignore"):
            return terms.sum(axis=1) / self._hits[:, -1]

    @cached_property
    def _hits(self) -> np.ndarray:
        return np.cumsum(self._found, axis=1)


def _with_labels(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What orders the scores as they fall, and whether each of them is a positive row's."""
    bits = _bits(scores)
    if bits is None:
        order = np.argsort(scores)[::-1]
        return scores[order], positive[order]
    keys = _sorted(bits << 1 | positive)
    return keys >> 1, keys & 1


def _sorted(keys: np.ndarray) -> np.ndarray:
    keys.sort()
    return keys[::-1]


def _bits(scores: np.ndarray) -> np.ndarray | None:
    """Whole numbers in the order of the scores once their first bit, the sign of a zero, is
    shifted out.

    Of 32 bits where these hold the scores exactly: half the bits are sorted in half the time.
    Numbers are ordered as their bits are, unless they are negative: None.
    """
    if scores.min(initial=0) < 0:
        return None
    narrow = scores.astype(np.float32)
    exact = np.array_equal(narrow, scores)
    return narrow.view(np.uint32) if exact else scores.astype(np.float64).view(np.uint64)


def _starts(falling: np.ndarray) -> np.ndarray:
    """First place of each run of equal values."""
    return np.flatnonzero(np.append(True, falling[1:] != falling[:-1]))


def require_both(labels: np.ndarray) -> None:
    """Refuse rows of one label: AUC compares one with the other.

    Raises:
        SplitError: there are no positives, or no negatives.
    """
    positives = int(np.count_nonzero(labels == 1))
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise SplitError(
            f"{len(labels)} rows hold {positives} positives and {negatives} negatives",
            expected="rows of both labels: AUC compares one with the other",
            remedy="choose a split that leaves both labels on every side",
        )


def wins(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Negatives below each positive, and positives above each negative; ties count half.

    Counts rather than shares: multiples of one half add up without rounding.
    """
    scores = np.asarray(scores, dtype=np.float64)
    require_finite(scores)
    ones = np.asarray(labels) == 1
    require_both(ones)
    above, below = scores[ones], scores[~ones]
    ranks = midranks(scores)
    positives = ranks[ones] - midranks(above)
    negatives = len(above) - (ranks[~ones] - midranks(below))
    return positives, negatives


def mean_wins(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The AUC that wins of positives and negatives amount to."""
    return float(positives.sum() / (len(positives) * len(negatives)))


def require_finite(scores: np.ndarray) -> None:
    """Refuse scores that order or count nothing.

    Raises:
        TrainingError: a score is NaN or infinite.
    """
    lost = int(np.count_nonzero(~np.isfinite(scores)))
    if lost:
        raise TrainingError(
            f"{lost} of {scores.size} scores are NaN or infinite",
            expected="a finite score for every row",
            remedy="look at the model's training; it has diverged",
        )


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing the mean of theirs: float64, shape (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ends = np.concatenate([starts[1:], [len(values)]])
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks
