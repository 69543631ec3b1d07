"""What is measured of the validation rows equals what scikit-learn says of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from plumbline.baselines.auc import auc
from plumbline.errors import SplitError
from plumbline.network.examples import Units
from plumbline.network.metrics import GREATER_IS_BETTER, SURE, measured, per_class
from plumbline.network.tasks import Objective, objective
from plumbline.spec import NetworkSpec, Task
from plumbline.spec.tasks import AREAS_UP_TO, TOP_FROM

LAWS = settings(max_examples=40, deadline=None)


def goal(task: Task, outputs: int = 2, **options: Any) -> Objective:
    return objective(task, outputs, NetworkSpec(**options))


@st.composite
def rows(draw: st.DrawFn, columns: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A generator's numbers of few values, so that scores repeat; and weights, perhaps."""
    count = draw(st.integers(8, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from([3, 20, 10_000]))
    scores = (generator.integers(1, values, (count, columns)) / values).astype(np.float64)
    weights = draw(st.sampled_from(["none", "ones", "drawn", "some zero"]))
    drawn = generator.uniform(0.1, 4, count)
    chosen = {
        "none": None,
        "ones": np.ones(count),
        "drawn": drawn,
        "some zero": np.where(np.arange(count) % 5 == 4, 0, drawn),
    }[weights]
    return scores, generator.integers(0, 2, (count, columns)), chosen


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    assert set(expected) <= set(found)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def mean_area(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> float:
    """scikit-learn's AUC of the columns where rows of both values have weight."""
    shares = np.average(truth, axis=0, weights=weights)
    return np.mean(
        [
            sk.roc_auc_score(truth[:, one], scores[:, one], sample_weight=weights)
            for one in np.flatnonzero((shares > 0) & (shares < 1))
        ]
    )


@LAWS
@given(rows())
def test_binary(drawn):
    scores, labels, weights = drawn[0][:, 0], drawn[1][:, 0].astype(np.int8), drawn[2]
    labels[:2] = 0, 1
    found = measured(goal("binary"), Units(), labels, scores, weights)
    said, weighed = scores >= 0.5, {"sample_weight": weights}
    assert tuple(found) == ("loss", *goal("binary").metrics)
    close(
        found,
        {
            "loss": sk.log_loss(labels, scores, **weighed),
            "auc": sk.roc_auc_score(labels, scores, **weighed),
            "average_precision": sk.average_precision_score(labels, scores, **weighed),
            "accuracy": sk.accuracy_score(labels, said, **weighed),
            "precision": sk.precision_score(labels, said, zero_division=0, **weighed),
            "recall": sk.recall_score(labels, said, zero_division=0, **weighed),
        },
    )
    if weights is None:
        assert found["auc"] == auc(labels, scores)


@LAWS
@given(rows(columns=7), st.sampled_from([3, 7]))
def test_multiclass(drawn, classes):
    scores, _, weights = drawn
    scores = scores[:, :classes] / scores[:, :classes].sum(axis=1, keepdims=True)
    labels = (np.arange(len(scores)) * 7919 % classes).astype(np.int16)
    found = measured(goal("multiclass", classes), Units(), labels, scores, weights)
    weighed = {"sample_weight": weights}
    averaged = {"average": "macro", "zero_division": 0, **weighed}
    said = scores.argmax(axis=1)
    known = range(classes)
    expected = {
        "loss": sk.log_loss(labels, scores, labels=known, **weighed),
        "accuracy": sk.accuracy_score(labels, said, **weighed),
        "precision": sk.precision_score(labels, said, **averaged),
        "recall": sk.recall_score(labels, said, **averaged),
        "f1": sk.f1_score(labels, said, **averaged),
        "auc": mean_area(np.equal.outer(labels, known), scores, weights),
    }
    close(found, expected)
    assert set(found) == {"loss", *goal("multiclass", classes).metrics}
    assert ("top_3_accuracy" in found) == (classes >= TOP_FROM)


@LAWS
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_top_three(seed, weighed):
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(9), 50)
    labels = generator.integers(0, 9, 50)
    weights = generator.uniform(0.1, 2, 50) if weighed else None
    found = measured(goal("multiclass", 9), Units(), labels, scores, weights)
    expected = sk.top_k_accuracy_score(labels, scores, k=3, labels=range(9), sample_weight=weights)
    assert found["top_3_accuracy"] == pytest.approx(expected)


def test_of_equal_scores_the_first_class_comes_first():
    scores = np.full((6, 6), 1 / 6)
    found = measured(goal("multiclass", 6), Units(), np.arange(6), scores)
    assert (found["accuracy"], found["top_3_accuracy"]) == (1 / 6, 0.5)


@LAWS
@given(rows(columns=4))
def test_multilabel(drawn):
    scores, labels, weights = drawn
    labels = labels.astype(np.int8)
    labels[:2] = [[0], [1]]
    found = measured(goal("multilabel", 4), Units(), labels, scores, weights)
    said, weighed = (scores >= 0.5).astype(int), {"sample_weight": weights}
    repeated = None if weights is None else np.repeat(weights, 4)
    close(
        found,
        {
            "loss": sk.log_loss(labels.ravel(), scores.ravel(), sample_weight=repeated),
            "auc": sk.roc_auc_score(labels, scores, average="macro", **weighed),
            "average_precision": sk.average_precision_score(
                labels, scores, average="micro", **weighed
            ),
            "accuracy": 1 - sk.hamming_loss(labels, said, **weighed),
            "subset_accuracy": sk.accuracy_score(labels, said, **weighed),
        },
    )
    assert set(found) == {"loss", *goal("multilabel", 4).metrics}


@LAWS
@given(
    rows(),
    st.sampled_from(["mean_squared_error", "mean_absolute_error", "huber"]),
    st.floats(1e-3, 1e4),
)
def test_regression(drawn, loss, scale):
    scores, labels, weights = drawn[0][:, 0] * 5, drawn[1][:, 0] * 3.5, drawn[2]
    labels[:2] = 0, 1
    found = measured(goal("regression", loss=loss), Units(scale=scale), labels, scores, weights)
    weighed = {"sample_weight": weights}
    apart = np.abs(scores - labels) / scale
    by_row = {
        "mean_squared_error": apart**2,
        "mean_absolute_error": apart,
        "huber": np.where(apart <= 1, apart**2 / 2, apart - 0.5),
    }[loss]
    close(
        found,
        {
            "loss": float(np.average(by_row, weights=weights)),
            "rmse": sk.root_mean_squared_error(labels, scores, **weighed),
            "mae": sk.mean_absolute_error(labels, scores, **weighed),
            "r2": sk.r2_score(labels, scores, **weighed),
        },
    )
    assert set(found) == {"loss", *goal("regression").metrics}


@LAWS
@given(rows(columns=5))
def test_what_is_told_of_each_class(drawn):
    scores, _, weights = drawn
    labels = np.arange(len(scores)) % 5
    told = per_class(labels, scores, weights)
    precision, recall, f1, rows_of = sk.precision_recall_fscore_support(
        labels, scores.argmax(axis=1), labels=range(5), zero_division=0, sample_weight=weights
    )
    columns = {"precision": precision, "recall": recall, "f1": f1}
    for name, expected in columns.items():
        np.testing.assert_allclose([one[name] for one in told], expected, atol=1e-9)
    if weights is None:
        assert [one["rows"] for one in told] == rows_of.tolist()


def test_of_a_binary_label_only_the_positive_class_is_told():
    (told,) = per_class(np.array([0, 1, 1, 1]), np.array([0.9, 0.9, 0.9, 0.1]))
    assert told == {"rows": 3, "precision": 2 / 3, "recall": 2 / 3, "f1": pytest.approx(2 / 3)}


@LAWS
@given(rows(), st.integers(1, 3))
def test_a_weight_is_so_many_rows(drawn, times):
    scores, labels, _ = drawn
    labels[:2, 0] = 0, 1
    labels, scores = labels[:, 0], scores[:, 0]
    counts = np.where(np.arange(len(labels)) % 2, times, 1)
    weighed = measured(goal("binary"), Units(), labels, scores, counts)
    repeated = measured(goal("binary"), Units(), labels.repeat(counts), scores.repeat(counts))
    close(weighed, repeated)


def test_a_score_that_is_not_finite_makes_all_nan():
    for task in ("binary", "regression"):
        found = measured(goal(task), Units(), np.array([0, 1]), np.array([0.5, np.nan]))
        assert np.isnan(list(found.values())).all()
        assert set(found) == {"loss", *goal(task).metrics}


def test_certainty_that_is_wrong_costs_a_finite_loss():
    found = measured(goal("binary"), Units(), np.array([0, 1]), np.array([1.0, 1.0]))
    assert found["loss"] == pytest.approx(-np.log(SURE) / 2)


def test_classes_that_no_row_has_do_not_count():
    labels = np.array([0, 1, 0, 1])
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    found = measured(goal("multiclass", 3), Units(), labels, scores)
    assert {found[name] for name in ("auc", "precision", "recall", "f1")} == {1.0}


def test_many_classes_are_measured_without_their_auc():
    names = goal("multiclass", AREAS_UP_TO + 1).metrics
    generator = np.random.default_rng(0)
    scores = generator.dirichlet(np.ones(AREAS_UP_TO + 1), 50)
    labels = np.arange(50) % (AREAS_UP_TO + 1)
    found = measured(goal("multiclass", AREAS_UP_TO + 1), Units(), labels, scores)
    assert set(found) == {"loss", *names}
    assert "auc" not in names


@pytest.mark.parametrize("weights", [None, np.array([1.0, 1.0, 0.0])])
def test_one_label_only_is_refused(weights):
    labels = np.array([1, 1, 1 if weights is None else 0])
    with pytest.raises(SplitError, match="positives and 0 negatives"):
        measured(goal("binary"), Units(), labels, np.array([0.1, 0.2, 0.3]), weights)


def test_which_way_is_better():
    assert {"auc", "accuracy", "r2", "f1", "top_3_accuracy", "recall"} <= GREATER_IS_BETTER
    assert not GREATER_IS_BETTER & {"loss", "rmse", "mae"}
