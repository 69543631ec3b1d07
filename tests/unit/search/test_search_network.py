"""A search that trains, on TensorFlow and on JAX: run with KERAS_BACKEND set to either."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from searching import examples, problem

from plumbline.network.fitting import fit_examples
from plumbline.search.result import SearchResult
from plumbline.search.search import search

pytestmark = [
    pytest.mark.network,
    pytest.mark.usefixtures("compiled_fast"),
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# The second rate is no rate at all: the loss is not finite after an epoch or two.
SPACE = {"learning_rate": [0.01, 1e30], "width": [4, 8]}


def small():
    task = problem(
        {"trials": 5, "seed": 2, "space": SPACE, "max_epochs": 2}, monitor="auc", batch_size=16
    )
    return dataclasses.replace(task, train=examples(96), val=examples(64, seed=1))


@pytest.fixture(scope="module")
def found() -> SearchResult:
    return search(small(), "trained")


def test_networks_that_diverge_are_failed_trials(found: SearchResult):
    for one in found.trials:
        hopeless = one.values["learning_rate"] == 1e30
        assert (one.state == "failed") == hopeless
        assert one.epochs <= 2
    assert {one.state for one in found.trials} == {"done", "failed"}
    assert found.options["learning_rate"] == 0.01


def test_the_best_has_the_greatest_area(found: SearchResult):
    assert found.maximize
    ended = [one.value for one in found.trials if one.value is not None and one.state == "done"]
    assert found.trials[found.best].value == max(ended)


def test_a_search_is_repeatable_to_the_last_bit(found: SearchResult):
    again = search(small(), "trained")
    assert [dataclasses.replace(one, seconds=0.0) for one in again.trials] == [
        dataclasses.replace(one, seconds=0.0) for one in found.trials
    ]


def test_training_with_what_was_chosen_reaches_what_was_found(found: SearchResult):
    task = small()
    options = found.network(task.base)
    fitted = fit_examples(task.train, task.val, task.table, task.goal(options), options, None)
    assert max(fitted.history["val_auc"]) == found.trials[found.best].value


def test_test_rows_have_no_place_in_a_search():
    assert {one.name for one in dataclasses.fields(small())} == {
        *("train", "val", "table", "goal", "options", "budget")
    }


def test_importances_follow_what_differs(found: SearchResult, tmp_path: Path):
    found.save(tmp_path)
    shares = SearchResult.load(tmp_path).importances
    # Of the trials that ended none has another learning rate.
    assert set(shares) <= {"width"}
    assert np.isclose(sum(shares.values()), 1) or not shares
