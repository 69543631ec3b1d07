"""Calibration: it never falls, it is exact, and it is released only where it helps."""

from dataclasses import replace

import numpy as np
import pytest
from decisions import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.decision.calibration import calibrate, reliability
from plumbline.decision.curves import Isotonic, Line, Platt, Stairs, expit, logit
from plumbline.decision.decision import released
from plumbline.decision.fitting import FOLDS, cross_fitted, fit, folds, line, stairs, temperature
from plumbline.metrics.areas import auc
from plumbline.metrics.measured import measured
from plumbline.spec import DecisionSpec

TASKS = ["binary", "multiclass", "multilabel"]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["platt", "isotonic"]),
    st.integers(0, 2**32 - 1),
    st.integers(2, 80),
    st.sampled_from([2, 10, 10**6]),
)
def test_calibrated_scores_never_fall_and_stay_probabilities(method, seed, rows, grid):
    random = np.random.default_rng(seed)
    scores = random.integers(0, grid + 1, rows) / grid
    labels = (random.random(rows) < scores**2).astype(np.int8)
    fitted = fit(method, replace(sample("binary", rows), labels=labels, scores=scores))
    asked = np.sort(np.concatenate([[0, 1e-9, 1 - 1e-9, 1], random.random(50), scores]))
    found = fitted.of(asked)
    assert np.diff(found).min() >= -1e-15
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.isfinite(found).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_scores_that_are_too_sure_come_near_the_exact_ones(task, method):
    val, new = sample(task, 4000), sample(task, 4000, seed=1)
    exact = sample(task, 4000, seed=1, sure=1.0).scores
    found = released(task, fit(method, val), new.scores)
    assert found.shape == new.scores.shape
    if task == "multiclass":
        assert np.allclose(found.sum(axis=1), 1)
    assert np.abs(found - exact).mean() < (0.012 if method == "platt" else 0.03)
    assert np.abs(new.scores - exact).mean() > 0.06


def test_a_line_keeps_every_rank_and_stairs_only_make_ties():
    val, new = sample("binary", 2000), sample("binary", 2000, seed=1)
    areas = {
        method: auc(new.labels, fit(method, val).of(new.scores)) for method in ("platt", "isotonic")
    }
    assert areas["platt"] == auc(new.labels, new.scores)
    assert areas["isotonic"] == pytest.approx(areas["platt"], abs=0.01)
    assert areas["isotonic"] != areas["platt"]
    assert len(np.unique(fit("isotonic", val).of(new.scores))) < 1500


def test_fits_agree_with_scikit_learn():
    from sklearn.calibration import _SigmoidCalibration
    from sklearn.isotonic import IsotonicRegression

    val = sample("binary", 500)
    other = _SigmoidCalibration().fit(logit(val.scores), val.labels)
    ours = line(val.labels, val.scores)
    assert (ours.slope, ours.intercept) == pytest.approx((-other.a_, -other.b_), rel=1e-4)
    least = 1 / 502
    theirs = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    asked = np.linspace(0, 1, 301)
    expected = theirs.fit(val.scores, val.labels).predict(asked)
    assert stairs(val.labels, val.scores).of(asked) == pytest.approx(expected, abs=1e-12)


def test_a_temperature_undoes_what_made_scores_too_sure():
    val = sample("multiclass", 6000, sure=3.0)
    assert temperature(val.labels, val.scores) == pytest.approx(3.0, rel=0.1)
    assert temperature(val.labels, np.full((6000, 3), 1 / 3)) == 1.0


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3]),  # one label only
        ([0, 1, 0, 1], [0.5] * 4),  # scores that say nothing
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]),  # upside down
    ],
)
def test_what_no_line_fits_stays_as_it_is(labels, scores):
    assert line(np.array(labels), np.array(scores)) is None


def test_scores_of_0_and_1_have_finite_odds_and_stay_apart_from_their_neighbours():
    scores = np.array([0.0, 1e-12, 1e-3, 0.5, 1 - 1e-9, 1.0])
    found = Line(slope=1.0, intercept=0.0).of(scores)
    assert (np.diff(found) > 0).all()
    assert found == pytest.approx(scores, abs=2e-6)
    assert expit(np.array([-800.0, 0.0, 800.0])).tolist() == [0.0, 0.5, 1.0]


