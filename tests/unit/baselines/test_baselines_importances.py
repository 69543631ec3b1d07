"""What a model goes by is found, and what it does not look at is found to be nothing."""

from dataclasses import replace

import numpy as np
import pytest
from baseline_examples import NULLS, TASKS, given

from plumbline.baselines import boosted_trees, cost, importances, linear, random_forest
from plumbline.baselines.importances import Sample


def val_of(task: str, rows: int = 250) -> Sample:
    some = given(task, rows, seed=9)
    return Sample(matrix=some.matrix, labels=some.labels, weights=None, task=task)


@pytest.mark.parametrize("task", TASKS)
def test_what_the_label_follows_comes_first_by_every_measure(task):
    fitted = boosted_trees.fit_examples(given(task), 0)
    found = importances.importances(
        fitted.predictor, fitted.importances, val_of(task), NULLS, seed=0
    )
    assert [one["feature"] for one in found] == list(fitted.importances)
    for measure in ("permutation", "shap"):
        ranked = sorted(found, key=lambda one: -one[measure])
        assert {one["feature"] for one in ranked[:2]} == {"age [years]", "carrier"}


def test_a_number_is_permuted_with_its_indicator_and_the_indicator_not_alone():
    fitted = random_forest.fit_examples(given("binary"), 0)
    found = importances.importances(
        fitted.predictor, fitted.importances, val_of("binary"), NULLS, seed=0
    )
    by_name = {one["feature"]: one for one in found}
    again = importances.importances(
        fitted.predictor, fitted.importances, val_of("binary"), NULLS, seed=0
    )
    assert again == found
    assert by_name["age [years] is null"]["permutation"] is None
    assert by_name["age [years]"]["permutation"] > 0.02
    assert {one["shap"] for one in found} == {None}


def test_a_model_that_reads_the_indicator_alone_loses_by_its_number():
    model = linear.fit_examples(given("regression")).predictor
    only = replace(
        model,
        numbers=np.array([[0.0], [0.0], [0.0], [5.0]]),
        codes=tuple(0 * one for one in model.codes),
    )
    val = val_of("regression")
    told = replace(val, labels=only.predict(val.matrix))
    for nulls, loses in ((NULLS, True), ((), False)):
        lost = dict(importances.permutation(only, ["age [years]"], told, nulls, 0))
        assert (lost["age [years]"] > 1) == loses


def test_what_a_model_does_not_read_loses_nothing():
    model = linear.fit_examples(given("regression")).predictor
    deaf = replace(model, numbers=model.numbers * [[1], [0], [1], [1]])
    lost = dict(importances.permutation(deaf, ["x<y", "age [years]"], val_of("regression"), (), 0))
    assert lost["x<y"] == 0
    assert lost["age [years]"] > 10  # in the label's units


def test_only_so_many_features_and_rows_are_asked_for(monkeypatch):
    fitted = boosted_trees.fit_examples(given("binary"), 0)
    asked = []
    predict = boosted_trees.BoostedTrees.predict

    def counting(self, matrix):
        asked.append(len(matrix))
        return predict(self, matrix)

    monkeypatch.setattr(boosted_trees.BoostedTrees, "predict", counting)
    monkeypatch.setattr(importances, "PERMUTED_ROWS", 40)
    monkeypatch.setattr(importances, "PERMUTED_FEATURES", 2)
    monkeypatch.setattr(importances, "EXPLAINED_ROWS", 10)
    val = val_of("binary")
    found = importances.importances(fitted.predictor, fitted.importances, val, NULLS, seed=0)
    assert asked == [40, 80, 80]
    assert [one["permutation"] is None for one in found] == [False, False, True, True, True]
    few = val.few(10, 0).matrix
    sizes = np.abs(fitted.predictor.contributions(few)[:, 0, :-1]).mean(axis=0)
    shown = dict(zip(fitted.predictor.native.columns, sizes, strict=True))
    assert {one["feature"]: one["shap"] for one in found} == pytest.approx(shown)


def test_weights_of_the_sample_follow_its_rows():
    some = given("binary", 100, weights=np.arange(100).astype(np.float32))
    val = Sample(matrix=some.matrix, labels=some.labels, weights=some.weights, task="binary")
    few = val.few(30, seed=1)
    places = few.weights.astype(int)
    assert len(few.matrix) == 30
    assert (np.diff(places) > 0).all()
    assert np.array_equal(few.matrix.numeric, some.matrix.numeric[places])
    assert np.array_equal(few.labels, some.labels[places])
    assert np.array_equal(val.few(100, seed=1).matrix.numeric, some.matrix.numeric)


def test_what_a_model_costs(tmp_path):
    model = boosted_trees.fit_examples(given("binary", 60), 0).predictor
    model.save(tmp_path)
    assert cost.size(tmp_path) == (tmp_path / "model.ubj").stat().st_size
    found = cost.latency(model, given("binary", 50).matrix)
    assert found["bulk_rows"] == 50
    assert found["one_row_us"] > 0
    assert found["bulk_row_us"] > 0
