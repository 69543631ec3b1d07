"""What training monitors: the objective's own loss, then the metrics of its task."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import rows
from sklearn import metrics as sk

from plumbline.errors import SplitError
from plumbline.metrics.measured import measured as metrics_of
from plumbline.network.examples import Units
from plumbline.network.metrics import SURE, measured
from plumbline.network.tasks import Objective, objective
from plumbline.spec import NetworkSpec, Task
from plumbline.spec.metrics import GREATER_IS_BETTER

LAWS = settings(max_examples=25, deadline=None)


def goal(task: Task, outputs: int = 2, **options: Any) -> Objective:
    return objective(task, outputs, NetworkSpec(**options))


def agree(found: dict[str, float], loss: float, aim: Objective, *rows: Any) -> None:
    """The loss is the one expected, and the metrics are the task's."""
    assert tuple(found) == ("loss", *aim.metrics)
    assert found["loss"] == pytest.approx(loss, rel=1e-9)
    every = metrics_of(aim.task, *rows)
    assert {name: found[name] for name in aim.metrics} == {
        name: every[name] for name in aim.metrics
    }


@LAWS
@given(rows())
def test_binary(drawn):
    scores, labels, weights = drawn[0][:, 0], drawn[1][:, 0].astype(np.int8), drawn[2]
    labels[:2] = 0, 1
    aim = goal("binary")
    found = measured(aim, Units(), labels, scores, weights)
    agree(found, sk.log_loss(labels, scores, sample_weight=weights), aim, labels, scores, weights)


@LAWS
@given(rows(columns=7), st.sampled_from([3, 7]))
def test_multiclass(drawn, classes):
    scores, _, weights = drawn
    scores = scores[:, :classes] / scores[:, :classes].sum(axis=1, keepdims=True)
    labels = (np.arange(len(scores)) * 7919 % classes).astype(np.int16)
    aim = goal("multiclass", classes)
    found = measured(aim, Units(), labels, scores, weights)
    loss = sk.log_loss(labels, scores, labels=range(classes), sample_weight=weights)
    agree(found, loss, aim, labels, scores, weights)


@LAWS
@given(rows(columns=4))
def test_multilabel(drawn):
    scores, labels, weights = drawn
    labels = labels.astype(np.int8)
    labels[:2] = [[0], [1]]
    aim = goal("multilabel", 4)
    found = measured(aim, Units(), labels, scores, weights)
    repeated = None if weights is None else np.repeat(weights, 4)
    loss = sk.log_loss(labels.ravel(), scores.ravel(), sample_weight=repeated)
    agree(found, loss, aim, labels, scores, weights)


@LAWS
@given(
    rows(),
    st.sampled_from(["mean_squared_error", "mean_absolute_error", "huber"]),
    st.floats(1e-3, 1e4),
)
def test_regression(drawn, loss, scale):
    scores, labels, weights = drawn[0][:, 0] * 5, drawn[1][:, 0] * 3.5, drawn[2]
    aim = goal("regression", loss=loss)
    found = measured(aim, Units(scale=scale), labels, scores, weights)
    apart = np.abs(scores - labels) / scale
    by_row = {
        "mean_squared_error": apart**2,
        "mean_absolute_error": apart,
        "huber": np.where(apart <= 1, apart**2 / 2, apart - 0.5),
    }[loss]
    expected = float(np.average(by_row, weights=weights))
    assert tuple(found) == ("loss", *aim.metrics)
    assert found["loss"] == pytest.approx(expected, rel=1e-9)
    assert found["rmse"] == metrics_of("regression", labels, scores, weights)["rmse"]


def test_a_score_that_is_not_finite_makes_all_nan():
    for task in ("binary", "regression"):
        found = measured(goal(task), Units(), np.array([0, 1]), np.array([0.5, np.nan]))
        assert np.isnan(list(found.values())).all()
        assert set(found) == {"loss", *goal(task).metrics}


def test_certainty_that_is_wrong_costs_a_finite_loss():
    found = measured(goal("binary"), Units(), np.array([0, 1]), np.array([1.0, 1.0]))
    assert found["loss"] == pytest.approx(-np.log(SURE) / 2)


@pytest.mark.parametrize("weights", [None, np.array([1.0, 1.0, 0.0])])
def test_one_label_only_is_refused(weights):
    labels = np.array([1, 1, 1 if weights is None else 0])
    with pytest.raises(SplitError, match="positives and 0 negatives"):
        measured(goal("binary"), Units(), labels, np.array([0.1, 0.2, 0.3]), weights)


def test_which_way_is_better():
    assert {"auc", "accuracy", "r2", "f1", "top_3_accuracy", "recall"} <= GREATER_IS_BETTER
    assert not GREATER_IS_BETTER & {"loss", "log_loss", "brier", "rmse", "mae"}
