"""Resamples: how rows are drawn, and that intervals are those of rows so drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, root_mean_squared_error

from plumbline.metrics import bootstrap as subject
from plumbline.metrics.bootstrap import Draws, Estimate, difference, resampled
from plumbline.metrics.delong import PairedAreas, delong_interval
from plumbline.metrics.measure import Measure

LAWS = settings(max_examples=30, deadline=None)


def rows(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.beta(2, 4, n).round(2)
    return (random.random(n) < scores).astype(np.int8), scores


def drawn(labels, scores, *, resamples=200, seed=1, task="binary", **options):
    """One candidate's metrics on every resample."""
    draws = Draws(rows=len(labels), resamples=resamples, seed=seed, **options)
    return resampled({"x": Measure(task, labels, scores)}, draws)["x"]


def every(draws: Draws) -> np.ndarray:
    return np.concatenate(list(draws.counts()))


DRAWN = {
    "rows": {},
    "strata": {"strata": np.arange(100) % 3},
    "clusters": {"clusters": np.arange(100) % 17},
}


@pytest.mark.parametrize("kind", DRAWN)
def test_counts_are_whole_resamples_whatever_the_block(monkeypatch, kind):
    found = []
    for size in (1, 700, 10**6):
        monkeypatch.setattr(subject, "_BLOCK_COUNTS", size)
        found.append(every(Draws(rows=100, resamples=30, seed=4, **DRAWN[kind])))
    assert found[0].shape == (30, 100)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_stream_of_draws_is_pinned():
    # Recorded intervals are compared with recomputed ones: the draws must outlive NumPy's releases.
    first = next(Draws(rows=12, resamples=1, seed=7).counts())[0]
    assert first.tolist() == [0, 0, 0, 2, 1, 0, 1, 3, 1, 3, 1, 0]


def test_a_resample_has_as_many_rows_as_the_sample():
    counts = every(Draws(rows=60, resamples=50, seed=0))
    assert (counts.sum(axis=1) == 60).all()


@LAWS
@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.integers(0, 2**31))
def test_strata_keep_their_count_of_rows(strata, seed):
    strata = np.array(strata)
    counts = every(Draws(rows=len(strata), resamples=20, seed=seed, strata=strata))
    for one in np.unique(strata):
        assert (counts[:, strata == one].sum(axis=1) == (strata == one).sum()).all()


@LAWS
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 2**31))
def test_clusters_are_drawn_whole_and_as_many_as_there_are(codes, seed):
    clusters = np.unique(codes, return_inverse=True)[1]
    counts = every(Draws(rows=len(codes), resamples=20, seed=seed, clusters=clusters))
    firsts = np.unique(clusters, return_index=True)[1]
    assert np.array_equal(counts, counts[:, firsts][:, clusters])
    assert (counts[:, firsts].sum(axis=1) == len(firsts)).all()


def test_clusters_of_one_row_are_rows():
    alone = Draws(rows=40, resamples=5, seed=3, clusters=np.arange(40))
    assert np.array_equal(every(alone), every(Draws(rows=40, resamples=5, seed=3)))


def test_intervals_do_not_depend_on_the_block(monkeypatch):
    labels, scores = rows()
    one = drawn(labels, scores).intervals(0.95)
    monkeypatch.setattr(subject, "_BLOCK_COUNTS", 1)
    assert drawn(labels, scores).intervals(0.95) == one


def test_intervals_are_those_of_resampled_rows():
    labels, scores = rows()
    found = drawn(labels, scores).intervals(0.95)
    random, by_hand = np.random.RandomState(1), []
    for _ in range(200):
        at = random.randint(0, 400, 400)
        precision = average_precision_score(labels[at], scores[at])
        by_hand.append((precision, log_loss(labels[at], scores[at])))
    ends = np.quantile(by_hand, [0.025, 0.975], axis=0)
    for name, low, high in zip(("average_precision", "log_loss"), *ends, strict=True):
        assert (found[name].low, found[name].high) == pytest.approx((low, high))


def test_a_difference_is_that_of_the_same_resampled_rows():
    random = np.random.default_rng(0)
    labels = random.normal(size=200)
    a, b = (labels + random.normal(size=200) for _ in range(2))
    draws = Draws(rows=200, resamples=150, seed=5)
    measures = {kind: Measure("regression", labels, one) for kind, one in (("a", a), ("b", b))}
    both = resampled(measures, draws)
    found = difference(both["a"].estimate("rmse"), both["b"].estimate("rmse"), sign=-1)
    stream = np.random.RandomState(5)
    for one in found.drawn:
        at = stream.randint(0, 200, 200)
        errors = [root_mean_squared_error(labels[at], said[at]) for said in (b, a)]
        assert one == pytest.approx(errors[0] - errors[1])
    assert found.value == pytest.approx(
        root_mean_squared_error(labels, b) - root_mean_squared_error(labels, a)
    )


def test_rows_keep_their_weight_as_often_as_they_are_drawn():
    random = np.random.default_rng(0)
    labels, scores, weights = random.normal(size=(3, 50))
    measure = Measure("regression", labels, scores, names=["mae"])
    draws = Draws(rows=50, resamples=20, seed=3)
    found = resampled({"a": measure}, draws, abs(weights))["a"].estimate("mae")
    stream = np.random.RandomState(3)
    for one in found.drawn:
        at = stream.randint(0, 50, 50)
        apart = abs(labels[at] - scores[at])
        assert one == pytest.approx(np.average(apart, weights=abs(weights[at])))
    expected = np.average(abs(labels - scores), weights=abs(weights))
    assert found.value == pytest.approx(expected)


