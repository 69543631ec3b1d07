"""Candidates on the same rows, for every task: intervals, differences and what decides."""

import numpy as np
import pytest

from plumbline.errors import SpecError, SplitError, TrainingError
from plumbline.evaluation.comparison import deciding, judge
from plumbline.evaluation.sides import Side
from plumbline.metrics.delong import delong_interval, delong_paired
from plumbline.metrics.interval import Interval
from plumbline.metrics.measured import measured
from plumbline.spec import EvaluationSpec, Task
from plumbline.spec.metrics import METRICS, OF_TASK

QUICK = {"resamples": 100}


def side(task: Task, n: int = 240, *, groups: int | None = None, seed: int = 0, **options) -> Side:
    """A network that is better than xgboost, which is better than the forest."""
    random = np.random.default_rng(seed)
    noise = {"network": 0.5, "xgboost": 0.8, "random_forest": 1.2}
    hidden = random.normal(size=(n, {"multiclass": 4, "multilabel": 3}.get(task, 1)))
    said = {
        kind: hidden + spread * random.normal(size=hidden.shape) for kind, spread in noise.items()
    }
    if task == "multiclass":
        labels = hidden.argmax(axis=1)
        powers = {kind: np.exp(one) for kind, one in said.items()}
        scores = {kind: one / one.sum(axis=1, keepdims=True) for kind, one in powers.items()}
    elif task == "regression":
        labels, scores = hidden[:, 0], {kind: one[:, 0] for kind, one in said.items()}
    else:
        labels = (hidden > 0.3).astype(np.int8)
        scores = {kind: 1 / (1 + np.exp(-one)) for kind, one in said.items()}
        if task == "binary":
            labels, scores = labels[:, 0], {kind: one[:, 0] for kind, one in scores.items()}
    return Side(
        task=task,
        labels=labels,
        scores=scores,
        options=EvaluationSpec(**{**QUICK, **options}),
        groups=None if groups is None else np.arange(n) % groups,
    )


def on_val(one: Side) -> dict[str, Interval]:
    name = deciding(one)
    return {kind: metrics[name] for kind, metrics in one.intervals().items()}


@pytest.mark.parametrize("task", OF_TASK)
def test_every_metric_has_an_interval_about_its_value(task):
    one = side(task)
    found = one.intervals()
    assert list(found) == ["network", "xgboost", "random_forest"]
    for kind, metrics in found.items():
        values = measured(task, one.labels, one.scores[kind])
        assert tuple(metrics) == tuple(values)
        for name, interval in metrics.items():
            assert interval.value == pytest.approx(values[name], rel=1e-12), name
            assert interval.low < interval.value < interval.high, name


def test_an_area_of_independent_rows_is_delong_s():
    one = side("binary")
    scores = one.scores["network"], one.scores["xgboost"]
    assert one.intervals()["network"]["auc"] == delong_interval(one.labels, scores[0], 0.95)
    difference = one.difference("network", "xgboost", "auc").interval(0.95)
    assert difference == delong_paired(one.labels, *scores, 0.95)
    assert judge(one, on_val(one)).comparison["method"] == "DeLong"


def test_an_area_of_rows_in_groups_is_resampled_by_groups():
    plain, grouped = side("binary"), side("binary", groups=30)
    areas = [one.intervals()["network"]["auc"] for one in (plain, grouped)]
    assert areas[0].value == pytest.approx(areas[1].value, abs=1e-12)
    assert areas[0] != areas[1]
    verdict = judge(grouped, on_val(grouped))
    assert (verdict.comparison["method"], verdict.comparison["groups"]) == ("bootstrap", 30)
    assert "240 rows in 30 groups" in verdict.reason


def test_groups_that_hang_together_widen_what_decides():
    """Rows that are there ten times over are no more rows."""
    few = side("binary", 100)
    repeated = Side(
        task="binary",
        labels=np.tile(few.labels, 10),
        scores={kind: np.tile(values, 10) for kind, values in few.scores.items()},
        options=EvaluationSpec(resamples=500),
        groups=np.tile(np.arange(100), 10),
    )
    found = [one.difference("network", "xgboost", "auc").interval(0.95) for one in (few, repeated)]
    widths = [one.high - one.low for one in found]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


