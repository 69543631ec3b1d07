"""What is measured of scores equals what scikit-learn says of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import rows
from sklearn import metrics as sk

from plumbline.errors import SplitError
from plumbline.metrics.areas import auc
from plumbline.metrics.measured import measured, per_class
from plumbline.metrics.parts import CLIP
from plumbline.spec.metrics import AREAS_UP_TO, OF_TASK, TOP_FROM

LAWS = settings(max_examples=40, deadline=None)


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def present(*arrays: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray | None]:
    """Rows without weight left out: scikit-learn has their classes count in means."""
    if weights is None:
        return [*arrays, None]
    return [one[weights > 0] for one in (*arrays, weights)]


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
    found = measured("binary", labels, scores, weights)
    said, weighed = scores >= 0.5, {"sample_weight": weights}
    assert tuple(found) == OF_TASK["binary"]
    close(
        found,
        {
            "auc": sk.roc_auc_score(labels, scores, **weighed),
            "average_precision": sk.average_precision_score(labels, scores, **weighed),
            "log_loss": sk.log_loss(labels, scores, **weighed),
            "brier": sk.brier_score_loss(labels, scores, **weighed),
            "accuracy": sk.accuracy_score(labels, said, **weighed),
            "precision": sk.precision_score(labels, said, zero_division=0, **weighed),
            "recall": sk.recall_score(labels, said, zero_division=0, **weighed),
        },
    )
    if weights is None:
        # To the last bit what DeLong's interval is around.
        assert found["auc"] == auc(labels, scores)


@LAWS
@given(rows(columns=7), st.sampled_from([3, 7]))
def test_multiclass(drawn, classes):
    scores, _, weights = drawn
    scores = scores[:, :classes] / scores[:, :classes].sum(axis=1, keepdims=True)
    labels = (np.arange(len(scores)) * 7919 % classes).astype(np.int16)
    found = measured("multiclass", labels, scores, weights)
    labels, scores, weights = present(labels, scores, weights=weights)
    weighed = {"sample_weight": weights}
    averaged = {"average": "macro", "zero_division": 0, **weighed}
    said = scores.argmax(axis=1)
    known = range(classes)
    expected = {
        "log_loss": sk.log_loss(labels, scores, labels=known, **weighed),
        "accuracy": sk.accuracy_score(labels, said, **weighed),
        "precision": sk.precision_score(labels, said, **averaged),
        "recall": sk.recall_score(labels, said, **averaged),
        "f1": sk.f1_score(labels, said, **averaged),
        "auc": mean_area(np.equal.outer(labels, known), scores, weights),
    }
    if classes >= TOP_FROM:
        expected["top_3_accuracy"] = found["top_3_accuracy"]  # see below
    close(found, expected)


@LAWS
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_top_three(seed, weighed):
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(9), 50)
    labels = generator.integers(0, 9, 50)
    weights = generator.uniform(0.1, 2, 50) if weighed else None
    found = measured("multiclass", labels, scores, weights)
    expected = sk.top_k_accuracy_score(labels, scores, k=3, labels=range(9), sample_weight=weights)
    assert found["top_3_accuracy"] == pytest.approx(expected)


def test_of_equal_scores_the_first_class_comes_first():
    scores = np.full((6, 6), 1 / 6)
    found = measured("multiclass", np.arange(6), scores)
    assert (found["accuracy"], found["top_3_accuracy"]) == (1 / 6, 0.5)


@LAWS
@given(rows(columns=4))
def test_multilabel(drawn):
    scores, labels, weights = drawn
    labels = labels.astype(np.int8)
    labels[:2] = [[0], [1]]
    found = measured("multilabel", labels, scores, weights)
    said, weighed = (scores >= 0.5).astype(int), {"sample_weight": weights}
    repeated = None if weights is None else np.repeat(weights, 4)
    close(
        found,
        {
            "auc": sk.roc_auc_score(labels, scores, average="macro", **weighed),
            "average_precision": sk.average_precision_score(
                labels, scores, average="micro", **weighed
            ),
            "log_loss": sk.log_loss(labels.ravel(), scores.ravel(), sample_weight=repeated),
            "accuracy": 1 - sk.hamming_loss(labels, said, **weighed),
            "subset_accuracy": sk.accuracy_score(labels, said, **weighed),
        },
    )


@LAWS
@given(rows())
def test_regression(drawn):
    scores, labels, weights = drawn[0][:, 0] * 5, drawn[1][:, 0] * 3.5, drawn[2]
    labels[:2] = 0, 1
    weighed = {"sample_weight": weights}
    close(
        measured("regression", labels, scores, weights),
        {
            "rmse": sk.root_mean_squared_error(labels, scores, **weighed),
            "mae": sk.mean_absolute_error(labels, scores, **weighed),
            "r2": sk.r2_score(labels, scores, **weighed),
        },
    )


def test_equal_labels_have_no_share_explained():
    found = measured("regression", np.full(4, 2.0), np.arange(4.0))
    assert np.isnan(found["r2"])
    assert found["rmse"] == pytest.approx(1.5**0.5)


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


def test_of_several_labels_each_is_told():
    labels = np.array([[1, 0], [1, 1], [0, 1]])
    scores = np.array([[0.9, 0.9], [0.2, 0.9], [0.1, 0.1]])
    first, second = per_class(labels, scores)
    assert first == {"rows": 2, "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}
    assert second == {"rows": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_score_that_is_not_finite_makes_all_nan(task):
    for score in (np.nan, np.inf):
        found = measured(task, np.array([0, 1]), np.array([0.5, score]))
        assert np.isnan(list(found.values())).all()
        assert tuple(found) == OF_TASK[task]


def test_certainty_that_is_wrong_costs_a_finite_amount():
    found = measured("binary", np.array([0, 1]), np.array([1.0, 0.0]))
    assert found["log_loss"] == pytest.approx(-np.log(CLIP)) == pytest.approx(36.04, abs=0.01)


def test_classes_that_no_row_has_do_not_count():
    labels = np.array([0, 1, 0, 1])
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    found = measured("multiclass", labels, scores)
    assert {found[name] for name in ("auc", "precision", "recall", "f1")} == {1.0}


def test_many_classes_are_measured_without_their_auc():
    generator = np.random.default_rng(0)
    scores = generator.dirichlet(np.ones(AREAS_UP_TO + 1), 50)
    found = measured("multiclass", np.arange(50) % (AREAS_UP_TO + 1), scores)
    assert tuple(found) == tuple(name for name in OF_TASK["multiclass"] if name != "auc")


@pytest.mark.parametrize("weights", [None, np.array([1.0, 1.0, 0.0])])
def test_one_label_only_is_refused(weights):
    labels = np.array([1, 1, 1 if weights is None else 0])
    with pytest.raises(SplitError, match="positives and 0 negatives"):
        measured("binary", labels, np.array([0.1, 0.2, 0.3]), weights)


def test_only_what_is_asked_for_is_measured():
    labels, scores = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.1])
    found = measured("binary", labels, scores, names=["accuracy", "auc"])
    assert tuple(found) == ("auc", "accuracy")
