"""The threshold that is right of the most rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plumbline.evaluation.thresholds import most_accurate


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