@pytest.mark.parametrize("task", OF_TASK)
def test_the_network_is_found_better_by_what_decides(task):
    one = side(task)
    verdict = judge(one, on_val(one))
    metric = METRICS[verdict.comparison["metric"]]
    assert verdict.comparison["metric"] == OF_TASK[task][0]
    assert (verdict.decision, verdict.winner) == ("NETWORK", "network")
    assert verdict.comparison["baseline"] == "xgboost"
    value = verdict.comparison["difference"]["value"]
    assert value > 0
    of = {kind: one.intervals()[kind][deciding(one)].value for kind in ("network", "xgboost")}
    assert value == pytest.approx(metric.sign * (of["network"] - of["xgboost"]))
    first = "the network" if metric.greater_is_better else "xgboost"
    assert f"test {metric.title} of {first} minus that of " in verdict.reason


@pytest.mark.parametrize("task", OF_TASK)
def test_any_metric_of_the_task_can_decide(task):
    for name in side(task).names:
        one = side(task, metric=name)
        assert judge(one, on_val(one)).comparison["metric"] == name


def test_a_worse_network_is_not_released_by_an_error_either():
    one = side("regression")
    scores = {"network": one.scores["random_forest"], "xgboost": one.scores["xgboost"]}
    other = Side(task="regression", labels=one.labels, scores=scores, options=one.options)
    verdict = judge(other, on_val(other))
    assert (verdict.decision, verdict.winner) == ("BASELINE", "xgboost")
    assert verdict.comparison["difference"]["high"] < 0


def test_the_minimum_gain_is_the_metric_s_own_unless_declared():
    share, error = side("multiclass"), side("regression")
    assert judge(share, on_val(share)).comparison["minimum_gain"] == 0.002
    val = on_val(error)
    assert judge(error, val).comparison["minimum_gain"] == 0.01 * val["xgboost"].value
    declared = side("regression", minimum_gain=0.5)
    assert judge(declared, on_val(declared)).comparison["minimum_gain"] == 0.5
    assert judge(declared, on_val(declared)).decision == "BASELINE"


def test_every_baseline_is_beside_the_best_one_and_corrected_for():
    one = side("regression")
    comparison = judge(one, on_val(one)).comparison
    assert set(comparison["differences"]) == {"xgboost", "random_forest"}
    best = comparison["differences"]["xgboost"]
    assert comparison["difference"] == {end: best[end] for end in ("value", "low", "high")}
    assert comparison["p_value"] == best["p_value"] == 1 / 101
    for found in comparison["differences"].values():
        assert found["holm"]["p_value"] == pytest.approx(2 / 101)
        assert found["holm"]["low"] <= found["low"]


def test_strata_change_the_resamples_and_no_value():
    plain, strata = side("multiclass"), side("multiclass", stratified=True)
    one, other = (each.intervals()["network"]["accuracy"] for each in (plain, strata))
    assert one.value == other.value
    assert one != other


def test_what_is_not_measured_of_so_many_classes_cannot_decide():
    scores = np.random.default_rng(0).dirichlet(np.ones(30), 60)
    options = EvaluationSpec(metric="auc", **QUICK)
    many = Side(
        task="multiclass", labels=np.arange(60) % 30, scores={"xgboost": scores}, options=options
    )
    with pytest.raises(SpecError, match="'auc' is not measured"):
        deciding(many)


def test_rows_that_do_not_define_what_decides_pass_no_verdict():
    one = side("multilabel", 20)
    empty = Side(task="multilabel", labels=0 * one.labels, scores=one.scores, options=one.options)
    with pytest.raises(SplitError, match="AUC is not defined on the 20 test rows"):
        judge(empty, on_val(one))


def test_scores_that_are_not_finite_are_refused():
    one = side("multiclass", 20)
    scores = {**one.scores, "network": one.scores["network"] * np.nan}
    with pytest.raises(TrainingError, match="80 of 80 scores are NaN"):
        Side(task="multiclass", labels=one.labels, scores=scores, options=one.options)


def test_one_label_only_is_refused():
    with pytest.raises(SplitError, match="0 positives"):
        Side(
            task="binary",
            labels=np.zeros(4),
            scores={"xgboost": np.linspace(0, 1, 4)},
            options=EvaluationSpec(),
        )
