"""How often the verdict is wrong: benchmarks/verdict.py on fewer rows.

With a minimum gain that is larger by as much as the sample is smaller, the same holds.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.spec import EvaluationSpec

PATH = Path(__file__).parents[3] / "benchmarks" / "verdict.py"
NOMINAL = 0.025
"""What lies above the upper end of a 95 % interval."""


@pytest.fixture(scope="module")
def contests():
    spec = importlib.util.spec_from_file_location("benchmarked_verdict", PATH)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CONTESTS


def small(contest, rows, minimum, options, **changed):
    spec = EvaluationSpec(minimum_gain=minimum, **options)
    return replace(contest, rows=rows, minimum=minimum, options=spec, **changed)


def test_an_area_by_delong(contests):
    """500 repeats; rates of 2.5 % come out at most 4.6 % in 499 of 500 simulations."""
    contest = small(contests["auc"], 1000, 0.02, {})
    assert contest.decisions(0, 500)["NETWORK"] <= NOMINAL * 500
    assert contest.decisions(contest.minimum, 500)["NETWORK"] <= 23
    assert contest.decisions(2 * contest.minimum, 500)["NETWORK"] >= 0.8 * 500


def test_networks_that_differ_by_as_much_as_they_have_to_gain(contests):
    contest = small(contests["auc"], 1000, 0.02, {}, luck=1.0)
    found = contest.decisions(contest.minimum, 500)
    assert found["NETWORK"] <= 23
    assert found["unearned"] <= 23


def test_equal_networks_where_any_gain_is_enough(contests):
    contest = small(contests["auc"], 400, 0.0, {}, seeds=1)
    assert contest.decisions(0, 500, seed=1)["NETWORK"] <= 23


def test_an_error_by_resamples(contests):
    """120 repeats; rates of 2.5 % come out at most 9 in 998 of 1,000 simulations."""
    contest = small(contests["rmse"], 600, 0.05, {"resamples": 200, "metric": "rmse"})
    assert contest.decisions(0, 120)["NETWORK"] <= NOMINAL * 120
    assert contest.decisions(contest.minimum, 120)["NETWORK"] <= 9
    assert contest.decisions(2 * contest.minimum, 120)["NETWORK"] >= 0.8 * 120


def test_delong_and_resamples_agree(contests):
    module = sys.modules["benchmarked_verdict"]
    ratio, apart = module.agreement(2, rows=1000, resamples=1000)
    assert ratio == pytest.approx(1, abs=0.1)
    assert apart < 0.1
