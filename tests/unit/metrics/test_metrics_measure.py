"""One implementation for weights and for resamples: laws that both have to keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.metrics.areas import Ranking, auc
from plumbline.metrics.measure import Measure
from plumbline.metrics.measured import measured
from plumbline.spec.metrics import GREATER_IS_BETTER, METRICS, OF_TASK

LAWS = settings(max_examples=40, deadline=None)
TASKS = tuple(OF_TASK)


def rows_of(task: str, count: int, seed: int, values: int = 10_000):
    """Labels and scores of `count` rows, scores of so many values."""
    random = np.random.default_rng(seed)
    width = {"multiclass": 6, "multilabel": 3}.get(task)
    scores = random.integers(1, values + 1, (count, width) if width else count) / values
    if task == "multiclass":
        scores = scores / scores.sum(axis=1, keepdims=True)
        return random.integers(0, width, count).astype(np.int16), scores
    if task == "regression":
        return random.normal(5, 3, count), 5 + scores
    labels = (random.random(scores.shape) < scores).astype(np.int8)
    labels[:2] = np.array([0, 1]).reshape(2, *(1,) * (labels.ndim - 1))
    return labels, scores


cases = st.tuples(
    st.sampled_from(TASKS), st.integers(8, 80), st.integers(0, 2**31), st.sampled_from([4, 10_000])
)


@LAWS
@given(cases)
def test_a_count_is_so_many_rows(case):
    task, count, seed, values = case
    labels, scores = rows_of(task, count, seed, values)
    random = np.random.default_rng(seed)
    drawn = np.concatenate([[0, 1], random.integers(0, count, count)])
    counts = np.bincount(drawn, minlength=count)[None].astype(float)
    found = Measure(task, labels, scores).of(counts)[0]
    repeated = Measure(task, labels[drawn], scores[drawn]).of()[0]
    np.testing.assert_allclose(found, repeated, rtol=1e-9)


@LAWS
@given(cases)
def test_a_row_without_weight_is_not_there(case):
    task, count, seed, values = case
    labels, scores = rows_of(task, count, seed, values)
    weights = np.random.default_rng(seed).uniform(0.1, 3, count)
    weights[5:] *= np.arange(count - 5) % 3 > 0
    there = weights > 0
    found = measured(task, labels, scores, weights)
    without = measured(task, labels[there], scores[there], weights[there])
    assert found == pytest.approx(without, rel=1e-9, nan_ok=True)


@LAWS
@given(cases)
def test_a_weighing_is_measured_alike_alone_and_in_a_block(case):
    task, count, seed, values = case
    labels, scores = rows_of(task, count, seed, values)
    counts = np.random.default_rng(seed).multinomial(count, np.ones(count) / count, 5) * 1.0
    measure = Measure(task, labels, scores)
    alone = np.concatenate([measure.of(one[None]) for one in counts])
    assert np.array_equal(measure.of(counts), alone, equal_nan=True)


@LAWS
@given(cases)
def test_weights_of_one_say_what_no_weights_say(case):
    task, count, seed, values = case
    labels, scores = rows_of(task, count, seed, values)
    measure = Measure(task, labels, scores)
    np.testing.assert_allclose(measure.of(np.ones((1, count))), measure.of(), rtol=1e-12)
    names = [name for name in ("auc", "accuracy") if name in measure.names]
    if task == "binary":
        at = [measure.names.index(name) for name in names]
        assert np.array_equal(measure.of()[:, at], measure.of(np.ones((1, count)))[:, at])


@LAWS
@given(cases, st.floats(1e-3, 1e3))
def test_weights_on_another_scale_say_the_same(case, factor):
    task, count, seed, values = case
    labels, scores = rows_of(task, count, seed, values)
    weights = np.random.default_rng(seed).uniform(0.1, 3, (2, count))
    measure = Measure(task, labels, scores)
    np.testing.assert_allclose(measure.of(weights * factor), measure.of(weights), rtol=1e-9)


@pytest.mark.parametrize("kind", ["32 bits", "64 bits", "negative"])
@LAWS
@given(st.integers(2, 60), st.integers(0, 2**31), st.sampled_from([2, 5, 1000]))
def test_areas_by_either_way_of_sorting(kind, count, seed, values):
    random = np.random.default_rng(seed)
    steps = random.integers(0, values, count)
    scores = {
        "32 bits": steps / 1024,
        # Too close for 32 bits to tell apart.
        "64 bits": 0.5 + steps * 2.0**-50,
        "negative": (steps - values // 2) / 3,
    }[kind]
    labels = np.arange(count) % 2
    weights = random.uniform(0.1, 2, (1, count))
    ranking, whole = Ranking(labels, scores), np.ones((1, count))
    assert ranking.of().area()[0] == ranking.of(whole).area()[0] == auc(labels, scores)
    assert ranking.of().average_precision() == ranking.of(whole).average_precision()
    plainly = Ranking(labels, steps - 2.0 * values)  # the same order, sorted as floats are
    assert plainly.of(weights).area()[0] == pytest.approx(ranking.of(weights).area()[0])


def test_zero_is_zero_whatever_its_sign():
    labels = np.array([1, 0, 1, 0])
    assert Ranking(labels, np.array([-0.0, 0.0, 0.5, 0.5])).of().area()[0] == 0.5


def test_what_is_not_defined_is_nan_and_says_nothing_of_the_others():
    labels, scores = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.9])
    measure = Measure("binary", labels, scores)
    found = dict(zip(measure.names, measure.of(np.array([[3.0, 0, 0]]))[0], strict=True))
    assert np.isnan(found["auc"])
    assert np.isnan(found["average_precision"])
    assert found["accuracy"] == 1
    assert found["recall"] == 0


def test_a_mean_area_leaves_out_what_a_resample_does_not_hold():
    labels = np.array([[0, 1], [1, 0], [0, 0]])
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.9, 0.1]])
    measure = Measure("multilabel", labels, scores, names=["auc"])
    areas = measure.of(np.array([[1.0, 1, 1], [0, 1, 1], [0, 0, 3]]))[:, 0]
    assert areas[:2].tolist() == [0.75, 0.0]
    assert np.isnan(areas[2])


def test_the_threshold_decides_what_is_right():
    labels, scores = np.array([0, 1, 1]), np.array([0.2, 0.3, 0.9])
    names = ["accuracy", "recall"]
    at = {t: Measure("binary", labels, scores, names=names, threshold=t) for t in (0.25, 0.5)}
    assert at[0.25].of().tolist() == [[1.0, 1.0]]
    assert at[0.5].of()[0] == pytest.approx([2 / 3, 1 / 2])


@pytest.mark.parametrize("task", TASKS)
def test_better_scores_are_better_by_every_metric(task):
    random = np.random.default_rng(0)
    labels, worse = rows_of(task, 400, 0)
    truth = np.eye(6)[labels] if task == "multiclass" else labels
    better = 0.3 * worse + 0.7 * truth
    names = Measure(task, labels, worse).names
    pairs = zip(
        names,
        Measure(task, labels, better).of()[0],
        Measure(task, labels, worse + 1e-9 * random.random(worse.shape)).of()[0],
        strict=True,
    )
    for name, one, other in pairs:
        assert METRICS[name].sign * (one - other) > 0, name
        assert (one > other) == (name in GREATER_IS_BETTER), name
