"""From which score on the answer is yes, by the rule that is declared."""

from dataclasses import dataclass

import numpy as np

from plumbline.metrics.parts import EVEN
from plumbline.spec import ThresholdSpec

_ROUNDING = 1e-12
"""Differences of costs and shares that are rounding, not better or worse."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A threshold, and what it gives on the rows it was chosen by."""

    threshold: float
    precision: float
    """0 where no row is positive."""
    recall: float
    met: bool = True
    """Whether the rule's constraint holds; if none of the thresholds meets it, the one with the
    greatest precision stands here."""


@dataclass(frozen=True, kw_only=True)
class _Tally:
    """Of each threshold that tells rows apart: what `score >= threshold` gets right and wrong."""

    thresholds: np.ndarray
    hits: np.ndarray
    """Positive rows that are said to be (count)."""
    wrong: np.ndarray
    """Negative rows that are said to be positive (count)."""
    positives: int

    @property
    def precision(self) -> np.ndarray:
        return self.hits / np.maximum(self.hits + self.wrong, 1)

    @property
    def missed(self) -> np.ndarray:
        return self.positives - self.hits


def most_accurate(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold t with the greatest accuracy of `score >= t`; ties go to that nearest 0.5.

    labels: 0 and 1, shape (n,). scores: finite, shape (n,).
    """
    return choose(ThresholdSpec(), labels, scores).threshold


def choose(rule: ThresholdSpec, labels: np.ndarray, scores: np.ndarray) -> Choice:
    """The best threshold by the rule; of equally good ones that nearest the rule's own place.

    All thresholds between two neighbouring distinct scores classify alike. Such a gap is
    represented by the rule's own place if that lies inside, else by its middle, so that noise
    in the last bits of a score moves no row across. The place is 0.5, or of costs the threshold
    that is right for exact probabilities: false_positive / (false_positive + false_negative).

    labels: 0 and 1, shape (n,); of one value only: 0.5 is kept. scores: finite, from 0, shape
    (n,).

    Source of the costs: Elkan, The foundations of cost-sensitive learning, IJCAI (2001).
    """
    place = own_place(rule)
    tally = _tally(labels, scores, place)
    if not 0 < tally.positives < len(labels):
        return _choice(_tally_at(labels, scores, np.array([EVEN])), 0, met=True)
    worth, met = _worth(rule, tally)
    best = np.flatnonzero(worth >= worth.max() - _ROUNDING * max(1.0, abs(worth.max())))
    return _choice(tally, _nearest(rule, tally, best, place), met=met)


def own_place(rule: ThresholdSpec) -> float:
    """The threshold that the rule has of itself, for exact probabilities."""
    if rule.by != "cost":
        return EVEN
    wrong, missed = _given(rule.false_positive), _given(rule.false_negative)
    return wrong / (wrong + missed)


def curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds that rise, with precision and recall of each."""
    tally = _tally(labels, scores, EVEN)
    return tally.thresholds, tally.precision, tally.hits / tally.positives


def _worth(rule: ThresholdSpec, tally: _Tally) -> tuple[np.ndarray, bool]:
    """What each threshold is worth by the rule, and whether the rule's constraint is met."""
    match rule.by:
        case "cost":
            share = own_place(rule)
            return -(share * tally.wrong + (1 - share) * tally.missed), True
        case "f_beta":
            squared = _given(rule.beta) ** 2
            found = (1 + squared) * tally.hits
            return found / (found + squared * tally.missed + tally.wrong), True
        case "precision":
            enough = tally.precision >= _given(rule.at_least) - _ROUNDING
            worth = tally.hits + tally.precision / 2
        case "recall":
            enough = tally.hits >= (_given(rule.at_least) - _ROUNDING) * tally.positives
            worth = tally.precision
        case _:
            return tally.hits - tally.wrong, True
    met = bool((enough & (tally.hits > 0)).any())
    return (np.where(enough, worth, -1.0), met) if met else (tally.precision, False)


def _given(option: float | None) -> float:
    """An option that the rule reads: the declaration has seen to it."""
    assert option is not None
    return option


def _nearest(rule: ThresholdSpec, tally: _Tally, best: np.ndarray, place: float) -> int:
    """Constraints take the greatest recall, then what says yes least; other rules what is nearest
    their own place."""
    if rule.by in ("precision", "recall"):
        return int(best[tally.hits[best] == tally.hits[best].max()][-1])
    return int(best[np.argmin(np.abs(tally.thresholds[best] - place))])


def _choice(tally: _Tally, at: int, *, met: bool) -> Choice:
    return Choice(
        threshold=float(tally.thresholds[at]),
        precision=float(tally.precision[at]),
        recall=float(tally.hits[at] / max(1, tally.positives)),
        met=met,
    )


def _tally(labels: np.ndarray, scores: np.ndarray, place: float) -> _Tally:
    return _tally_at(labels, scores, _representatives(np.unique(scores), place))


def _tally_at(labels: np.ndarray, scores: np.ndarray, thresholds: np.ndarray) -> _Tally:
    ones, zeros = np.sort(scores[labels == 1]), np.sort(scores[labels != 1])
    return _Tally(
        thresholds=thresholds,
        hits=len(ones) - np.searchsorted(ones, thresholds),
        wrong=len(zeros) - np.searchsorted(zeros, thresholds),
        positives=len(ones),
    )


def _representatives(distinct: np.ndarray, place: float) -> np.ndarray:
    """One threshold per gap (low, high]: below all scores, between neighbours, above all."""
    beyond = np.nextafter(max(1.0, distinct[-1]), np.inf)
    edges = np.concatenate([[0.0], distinct, [beyond]])
    low, high = edges[:-1], edges[1:]
    middle = low / 2 + high / 2
    # Between neighbouring floats the middle may round down to the lower one.
    middle = np.where(middle > low, middle, high)
    return np.where((low < place) & (high >= place), place, middle)
