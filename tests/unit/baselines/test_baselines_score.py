"""The main metric's interval: its value, its coverage, its weights."""

import numpy as np
import pytest
from baseline_examples import TASKS, given, labels_of, matrix_of

from plumbline.baselines import linear, score
from plumbline.errors import SplitError
from plumbline.metrics.delong import delong_interval
from plumbline.metrics.measured import measured
from plumbline.spec.metrics import OF_TASK


def scored(task: str, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels and a linear model's scores of rows that it has not seen."""
    matrix = matrix_of(rows, seed=4)
    said = linear.fit_examples(given(task)).predictor.predict(matrix)
    return labels_of(task, matrix, seed=4), said


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_the_interval_is_around_the_metric(task, weighed):
    labels, scores = scored(task)
    weights = np.arange(400).astype(np.float32) % 3 if weighed else None
    found = score.validated(task, labels, scores, weights, 0.9, 0)
    assert found["metric"] == OF_TASK[task][0]
    assert found["metrics"] == measured(task, labels, scores, weights)
    interval = found["interval"]
    assert interval["value"] == pytest.approx(found["metrics"][found["metric"]])
    assert interval["low"] < interval["value"] < interval["high"]
    again = score.validated(task, labels, scores, weights, 0.9, 0)
    assert again == found
    wider = score.validated(task, labels, scores, weights, 0.99, 0)["interval"]
    assert wider["low"] < interval["low"] < interval["high"] < wider["high"]


def test_an_auc_of_rows_that_weigh_alike_has_delong_s_interval():
    labels, scores = scored("binary")
    found = score.interval_of("auc", "binary", labels, scores, confidence=0.95)
    assert found == delong_interval(labels, scores, 0.95)
    drawn = score.interval_of(
        "auc", "binary", labels, scores, np.full(400, 2.0, dtype=np.float32), confidence=0.95
    )
    assert drawn.value == pytest.approx(found.value)
    assert drawn.low == pytest.approx(found.low, abs=0.02)
    assert drawn.high == pytest.approx(found.high, abs=0.02)


@pytest.mark.parametrize("task", TASKS)
def test_rows_without_weight_count_as_not_there(task):
    labels, scores = scored(task)
    weights = np.where(np.arange(400) < 150, 0, 1).astype(np.float32)
    metric = OF_TASK[task][0]
    some = score.interval_of(metric, task, labels, scores, weights, confidence=0.95)
    rest = score.interval_of(metric, task, labels[150:], scores[150:], confidence=0.95)
    assert some.value == pytest.approx(rest.value)
    width = rest.high - rest.low
    assert some.high - some.low == pytest.approx(width, rel=0.3)


def test_the_interval_covers_at_its_rate(monkeypatch):
    """Errors of a normal distribution: their root mean square is 1."""
    monkeypatch.setattr(score, "RESAMPLES", 200)
    random, hits, rounds = np.random.default_rng(0), 0, 120
    for _ in range(rounds):
        errors = random.normal(size=200)
        found = score.interval_of("rmse", "regression", errors, np.zeros(200), confidence=0.9)
        hits += found.low <= 1 <= found.high
    assert 0.82 <= hits / rounds <= 0.96


def test_many_rows_are_resampled_less_often():
    assert score._resamples(score.MANY_ROWS) == score.RESAMPLES
    assert score._resamples(score.MANY_ROWS + 1) == score.OF_MANY_ROWS


def test_a_metric_that_is_not_defined_is_null():
    scores = np.array([[0.6, 0.4, 0.0], [0.5, 0.3, 0.2], [0.3, 0.7, 0.0]])
    found = score.validated("multiclass", np.zeros(3, dtype=np.int16), scores, None, 0.95, 0)
    assert found["metrics"]["auc"] is None
    assert found["metrics"]["accuracy"] == pytest.approx(2 / 3)


def test_a_main_metric_that_is_not_defined_is_refused():
    labels = np.array([[0, 1], [0, 1], [0, 1]], dtype=np.int8)
    with pytest.raises(SplitError, match="auc is not defined of the 3 validation rows"):
        score.interval_of("auc", "multilabel", labels, np.full((3, 2), 0.5), confidence=0.95)
    many = np.full((3, 25), 0.04)
    with pytest.raises(SplitError, match="auc is not defined"):
        score.interval_of("auc", "multiclass", labels[:, 0], many, confidence=0.95)