def test_a_share_is_never_0_or_1():
    found = stairs(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert found.of(np.array([0.0, 1.0])) == pytest.approx([1 / 6, 5 / 6])


@pytest.mark.parametrize("task", TASKS)
def test_auto_calibrates_what_is_too_sure_and_leaves_alone_what_is_right(task):
    wrong = calibrate(DecisionSpec(), sample(task, 1500))
    right = calibrate(DecisionSpec(), sample(task, 1500, sure=1.0))
    assert wrong.evidence["method"] == ("temperature" if task == "multiclass" else "platt")
    assert set(wrong.evidence["tried"]) == {"platt", "isotonic"}
    assert wrong.evidence["tried"]["platt"]["gain"]["low"] > 0
    val = wrong.evidence["val"]
    assert val["after"]["ece"]["value"] < val["before"]["ece"]["value"] / 2
    assert right.calibration is None
    assert right.evidence["tried"]["platt"]["gain"]["low"] <= 0
    assert "none gains" in right.evidence["reason"]


def test_few_rows_are_not_asked_for_stairs_unless_declared():
    few = sample("binary", 300)
    assert set(calibrate(DecisionSpec(), few).evidence["tried"]) == {"platt"}
    declared = calibrate(DecisionSpec(calibration="isotonic"), few)
    assert isinstance(declared.calibration, Isotonic)
    off = calibrate(DecisionSpec(calibration="none"), few)
    assert (off.calibration, off.evidence["reason"]) == (None, "declared: none")


def test_declared_calibration_is_done_where_it_harms_and_says_by_how_much():
    exact = sample("binary", 400, sure=1.0)
    found = calibrate(DecisionSpec(calibration="isotonic"), exact)
    assert found.evidence["tried"]["isotonic"]["gain"]["value"] < 0


def test_what_a_calibration_gains_is_told_by_rows_it_was_not_fitted_on():
    """Stairs fitted on pure noise gain much on their own rows, and lose on others."""
    noise = sample("binary", 400, sure=0.0)
    noise = replace(noise, scores=np.random.default_rng(5).random(400))
    own = noise.scored(fit("isotonic", noise).of(noise.scores))
    crossed = noise.scored(cross_fitted("isotonic", noise, 0))
    losses = [measured("binary", one.labels, one.scores)["log_loss"] for one in (own, crossed)]
    assert losses[0] < 0.69 < losses[1]


def test_parts_keep_groups_whole_and_spread_classes():
    groups = np.repeat(np.arange(40), 5)
    placed = folds(sample("binary", 200, groups=groups), 0)
    assert all(len(set(placed[groups == one])) == 1 for one in range(40))
    assert set(placed) == set(range(FOLDS))
    few = replace(sample("binary", 200), labels=(np.arange(200) < 5).astype(np.int8))
    assert sorted(folds(few, 0)[:5]) == list(range(FOLDS))


def test_groups_make_intervals_wider():
    """Ten copies of a row are one piece of evidence: alone each would pass for ten."""
    one = sample("binary", 150, sure=1.5)
    copies = {"labels": np.repeat(one.labels, 10), "scores": np.repeat(one.scores, 10)}
    groups = np.repeat(np.arange(150), 10)
    apart = replace(sample("binary", 1500), **copies)
    together = replace(sample("binary", 1500, groups=groups), **copies)
    widths = [
        reliability(rows)["ece"]["high"] - reliability(rows)["ece"]["low"]
        for rows in (apart, together)
    ]
    assert widths[1] > 1.8 * widths[0]
    gains = [
        calibrate(DecisionSpec(calibration="platt"), rows).evidence["tried"]["platt"]["gain"]
        for rows in (apart, together)
    ]
    assert gains[1]["high"] - gains[1]["low"] > 1.8 * (gains[0]["high"] - gains[0]["low"])


def test_a_label_without_both_values_is_not_calibrated():
    val = sample("multilabel", 300)
    val = replace(val, labels=val.labels * np.array([1, 0, 1], np.int8))
    for method, kind in (("platt", Platt), ("isotonic", Isotonic)):
        found = fit(method, val)
        assert isinstance(found, kind)
        assert [curve is None for curve in found.curves] == [False, True, False]
        assert np.array_equal(found.of(val.scores)[:, 1], val.scores[:, 1])


def test_one_knot_is_a_constant():
    assert Stairs(scores=(0.5,), shares=(0.2,)).of(np.array([0.1, 0.9])).tolist() == [0.2, 0.2]
