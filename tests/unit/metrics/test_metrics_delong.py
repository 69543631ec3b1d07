import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from plumbline.errors import SplitError, TrainingError
from plumbline.metrics.areas import auc
from plumbline.metrics.delong import delong_interval, delong_paired


@st.composite
def labelled_scores(draw):
    """Labels of both kinds, and scores with many ties."""
    n = draw(st.integers(2, 60))
    labels = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    labels[0], labels[1] = 0, 1
    grid = draw(st.sampled_from([2, 5, 1000]))
    scores = draw(hnp.arrays(np.int64, n, elements=st.integers(0, grid))) / grid
    return labels, scores


@settings(deadline=None)
@given(labelled_scores())
def test_auc_is_the_share_of_ordered_pairs(case):
    labels, scores = case
    above, below = scores[labels == 1][:, None], scores[labels == 0]
    pairs = (above > below).sum() + 0.5 * (above == below).sum()
    assert auc(labels, scores) == pairs / (above.size * below.size)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(deadline=None)
@given(labelled_scores())
def test_interval_holds_its_value_within_zero_and_one(case):
    interval = delong_interval(*case, confidence=0.95)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


@settings(deadline=None)
@given(labelled_scores(), st.randoms(use_true_random=False))
def test_difference_is_antisymmetric(case, random):
    labels, a = case
    b = np.array(random.sample(list(a), len(a)))
    one, other = (delong_paired(labels, *pair, confidence=0.95) for pair in ((a, b), (b, a)))
    assert one.value == -other.value == pytest.approx(auc(labels, a) - auc(labels, b))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert -1 <= one.low <= one.value <= one.high <= 1


def test_a_rising_function_of_the_scores_changes_nothing():
    labels, scores = _normal_rows(50, 80, gap=0.8, seed=1)
    assert delong_interval(labels, scores, 0.9) == delong_interval(labels, np.exp(scores), 0.9)
    same = delong_paired(labels, scores, np.exp(scores), 0.9)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_variance_by_its_definition():
    # Structural components computed pair by pair, as in DeLong et al. (1988).
    labels, scores = _normal_rows(23, 31, gap=0.7, seed=2)
    scores = scores.round(1)
    above, below = scores[labels == 1][:, None], scores[labels == 0]
    kernel = (above > below) + 0.5 * (above == below)
    variance = kernel.mean(1).var(ddof=1) / 23 + kernel.mean(0).var(ddof=1) / 31
    value = kernel.mean()
    reach = NormalDist().inv_cdf(0.975) * math.sqrt(variance) / (value * (1 - value))
    logit = math.log(value / (1 - value))
    expected = [1 / (1 + math.exp(-end)) for end in (logit - reach, logit + reach)]
    interval = delong_interval(labels, scores, 0.95)
    assert [interval.low, interval.high] == pytest.approx(expected, rel=1e-12)


def test_interval_agrees_with_a_bootstrap():
    labels, scores = _normal_rows(300, 900, gap=0.8, seed=3)
    other = scores + np.random.default_rng(4).normal(size=1200)
    interval = delong_interval(labels, scores, 0.95)
    paired = delong_paired(labels, scores, other, 0.95)
    random, areas, gains = np.random.default_rng(5), [], []
    for _ in range(1000):
        rows = random.integers(0, 1200, 1200)
        areas.append(auc(labels[rows], scores[rows]))
        gains.append(areas[-1] - auc(labels[rows], other[rows]))
    # 1000 resamples leave about 4 % of error in a width.
    for ends, drawn in ((interval, areas), (paired, gains)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert ends.high - ends.low == pytest.approx(high - low, rel=0.12)
        assert ends.low == pytest.approx(low, abs=0.15 * (high - low))


@pytest.mark.parametrize(
    ("positives", "negatives", "true"), [(20, 20, 0.6), (20, 20, 0.95), (50, 500, 0.8)]
)
def test_interval_covers_the_truth_as_often_as_it_says(positives, negatives, true):
    gap, random = NormalDist().inv_cdf(true) * math.sqrt(2), np.random.default_rng(6)
    labels = np.repeat([1, 0], [positives, negatives])
    draws = random.normal(size=(1000, positives + negatives)) + gap * labels
    intervals = [delong_interval(labels, scores, 0.95) for scores in draws]
    covered = np.mean([interval.low <= true <= interval.high for interval in intervals])
    assert 0.92 <= covered <= 0.985


def test_paired_interval_covers_no_difference():
    random = np.random.default_rng(7)
    labels = np.repeat([1, 0], [60, 140])
    signal = labels + random.normal(size=(1000, 200))
    noise = random.normal(size=(2, 1000, 200))
    pairs = zip(signal + noise[0], signal + noise[1], strict=True)
    intervals = [delong_paired(labels, a, b, 0.9) for a, b in pairs]
    covered = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    assert 0.87 <= covered <= 0.93


@pytest.mark.parametrize("rows", [4, 40, 4000])
def test_perfect_separation_still_has_an_interval(rows):
    labels = np.repeat([0, 1], rows // 2)
    interval = delong_interval(labels, labels.astype(float), 0.95)
    assert interval.value == interval.high == 1
    # Roughly the rule of three for each label's rows, never a single point.
    assert 1 - 8 / rows < interval.low < 1 - 1 / rows or rows == 4
    assert interval.low < 1
    inverted = delong_interval(labels, 1.0 - labels, 0.95)
    assert inverted.high == pytest.approx(1 - interval.low)


def test_constant_scores_are_a_half_with_an_interval_around_it():
    labels = np.repeat([0, 1], [70, 30])
    interval = delong_interval(labels, np.full(100, 0.3), 0.95)
    assert interval.value == 0.5
    assert 0.3 < interval.low < 0.45 < 0.55 < interval.high < 0.7


def test_one_row_of_a_label_leaves_almost_everything_open():
    labels = np.array([1, 0, 0, 0])
    scores = np.array([0.9, 0.1, 0.2, 0.95])
    interval = delong_interval(labels, scores, 0.95)
    assert interval.low < 0.25
    assert interval.high > 0.9
    paired = delong_paired(labels, scores, scores[::-1], 0.95)
    assert paired.high - paired.low > 0.5


def test_a_perfect_model_on_few_rows_is_not_surely_better_than_a_constant_one():
    labels = np.array([0, 0, 1, 1])
    paired = delong_paired(labels, labels.astype(float), np.zeros(4), 0.95)
    assert paired.value == 0.5
    assert paired.low < 0.1


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_only_is_refused(label):
    with pytest.raises(SplitError, match=r"3 rows hold .* expected rows of both labels"):
        auc(np.full(3, label), np.array([0.1, 0.2, 0.3]))


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(TrainingError, match="2 of 3 scores are NaN or infinite"):
        auc(np.array([0, 1, 1]), np.array([np.nan, 0.5, np.inf]))


def _normal_rows(positives, negatives, *, gap, seed):
    labels = np.repeat([1, 0], [positives, negatives])
    return labels, np.random.default_rng(seed).normal(size=len(labels)) + gap * labels
