import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
)

from plumbline.evaluation.metrics import Ranking, hits, log_losses, squared_errors
from plumbline.evaluation.thresholds import most_accurate


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
def test_metrics_are_scikit_learn_s(case):
    labels, scores = case
    precision = Ranking.of(labels, scores).average_precision(np.ones((1, len(labels))))
    assert precision[0] == pytest.approx(average_precision_score(labels, scores))
    assert log_losses(labels, scores).mean() == pytest.approx(log_loss(labels, scores))
    assert squared_errors(labels, scores).mean() == pytest.approx(brier_score_loss(labels, scores))
    expected = accuracy_score(labels, scores >= 0.5)
    assert hits(labels, scores, 0.5).mean() == pytest.approx(expected)


@settings(deadline=None)
@given(scored_rows(), st.integers(0, 100))
def test_a_drawn_row_counts_as_often_as_it_is_drawn(case, seed):
    labels, scores = case
    rows = np.random.default_rng(seed).integers(0, len(labels), len(labels))
    counts = np.bincount(rows, minlength=len(labels))[None].astype(float)
    found = Ranking.of(labels, scores).average_precision(counts)[0]
    if labels[rows].any():
        assert found == pytest.approx(average_precision_score(labels[rows], scores[rows]))
    else:
        assert np.isnan(found)


def test_a_certain_mistake_costs_a_finite_amount():
    assert log_losses(np.array([1, 0]), np.array([0.0, 1.0])) == pytest.approx(
        [36.04, 36.04], abs=0.1
    )


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
