import numpy as np
import pytest

from plumbline.evaluation.comparison import decide, judge
from plumbline.evaluation.sides import Side
from plumbline.metrics.delong import delong_interval
from plumbline.metrics.interval import Interval
from plumbline.spec import EvaluationSpec

OPTIONS = EvaluationSpec()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0021, 0.01, "NETWORK"),
        (0.002, 0.01, "INCONCLUSIVE"),
        (-0.01, 0.01, "INCONCLUSIVE"),
        (-0.01, 0.002, "INCONCLUSIVE"),
        (-0.01, 0.0019, "BASELINE"),
        (0.0001, 0.0019, "BASELINE"),  # surely better, but by less than it must
    ],
)
def test_the_whole_interval_decides(low, high, expected):
    assert decide(Interval(value=(low + high) / 2, low=low, high=high), 0.002) == expected


def test_a_clear_gain_is_the_network_s():
    labels, scores = _rows(3000, network=1.2, baseline=0.8, seed=0)
    verdict = _judged(labels, scores)
    assert (verdict.decision, verdict.winner) == ("NETWORK", "network")
    assert "all of it above the minimum gain of 0.002, so the network wins" in verdict.reason
    assert verdict.comparison["baseline"] == "xgboost"
    assert verdict.comparison["difference"]["low"] > 0.002


def test_a_clear_loss_keeps_the_baseline():
    labels, scores = _rows(3000, network=0.8, baseline=1.2, seed=0)
    verdict = _judged(labels, scores)
    assert (verdict.decision, verdict.winner) == ("BASELINE", "xgboost")
    assert "all of it below the minimum gain" in verdict.reason


def test_what_cannot_be_told_apart_keeps_the_baseline():
    labels, scores = _rows(300, network=1.0, baseline=1.0, seed=3)
    verdict = _judged(labels, scores)
    assert (verdict.decision, verdict.winner) == ("INCONCLUSIVE", "xgboost")
    assert "it spans the minimum gain of 0.002, so xgboost is kept" in verdict.reason
    assert "300 rows" in verdict.reason


def test_identical_scores_never_win():
    labels, scores = _rows(500, network=1.0, baseline=1.0, seed=4)
    scores["network"] = scores["xgboost"]
    assert _judged(labels, scores).decision == "BASELINE"
    undemanding = EvaluationSpec(minimum_gain=0)
    assert _judged(labels, scores, options=undemanding).decision == "INCONCLUSIVE"


def test_the_best_baseline_is_chosen_on_val_and_not_on_test():
    labels, scores = _rows(2000, network=1.0, baseline=0.5, seed=5)
    scores["random_forest"] = labels + 0.0  # perfect on test
    val = {"network": 0.6, "random_forest": 0.69, "xgboost": 0.7}
    verdict = _judged(labels, scores, val)
    assert verdict.comparison["baseline"] == "xgboost"
    assert verdict.decision == "NETWORK"


def test_without_a_network_the_best_baseline_on_val_is_released():
    labels, scores = _rows(100, network=1, baseline=1, seed=6)
    del scores["network"]
    scores["random_forest"] = labels + 0.0
    verdict = _judged(labels, scores, {"random_forest": 0.71, "xgboost": 0.72})
    assert (verdict.decision, verdict.winner) == ("BASELINE", "xgboost")
    assert verdict.reason == (
        "no network was trained; xgboost is the baseline with the best val AUC, 0.7200 "
        "(95 % interval 0.7100 to 0.7300)"
    )
    assert verdict.comparison["difference"] is None


def test_equal_candidates_are_rarely_told_apart():
    """At 95 % and a minimum gain of 0, the network wins by chance in about 1 of 40 cases."""
    options = EvaluationSpec(minimum_gain=0)
    decisions = []
    for seed in range(400):
        labels, scores = _rows(300, network=1.0, baseline=1.0, seed=seed)
        decisions.append(_judged(labels, scores, options=options).decision)
    assert decisions.count("NETWORK") <= 20
    assert decisions.count("BASELINE") <= 20


def test_a_gain_is_found_more_often_with_more_rows():
    shares = []
    for n in (200, 800, 3200):
        cases = [_rows(n, network=1.1, baseline=0.9, seed=seed) for seed in range(40)]
        decisions = [_judged(*case).decision for case in cases]
        shares.append(decisions.count("NETWORK") / 40)
    assert shares[0] < shares[1] < shares[2] == 1


def _judged(labels, scores, val=None, options=OPTIONS):
    areas = val or dict.fromkeys(scores, 0.7)
    intervals = {k: Interval(value=v, low=v - 0.01, high=v + 0.01) for k, v in areas.items()}
    side = Side(task="binary", labels=labels, scores=scores, options=options)
    verdict = judge(side, intervals)
    assert verdict.winner in scores
    if verdict.comparison["difference"]:
        area = delong_interval(labels, scores["network"], 0.95).value
        assert f"{verdict.comparison['difference']['value']:+.4f}" in verdict.reason
        assert 0 < area <= 1
    return verdict


def _rows(n, *, network, baseline, seed):
    """Two candidates that share half of their noise, as models of the same rows do."""
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.3).astype(np.int8)
    shared = random.normal(size=n)
    scores = {
        kind: gap * labels + 0.7 * shared + 0.7 * random.normal(size=n)
        for kind, gap in (("network", network), ("xgboost", baseline))
    }
    return labels, scores
