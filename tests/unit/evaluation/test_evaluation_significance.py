"""Holm's correction: what it rejects, and the intervals that go with it."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plumbline.evaluation.significance import compared, holm, holm_levels
from plumbline.metrics.bootstrap import Estimate
from plumbline.metrics.delong import PairedAreas

p_values = st.lists(st.floats(1e-6, 1), min_size=1, max_size=8)
levels = st.floats(0.001, 0.2)


def rejected(values: list[float], level: float) -> set[int]:
    """Step by step, as Holm describes it."""
    found: set[int] = set()
    for rank, at in enumerate(np.argsort(values, kind="stable")):
        if values[at] > level / (len(values) - rank):
            break
        found.add(int(at))
    return found


def test_an_example_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(p_values, levels)
def test_an_adjusted_p_value_is_at_most_the_level_where_holm_rejects(values, level):
    adjusted = np.array(holm(values))
    assume((abs(adjusted - level) > 1e-9).all())
    assert {int(at) for at in np.flatnonzero(adjusted <= level)} == rejected(values, level)
    assert (adjusted >= np.array(values) * (1 - 1e-12)).all()


@given(p_values, levels)
def test_each_level_rejects_what_holm_rejects(values, level):
    found = holm_levels(values, level)
    by_level = {at for at, (p, one) in enumerate(zip(values, found, strict=True)) if p <= one}
    assert by_level == rejected(values, level)
    assert min(found) == level / len(values)
    assert max(found) <= level


@given(p_values)
def test_one_comparison_is_not_corrected(values):
    assert holm(values[:1]) == values[:1]
    assert holm_levels(values[:1], 0.025) == [0.025]


def test_several_differences_beside_each_other():
    random = np.random.default_rng(0)
    differences = {
        name: Estimate(value=value, drawn=value + 0.01 * random.normal(size=4000))
        for name, value in (("clear", 0.06), ("near", 0.0212), ("none", 0.0))
    }
    found = compared(differences, 0.0, 0.95)
    assert [one["p_value"] < 0.025 for one in found.values()] == [True, True, False]
    assert found["clear"]["low"] > found["clear"]["holm"]["low"] > 0
    # Of two left: sure enough alone, and beside another no more.
    assert found["near"]["low"] > 0
    assert found["near"]["holm"]["low"] < 0
    (alone,) = compared({"clear": differences["clear"]}, 0.0, 0.95).values()
    assert alone["holm"] == {end: alone[end] for end in ("p_value", "low", "high")}
    for one in found.values():
        assert one["holm"]["p_value"] >= one["p_value"]
        assert one["holm"]["low"] <= one["low"] <= one["value"] <= one["high"]


def test_without_a_correction_one_of_many_is_soon_found():
    """Five baselines as good as the network: some gain is found in about 1 of 40 cases."""
    alone = together = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        means = random.normal(size=5)
        values = [NormalDist().cdf(-one) for one in means]
        alone += min(values) <= 0.025
        together += min(holm(values)) <= 0.025
    assert alone >= 30
    assert together <= 22


def test_delong_s_p_value_turns_its_interval_round():
    random = np.random.default_rng(0)
    labels = (np.arange(400) % 2).astype(np.int8)
    a, b = (gap * labels + random.normal(size=400) for gap in (1.0, 0.8))
    paired = PairedAreas(labels, a, b)
    for confidence in (0.8, 0.95, 0.99):
        found = paired.interval(confidence)
        assert paired.p_value(found.low) == pytest.approx((1 - confidence) / 2)
        assert paired.p_value(found.value) == pytest.approx(0.5)


def test_the_same_scores_gain_nothing():
    labels, scores = np.array([0, 1, 0, 1]), np.array([0.1, 0.7, 0.4, 0.3])
    paired = PairedAreas(labels, scores, scores)
    assert paired.p_value(0.0) == 1
    assert paired.p_value(0.002) == 1


def test_perfect_scores_beat_useless_ones_where_no_variance_can_be_estimated():
    labels = np.array([0, 0, 1, 1] * 10)
    paired = PairedAreas(labels, labels + 0.0, np.full(40, 0.5))
    assert paired.value == 0.5
    assert paired.p_value(0.0) < 0.001 < paired.p_value(0.45)