def test_candidates_do_not_disturb_each_other():
    labels, scores = rows()
    draws = Draws(rows=400, resamples=50, seed=1)
    alone = {"a": Measure("binary", labels, scores)}
    both = {"b": Measure("binary", labels, 1 - scores), **alone}
    one, other = (resampled(measures, draws)["a"].drawn for measures in (alone, both))
    assert np.array_equal(one, other)


def test_another_seed_draws_other_rows():
    labels, scores = rows()
    one, other = (drawn(labels, scores, seed=seed).intervals(0.95) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("n", [2, 3, 10])
def test_a_handful_of_rows_has_intervals_around_the_values(n):
    labels = np.zeros(n, dtype=np.int8)
    labels[0] = 1
    for interval in drawn(labels, np.linspace(0.2, 0.9, n)).intervals(0.95).values():
        assert 0 <= interval.low <= interval.value <= interval.high


def test_what_the_sample_does_not_define_has_no_interval():
    found = drawn(np.full(20, 3.0), np.arange(20.0), task="regression").intervals(0.95)
    assert set(found) == {"rmse", "mae"}


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        labels, scores = rows(300, seed)
        measure = Measure("binary", labels, scores, names=["brier"])
        draws = Draws(rows=300, resamples=150, seed=seed)
        found = resampled({"a": measure}, draws)["a"].intervals(0.9)
        # Scores are the true probabilities: E[(s - y)²] = E[s (1 - s)] over Beta(2, 4).
        truth = 1 / 3 - (2 * 3) / (6 * 7)
        covered += found["brier"].low <= truth <= found["brier"].high
    assert 80 <= covered <= 98


def test_rows_that_hang_together_need_clusters():
    """40 customers of 20 rows: three quarters of the variance of an error are its customer's."""
    covered = {"rows": 0, "clusters": 0}
    groups = np.repeat(np.arange(40), 20)
    for seed in range(60):
        random = np.random.default_rng(seed)
        errors = 3**0.5 * random.normal(size=40)[groups] + random.normal(size=800)
        measure = Measure("regression", np.zeros(800), errors, names=["rmse"])
        for kind, clusters in (("rows", None), ("clusters", groups)):
            draws = Draws(rows=800, resamples=200, seed=seed, clusters=clusters)
            found = resampled({"a": measure}, draws)["a"].intervals(0.95)["rmse"]
            covered[kind] += found.low <= 2 <= found.high
    assert covered["rows"] <= 40
    assert covered["clusters"] >= 50


def test_strata_take_the_share_of_positives_as_given():
    labels, scores = rows(300)
    measure = Measure("binary", labels, scores, names=["average_precision"])
    spread = {}
    for kind, strata in (("rows", None), ("strata", labels)):
        draws = Draws(rows=300, resamples=500, seed=0, strata=strata)
        spread[kind] = resampled({"a": measure}, draws)["a"].drawn.std()
    assert 0.7 < spread["strata"] / spread["rows"] < 0.98


def test_areas_and_their_differences_agree_with_delong():
    """Ends of 4,000 resamples are within 6 % of the interval's half-width where DeLong's lie.

    The quantile's own error is about 3 % of it; the rest is that DeLong takes normality.
    """
    random = np.random.default_rng(0)
    labels = (np.arange(1500) % 3 == 0).astype(np.int8)
    shared = random.normal(size=1500)
    a, b = (gap * labels + shared + 0.6 * random.normal(size=1500) for gap in (1.2, 1.0))
    measures = {
        kind: Measure("binary", labels, scores, names=["auc"])
        for kind, scores in (("a", a), ("b", b))
    }
    both = resampled(measures, Draws(rows=1500, resamples=4000, seed=0))
    apart = difference(both["a"].estimate("auc"), both["b"].estimate("auc"))
    paired = PairedAreas(labels, a, b)
    pairs = [
        (both["a"].intervals(0.95)["auc"], delong_interval(labels, a, 0.95)),
        (apart.interval(0.95), paired.interval(0.95)),
    ]
    for found, delong in pairs:
        half = (delong.high - delong.low) / 2
        assert found.value == pytest.approx(delong.value, abs=1e-12)
        assert found.low == pytest.approx(delong.low, abs=0.06 * half)
        assert found.high == pytest.approx(delong.high, abs=0.06 * half)
    for gain in (0.0, 0.01, 0.03):
        assert apart.p_value(gain) == pytest.approx(paired.p_value(gain), abs=0.02)


def test_a_p_value_is_the_share_of_resamples_at_or_below_the_gain():
    estimate = Estimate(value=0.5, drawn=np.array([0.1, 0.2, 0.3, np.nan, 0.9]))
    assert estimate.p_value(0.2) == 3 / 5
    assert estimate.p_value(0.0) == 1 / 5
    assert estimate.p_value(1.0) == 1


def test_an_interval_of_nothing_drawn_is_the_value():
    found = Estimate(value=0.5, drawn=np.full(9, np.nan)).interval(0.95)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
