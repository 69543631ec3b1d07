"""Conformal prediction: the coverage holds on new rows, and margins are those of the ranks."""

from dataclasses import replace

import numpy as np
import pytest
from decisions import CLASSES, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.decision import conformal
from plumbline.decision.choosing import decide
from plumbline.decision.fitting import fit
from plumbline.decision.sets import Conformal
from plumbline.errors import DecisionError
from plumbline.metrics.reliability import Reliability
from plumbline.spec import DecisionSpec

TASKS = list(CLASSES)


def options(coverage=0.9, **other) -> DecisionSpec:
    return DecisionSpec(conformal={"coverage": coverage}, **other)


def share_held(task, *, seed, rows, coverage, calibration="auto"):
    """The coverage of a decision made of some rows, on 500 new ones."""
    val, new = (
        sample(task, count, seed=one, resamples=2)
        for count, one in ((rows, seed), (500, seed + 10_000))
    )
    decided = decide(options(coverage, calibration=calibration), val, CLASSES[task])
    released = new.scored(decided.decision.calibrated(new.scores))
    found = conformal.checked(decided.decision, released, decided.conformal)
    assert found is not None
    return found["coverage"]["value"]


@pytest.mark.parametrize("task", TASKS)
def test_coverage_on_exchangeable_rows_is_the_declared_one(task):
    """Mean over 60 pairs of samples; its standard error is below 0.006."""
    found = [share_held(task, seed=one, rows=90, coverage=0.8) for one in range(60)]
    assert np.mean(found) > 0.8 - 0.015
    assert np.mean(found) < 0.9 or task == "binary"  # whose sets hold one class at least


def test_margins_by_scores_that_were_fitted_on_the_same_rows_would_cover_less():
    """Why the margins are taken of cross-fitted scores: stairs know their own rows."""
    found = [
        share_held("multiclass", seed=one, rows=150, coverage=0.9, calibration="isotonic")
        for one in range(25)
    ]
    own = []
    for one in range(25):
        val, new = sample("multiclass", 150, seed=one), sample("multiclass", 500, seed=one + 10_000)
        stairs = fit("isotonic", val)
        margin = conformal.fit(0.9, val.scored(_normal(stairs.of(val.scores)))).margins[0]
        given_right = _normal(stairs.of(new.scores))[np.arange(500), new.labels]
        own.append((given_right >= margin).mean())
    assert np.mean(found) > 0.885
    assert np.mean(own) < 0.86


def _normal(scores):
    return scores / scores.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.integers(0, 2**32 - 1))
def test_a_margin_is_the_corrected_rank(rows, coverage, seed):
    val = sample("regression", rows, seed=seed % 1000)
    needed = {0.5: 1, 0.8: 4, 0.9: 9, 0.95: 19}[coverage]
    if rows < needed:
        with pytest.raises(DecisionError, match=f"expected {needed} or more"):
            conformal.fit(coverage, val)
        return
    (margin,) = conformal.fit(coverage, val).margins
    apart = np.abs(val.labels - val.scores)
    within = (apart <= margin).sum()
    assert within >= coverage * (rows + 1) - 1e-9
    assert (apart < margin).sum() < coverage * (rows + 1)


def test_too_few_rows_give_sets_of_everything():
    val = sample("multilabel", 60)
    val = replace(val, labels=val.labels * (np.arange(60) < [[60], [8], [0]]).T.astype(np.int8))
    found = conformal.fit(0.9, val)
    assert [one > 0 for one in found.margins] == [True, False, False]
    assert found.labels(np.zeros((1, 3))).tolist() == [[False, True, True]]
    few = sample("multiclass", 8)
    assert conformal.fit(0.9, few).members(few.scores).all()


def test_a_set_is_never_empty():
    strict = Conformal(coverage=0.5, margins=(0.9,))
    scores = np.array([[0.5, 0.3, 0.2], [0.95, 0.03, 0.02], [0.2, 0.3, 0.5]])
    assert strict.members(scores).sum(axis=1).tolist() == [1, 1, 1]
    assert strict.members(scores)[2].tolist() == [False, False, True]


def test_what_is_to_be_expected_is_what_many_samples_give():
    """Vovk's beta quantiles hold 95 % of the coverages of small samples, not just their mean."""
    random = np.random.default_rng(0)
    val = sample("regression", 40)
    decided = decide(options(), val, ())
    (low,), (high,) = decided.conformal["low"], decided.conformal["high"]
    apart = np.sort(np.abs(random.normal(size=(4000, 40))), axis=1)
    margins = apart[:, 36]  # ceil(41 * 0.9) = 37th
    from scipy.stats import norm

    covered = 2 * norm.cdf(margins) - 1
    assert np.quantile(covered, [0.025, 0.975]) == pytest.approx([low, high], abs=0.01)


def test_a_coverage_that_is_not_kept_is_told():
    val = sample("regression", 500)
    decided = decide(options(), val, ())
    for spread, held in ((1.0, True), (2.0, False)):
        new = sample("regression", 800, seed=3)
        new = replace(new, labels=new.scores + spread * (new.labels - new.scores))
        found = conformal.checked(decided.decision, new, decided.conformal)
        assert found["held"] is held
        assert found["size"]["value"] == pytest.approx(2 * decided.decision.conformal.margins[0])
        low, value, high = (found["coverage"][end] for end in ("low", "value", "high"))
        assert low < value < high


def test_each_label_s_coverage_is_of_the_rows_that_have_it():
    val, new = sample("multilabel", 800), sample("multilabel", 800, seed=1)
    decided = decide(options(), val, CLASSES["multilabel"])
    released = new.scored(decided.decision.calibrated(new.scores))
    found = conformal.checked(decided.decision, released, decided.conformal)
    inside = decided.decision.conformal.labels(released.scores)
    for at, one in enumerate(found["labels"]):
        there = new.labels[:, at] == 1
        assert one == {
            "label": CLASSES["multilabel"][at],
            "rows": there.sum(),
            "coverage": inside[there, at].mean(),
        }
        assert one["coverage"] > 0.85
    assert found["size"]["value"] == inside.sum(axis=1).mean()


def test_the_error_by_chance_is_what_exact_probabilities_give():
    random = np.random.default_rng(1)
    exact = random.random(1500) ** 2
    found = [Reliability(exact, random.random(1500) < exact).of()[0, 0] for _ in range(300)]
    assert Reliability(exact, exact > 0.5).by_chance == pytest.approx(np.mean(found), rel=0.05)
