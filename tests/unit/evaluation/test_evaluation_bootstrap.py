import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from plumbline.evaluation import bootstrap as subject
from plumbline.evaluation.bootstrap import Scores, bootstrap, resample_counts

OPTIONS = {"confidence": 0.95, "resamples": 200, "seed": 1}


def rows(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.beta(2, 4, n).round(2)
    return (random.random(n) < scores).astype(np.int8), scores


def test_counts_are_whole_resamples_whatever_the_block(monkeypatch):
    found = []
    for size in (1, 700, 10**6):
        monkeypatch.setattr(subject, "_BLOCK_COUNTS", size)
        found.append(np.concatenate(list(resample_counts(100, 30, seed=4))))
    assert found[0].shape == (30, 100)
    assert (found[0].sum(axis=1) == 100).all()
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_the_stream_of_draws_is_pinned():
    # Recorded intervals are compared with recomputed ones: the draws must outlive NumPy's releases.
    first = next(resample_counts(12, 1, seed=7))[0]
    assert first.tolist() == [0, 0, 0, 2, 1, 0, 1, 3, 1, 3, 1, 0]


def test_intervals_do_not_depend_on_the_block(monkeypatch):
    labels, scores = rows()
    candidates = {"xgboost": Scores(values=scores, threshold=0.5)}
    one = bootstrap(labels, candidates, **OPTIONS)
    monkeypatch.setattr(subject, "_BLOCK_COUNTS", 1)
    assert bootstrap(labels, candidates, **OPTIONS) == one


def test_intervals_are_those_of_resampled_rows():
    labels, scores = rows()
    found = bootstrap(labels, {"x": Scores(values=scores, threshold=0.5)}, **OPTIONS)["x"]
    random, drawn = np.random.RandomState(1), []
    for _ in range(200):
        at = random.randint(0, 400, 400)
        precision = average_precision_score(labels[at], scores[at])
        drawn.append((precision, log_loss(labels[at], scores[at])))
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    for name, low, high in zip(("average_precision", "log_loss"), *ends, strict=True):
        assert (found[name].low, found[name].high) == pytest.approx((low, high))


def test_candidates_do_not_disturb_each_other():
    labels, scores = rows()
    alone = {"a": Scores(values=scores, threshold=0.5)}
    both = {"b": Scores(values=1 - scores, threshold=0.1), **alone}
    assert bootstrap(labels, both, **OPTIONS)["a"] == bootstrap(labels, alone, **OPTIONS)["a"]


def test_another_seed_draws_other_rows():
    labels, scores = rows()
    candidates = {"a": Scores(values=scores, threshold=0.5)}
    assert bootstrap(labels, candidates, **OPTIONS) != bootstrap(
        labels, candidates, **{**OPTIONS, "seed": 2}
    )


@pytest.mark.parametrize("n", [2, 3, 10])
def test_a_handful_of_rows_has_intervals_around_the_values(n):
    labels = np.zeros(n, dtype=np.int8)
    labels[0] = 1
    scores = np.linspace(0.2, 0.9, n)
    found = bootstrap(labels, {"a": Scores(values=scores, threshold=0.5)}, **OPTIONS)["a"]
    for interval in found.values():
        assert 0 <= interval.low <= interval.value <= interval.high


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        labels, scores = rows(300, seed)
        candidates = {"a": Scores(values=scores, threshold=0.5)}
        found = bootstrap(labels, candidates, confidence=0.9, resamples=150, seed=seed)
        # Scores are the true probabilities: E[(s - y)²] = E[s (1 - s)] over Beta(2, 4).
        truth = 1 / 3 - (2 * 3) / (6 * 7)
        covered += found["a"]["brier"].low <= truth <= found["a"]["brier"].high
    assert 80 <= covered <= 98
