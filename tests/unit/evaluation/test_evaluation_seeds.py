"""What seeds and repeated readings of the test rows do to a gain's interval and p-value."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plumbline.evaluation.comparison import judge
from plumbline.evaluation.seeds import Gain, Spread
from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.metrics.bootstrap import Estimate
from plumbline.metrics.interval import Interval
from plumbline.spec import EvaluationSpec

NORMAL = NormalDist()


class Normal:
    """A difference that is known with a normal error."""

    def __init__(self, value: float, error: float):
        self.value, self.error = value, error

    def interval(self, confidence: float) -> Interval:
        reach = NORMAL.inv_cdf((1 + confidence) / 2) * self.error
        return Interval(value=self.value, low=self.value - reach, high=self.value + reach)

    def p_value(self, gain: float) -> float:
        return NORMAL.cdf((gain - self.value) / self.error)


gains = st.builds(
    lambda value, error, values, sign: Gain(
        rows=Normal(value, error), units=5000, seeds=Spread.of(values, sign)
    ),
    st.floats(-0.1, 0.1),
    st.floats(1e-4, 0.1),
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.sampled_from([1, -1]),
)


@given(gains, st.floats(0.5, 0.999))
def test_seeds_only_widen(gain, confidence):
    alone, found = gain.rows.interval(confidence), gain.interval(confidence)
    slack = 1e-9 * (alone.high - alone.low)
    assert found.value == alone.value
    assert found.low <= alone.low + slack
    assert found.high >= alone.high - slack
    assert gain.p_value(0.01) >= gain.rows.p_value(0.01)


@given(gains, st.floats(0.5, 0.95), st.floats(-0.05, 0.05))
def test_an_interval_and_a_p_value_say_the_same(gain, confidence, minimum):
    low, p_value = gain.interval(confidence).low, gain.p_value(minimum)
    if abs(low - minimum) > 1e-9:
        assert (low > minimum) == (p_value < (1 - confidence) / 2)


def test_the_second_interval_is_welch_s():
    """The mean of rows and the mean of seeds, as scipy's test of two means has them."""
    random = np.random.default_rng(0)
    rows, seeds = random.normal(0, 1, 40), random.normal(5, 1, 4)
    error = rows.std(ddof=1) / np.sqrt(len(rows))
    spread = Spread(networks=len(seeds), variance=float(seeds.var(ddof=1)), apart=0.0)
    gain = Gain(rows=Normal(seeds.mean() - rows.mean(), error), units=len(rows), seeds=spread)
    welch = stats.ttest_ind(seeds, rows, equal_var=False).confidence_interval(0.95)
    assert gain.interval(0.95).low == pytest.approx(welch.low)
    assert gain.interval(0.95).high == pytest.approx(welch.high)


@pytest.mark.parametrize(("luck", "error"), [(1, 0.01), (1, 1), (0.3, 1)])
def test_neither_the_mean_nor_the_network_itself_is_overrated(luck, error):
    """Of 2,000 lower ends 2.5 % may lie above: at most 3.6 % do in 499 of 500 simulations."""
    random = np.random.default_rng(0)
    over = {"mean": 0, "itself": 0}
    for _ in range(2000):
        true = luck * random.normal(size=3)
        seen = true + error * random.normal()  # the same rows for all three
        gain = Gain(rows=Normal(seen[0], error), units=10_000, seeds=Spread.of(seen.tolist(), 1))
        low = gain.interval(0.95).low
        over["mean"] += low > 0
        over["itself"] += low > true[0]
    assert max(over.values()) <= 0.036 * 2000


def test_a_single_network_says_nothing_of_seeds():
    assert Spread.of([0.7], 1) is None
    rows = Normal(0.01, 0.002)
    assert Gain(rows=rows, units=100).interval(0.95) == rows.interval(0.95)


