"""The best threshold by each rule: no other is better, and the constraint holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plumbline.decision.thresholds import choose, curve, most_accurate, own_place
from plumbline.spec import ThresholdSpec


def hits(labels, scores, threshold):
    return (scores >= threshold) == (labels == 1)


@st.composite
def scored_rows(draw):
    """Labels of both kinds and probabilities, 0 and 1 among them, with many ties."""
    n = draw(st.integers(2, 50))
    labels = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    labels[0], labels[1] = 0, 1
    grid = draw(st.sampled_from([1, 4, 1000]))
    return labels, draw(hnp.arrays(np.int64, n, elements=st.integers(0, grid))) / grid


@settings(deadline=None)
@given(scored_rows())
def test_no_threshold_is_more_accurate(case):
    labels, scores = case
    best = hits(labels, scores, most_accurate(labels, scores)).mean()
    for threshold in [*scores, scores.max() + 1]:
        assert hits(labels, scores, threshold).mean() <= best


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([0, 1], [0.2, 0.8], 0.5),  # the gap holds one half
        ([0, 1], [0.6, 0.8], 0.7),  # else its middle
        ([0, 1], [0.1, 0.2], 0.15),
        ([0, 0, 1, 0], [0.1, 0.2, 0.7, 0.9], 0.5),  # 0.5 and 0.95 both make one mistake
        ([1, 1, 1, 0], [0.6, 0.7, 0.9, 0.8], 0.5),  # all positive
        ([0, 0, 0, 1], [0.1, 0.2, 0.4, 0.3], 0.5),  # all negative
        ([1, 0, 0], [0.6, 0.7, 0.8], 0.9),  # all negative, above every score
        ([1, 0, 0], [1.0, 1.0, 1.0], np.nextafter(1, 2)),
        ([0, 1, 1], [0.0, 0.0, 0.0], 0.0),
    ],
)
def test_threshold_of_a_small_case(labels, scores, expected):
    assert most_accurate(np.array(labels), np.array(scores)) == pytest.approx(expected, abs=1e-15)


def test_threshold_between_neighbouring_floats_still_separates():
    low = 0.7
    high = np.nextafter(low, 1)
    labels, scores = np.array([0, 1]), np.array([low, high])
    assert hits(labels, scores, most_accurate(labels, scores)).tolist() == [1, 1]


RULES = [
    {"by": "accuracy"},
    {"by": "cost", "false_positive": 1, "false_negative": 7},
    {"by": "cost", "false_positive": 0.3, "false_negative": 0.1},
    {"by": "f_beta", "beta": 0.5},
    {"by": "f_beta", "beta": 2},
    {"by": "precision", "at_least": 0.7},
    {"by": "recall", "at_least": 0.7},
]


def counted(labels, scores, threshold):
    """hits, wrong, missed."""
    said, so = scores >= threshold, labels == 1
    return (said & so).sum(), (said & ~so).sum(), (~said & so).sum()


def worth(rule, hits, wrong, missed):
    """More is better; None where the constraint does not hold."""
    precision, recall = hits / max(1, hits + wrong), hits / (hits + missed)
    match rule["by"]:
        case "accuracy":
            return hits - wrong
        case "cost":
            return -rule["false_positive"] * wrong - rule["false_negative"] * missed
        case "f_beta":
            b = rule["beta"] ** 2
            return (1 + b) * precision * recall / (b * precision + recall) if hits else 0.0
        case "precision":
            return recall if precision >= rule["at_least"] and hits else None
        case "recall":
            return precision if recall >= rule["at_least"] else None


@settings(deadline=None, max_examples=60)
@given(scored_rows(), st.sampled_from(RULES))
def test_no_threshold_is_better_by_the_rule(case, rule):
    labels, scores = case
    found = choose(ThresholdSpec(**rule), labels, scores)
    hits, wrong, missed = counted(labels, scores, found.threshold)
    assert (found.precision, found.recall) == pytest.approx(
        (hits / max(1, hits + wrong), hits / (hits + missed))
    )
    others = [worth(rule, *counted(labels, scores, one)) for one in [*scores, scores.max() + 1]]
    reached = [one for one in others if one is not None]
    assert found.met == bool(reached)
    if reached:
        assert worth(rule, hits, wrong, missed) == pytest.approx(max(reached), abs=1e-9)
    else:  # only a precision can be out of reach; the greatest there is stands instead
        tallies = [counted(labels, scores, one) for one in scores]
        assert found.precision == pytest.approx(max(h / (h + w) for h, w, _ in tallies))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_costs_of_exact_probabilities_give_the_threshold_of_theory(wrong, missed, seed):
    """A row of score k/20 is positive in exactly k of 20 cases: Elkan's threshold is best."""
    tenths = np.random.default_rng(seed).integers(1, 20, 30)
    scores = np.repeat(tenths / 20, 20)
    labels = np.concatenate([np.arange(20) < one for one in tenths]).astype(np.int8)
    rule = ThresholdSpec(by="cost", false_positive=wrong, false_negative=missed)
    place, found = own_place(rule), choose(rule, labels, scores).threshold
    assert place == wrong / (wrong + missed)
    between = (scores >= min(place, found)) & (scores < max(place, found))
    assert np.allclose(scores[between], place)  # a yes and a no cost the same there


def test_a_label_of_one_value_keeps_one_half():
    for rule in RULES:
        assert (
            choose(ThresholdSpec(**rule), np.zeros(3), np.array([0.1, 0.7, 0.9])).threshold == 0.5
        )


def test_of_equally_good_thresholds_the_constraints_take_what_says_yes_least():
    labels, scores = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    found = choose(ThresholdSpec(by="recall", at_least=0.9), labels, scores)
    assert (found.threshold, found.recall) == (pytest.approx(0.65), 1.0)
    assert found.precision == pytest.approx(2 / 3)


def test_the_curve_is_what_each_threshold_gives():
    labels, scores = np.array([0, 1, 1]), np.array([0.2, 0.3, 0.6])
    at, precision, recall = curve(labels, scores)
    assert at.tolist() == [0.1, 0.25, 0.5, np.nextafter(1, 2) / 2 + 0.3]
    assert precision.tolist() == [2 / 3, 1, 1, 0]
    assert recall.tolist() == [1, 1, 0.5, 0]
