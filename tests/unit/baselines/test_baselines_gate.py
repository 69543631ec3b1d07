from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.baselines import gate
from plumbline.baselines.training import Baseline
from plumbline.spec import BaselinesSpec


def baseline(kind: str, low: float, value: float, high: float) -> Baseline:
    training = {
        "kind": kind,
        "rows": 1000,
        "seconds": 1.5,
        "confidence": 0.95,
        "val": {"auc": {"value": value, "low": low, "high": high}},
    }
    return Baseline(kind=kind, model_version=f"{kind}-1", folder=Path(), training=training)


FOREST = baseline("random_forest", 0.78, 0.8, 0.82)
XGBOOST = baseline("xgboost", 0.77, 0.81, 0.85)


def test_open_where_no_requirement_is_declared():
    decided = gate.decide([FOREST, XGBOOST], BaselinesSpec())
    assert decided.decision == "OPEN"
    assert "no sufficient_score is declared" in decided.reason
    assert "random_forest (val AUC 0.8000, 95 % interval 0.7800 to 0.8200)" in decided.reason


def test_closed_by_the_lower_end_and_not_by_the_value():
    closed = gate.decide([XGBOOST, FOREST], BaselinesSpec(sufficient_score=0.78))
    assert closed.decision == "CLOSED"
    assert closed.reason.startswith("random_forest already meets sufficient_score 0.78 (val AUC")
    opened = gate.decide([XGBOOST, FOREST], BaselinesSpec(sufficient_score=0.7801))
    assert opened.decision == "OPEN"
    assert "no baseline's lower end reaches sufficient_score 0.7801" in opened.reason
    assert "0.7800" in opened.reason


@settings(deadline=None)
@given(st.tuples(*[st.floats(0.5, 1)] * 2), st.floats(0.5, 0.99))
def test_closed_exactly_when_one_lower_end_suffices(lows, sufficient):
    kinds = ("random_forest", "xgboost")
    baselines = [baseline(k, low, low, 1.0) for k, low in zip(kinds, lows, strict=True)]
    decided = gate.decide(baselines, BaselinesSpec(sufficient_score=sufficient))
    assert (decided.decision == "CLOSED") == any(low >= sufficient for low in lows)


def test_the_evidence_holds_every_number_and_the_rule():
    decided = gate.decide([FOREST, XGBOOST], BaselinesSpec(sufficient_score=0.9))
    assert decided.evidence == {
        "rule": "CLOSED when the lower end of a baseline's val AUC interval is at least "
        "sufficient_score",
        "sufficient_score": 0.9,
        "confidence": 0.95,
        "candidates": {
            kind: {
                "model_version": f"{kind}-1",
                "rows": 1000,
                "auc": one.training["val"]["auc"],
            }
            for kind, one in (("random_forest", FOREST), ("xgboost", XGBOOST))
        },
    }


@pytest.mark.parametrize("sufficient", [None, 0.7, 0.9])
def test_written_and_read_back(sufficient, tmp_path):
    options = BaselinesSpec(sufficient_score=sufficient)
    gate.build([FOREST, XGBOOST], options, tmp_path)
    assert gate.load(tmp_path) == gate.decide([FOREST, XGBOOST], options)