def test_equal_networks_that_rows_cannot_tell_apart_have_no_width():
    gain = Gain(rows=Estimate(value=0.0, drawn=np.zeros(200)), units=50,
                seeds=Spread(networks=3, variance=0.0, apart=0.0))  # fmt: skip
    assert gain.interval(0.99) == Interval(value=0.0, low=0.0, high=0.0)
    assert gain.p_worse() == 1
    assert gain.p_value(-1) == pytest.approx(1 / 201)


def test_wide_intervals_go_beyond_what_resamples_show():
    drawn = np.random.default_rng(0).normal(0, 1, 500)
    gain = Gain(rows=Estimate(value=0.0, drawn=drawn), units=500)
    assert -6 < gain.interval(1 - 2e-6).low < -4.4 < drawn.min()
    assert gain.interval(0.95).low == np.quantile(drawn, 0.025)


def test_how_much_worse_is_not_bounded_by_resamples():
    drawn = np.random.default_rng(0).normal(-8, 1, 500)
    assert Gain(rows=Estimate(value=-8.0, drawn=drawn), units=500).p_worse() < 1e-9


def test_readings_that_are_allowed_are_at_full_width():
    assert [Reading(number=n, allowed=3).confidence(0.95) for n in (1, 2, 3)] == [0.95] * 3
    beyond = [Reading(number=n, allowed=3).confidence(0.95) for n in (4, 5, 6)]
    assert beyond == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 6, 1 - 0.05 / 12])


@given(st.integers(1, 5), st.integers(1, 400))
def test_all_readings_beyond_err_no_more_than_one(allowed, readings):
    numbers = range(allowed + 1, allowed + 1 + readings)
    spent = [1 - Reading(number=n, allowed=allowed).confidence(0.9) for n in numbers]
    assert sum(spent) < 0.1
    assert all(one > other for one, other in itertools.pairwise(spent))


def side(n: int = 2000) -> Side:
    random = np.random.default_rng(1)
    labels = (np.arange(n) % 2).astype(np.int8)
    shared = random.normal(size=n)
    scores = {
        kind: gap * labels + shared + 0.3 * random.normal(size=n)
        for kind, gap in (("network", 1.1), ("xgboost", 1.0))
    }
    return Side(task="binary", labels=labels, scores=scores, options=EvaluationSpec())


ON_VAL = dict.fromkeys(("network", "xgboost"), Interval(value=0.7, low=0.69, high=0.71))


def test_a_verdict_that_is_luck_of_the_seed_is_inconclusive():
    surely = judge(side(), ON_VAL)
    value = surely.comparison["difference"]["value"]
    assert (surely.decision, surely.comparison["networks"]) == ("NETWORK", 1)
    alike = judge(side(), ON_VAL, seeds=Spread.of([0.78, 0.7801, 0.7799], 1))
    assert alike.decision == "NETWORK"
    assert "in the mean of 3 seeds" in alike.reason
    unlike = judge(side(), ON_VAL, seeds=Spread.of([0.78, 0.77, 0.75], 1))
    assert (unlike.decision, unlike.winner) == ("INCONCLUSIVE", "xgboost")
    assert unlike.comparison["mean"] == pytest.approx(value - 0.04 / 3)
    assert unlike.comparison["p_value"] > 0.025 > alike.comparison["p_value"]
    # All three are known from these rows; the second as good as the others.
    assert unlike.comparison["difference"]["value"] == value


def test_a_reading_beyond_those_allowed_widens_what_decides():
    first = judge(side(), ON_VAL, reading=Reading(number=2, allowed=2))
    late = judge(side(), ON_VAL, reading=Reading(number=12, allowed=2))
    assert first.comparison["confidence"] == 0.95
    assert "reading" not in first.reason
    assert late.comparison["confidence"] == pytest.approx(1 - 0.05 / 110)
    assert late.comparison["difference"]["low"] < first.comparison["difference"]["low"]
    assert "99.95 % interval" in late.reason
    assert "reading 12 of the test rows" in late.reason
