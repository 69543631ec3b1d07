"""The gate's rules, one by one and together, and who overrides them."""

import json
from dataclasses import asdict

import pytest
from baseline_examples import trained
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.baselines import gate
from plumbline.spec import BaselinesSpec, GateSpec

FOREST = trained("random_forest", 0.78, 0.8, 0.82)
XGBOOST = trained("xgboost", 0.77, 0.81, 0.85)
BOTH = [FOREST, XGBOOST]
SIGNED = {"reason": "the board wants to see one", "author": "ada@example.org"}
CHEAP = gate.Cost(seconds=90.0, told="9 rows", facts={"rows": 9})
UNKNOWN = gate.Cost(seconds=None, told="my:network is not one of Plumbline's own")


@pytest.mark.parametrize(
    ("sufficient", "declared", "cost", "decision", "told"),
    [
        (None, {}, None, "OPEN", "no sufficient_score is declared; the best baseline is"),
        (0.78, {}, None, "CLOSED", "random_forest already meets sufficient_score 0.78 (val AUC"),
        (0.7801, {}, None, "OPEN", "no baseline's lower end reaches sufficient_score 0.7801"),
        (None, {"min_rows_for_network": 1000}, None, "OPEN", "1,000 training rows reach"),
        (
            None,
            {"min_rows_for_network": 1001},
            None,
            "CLOSED",
            "1,000 training rows are fewer than min_rows_for_network 1,001",
        ),
        (None, {"explanations_required": True}, None, "CLOSED", "explanations_required: XGB"),
        (
            None,
            {"max_network_cost": 90},
            CHEAP,
            "OPEN",
            "an estimated 90 s of training are within max_network_cost 90 s (9 rows)",
        ),
        (
            None,
            {"max_network_cost": 89.9},
            CHEAP,
            "CLOSED",
            "an estimated 90 s of training are above max_network_cost 89.9 s (9 rows)",
        ),
        (None, {"max_network_cost": 1}, UNKNOWN, "OPEN", "no estimate (my:network is not one"),
        (0.9, {"network": "never", **SIGNED}, None, "CLOSED", "the rules say OPEN: no baseline's"),
        (
            0.7,
            {"network": "always", **SIGNED},
            None,
            "OPEN",
            "ada@example.org declared network: always (the board wants to see one); the rules say "
            "CLOSED: random_forest already meets",
        ),
        (
            0.7,
            {"min_rows_for_network": 2000, "explanations_required": True},
            None,
            "CLOSED",
            "interval 0.7800 to 0.8200); 1,000 training rows are fewer than",
        ),
        (0.7, {"min_rows_for_network": 10}, None, "CLOSED", "random_forest already meets"),
    ],
)
def test_cases(sufficient, declared, cost, decision, told):
    options = BaselinesSpec(sufficient_score=sufficient)
    found = gate.decide(BOTH, options, GateSpec(**declared), cost)
    assert found.decision == decision
    assert told in found.reason


@pytest.mark.parametrize(
    ("sufficient", "decision", "told"),
    [
        (2.05, "CLOSED", "xgboost already meets sufficient_score 2.05 (val RMSE 2, 95 % interval"),
        (2.0499, "OPEN", "no baseline's upper end reaches sufficient_score 2.0499; the closest is"),
    ],
)
def test_of_an_error_the_upper_end_has_to_be_low_enough(sufficient, decision, told):
    both = [
        trained("random_forest", 1.0, 1.9, 2.8, metric="rmse"),
        trained("xgboost", 1.95, 2.0, 2.05, metric="rmse"),
    ]
    found = gate.decide(both, BaselinesSpec(sufficient_score=sufficient), GateSpec())
    assert (found.decision, found.evidence["metric"]) == (decision, "rmse")
    assert told in found.reason


@settings(deadline=None)
@given(st.tuples(*[st.floats(0.5, 1)] * 2), st.floats(0.5, 0.99))
def test_closed_exactly_when_one_lower_end_suffices(lows, sufficient):
    kinds = ("random_forest", "xgboost")
    baselines = [trained(k, low, low, 1.0) for k, low in zip(kinds, lows, strict=True)]
    decided = gate.decide(baselines, BaselinesSpec(sufficient_score=sufficient), GateSpec())
    assert (decided.decision == "CLOSED") == any(low >= sufficient for low in lows)


@given(
    sufficient=st.sampled_from([None, 0.6, 0.9]),
    rows=st.sampled_from([None, 10, 5000]),
    explained=st.booleans(),
    most=st.sampled_from([None, 10.0, 1000.0]),
    network=st.sampled_from(["always", "auto", "never"]),
)
def test_the_decision_follows_from_the_rules_that_are_listed(
    sufficient, rows, explained, most, network
):
    declared = GateSpec(
        network=network,
        min_rows_for_network=rows,
        explanations_required=explained,
        max_network_cost=most,
        **(SIGNED if network != "auto" else {}),
    )
    found = gate.decide(BOTH, BaselinesSpec(sufficient_score=sufficient), declared, CHEAP)
    rules = found.evidence["rules"]
    assert [one["rule"] for one in rules] == [
        "sufficient_score",
        "min_rows_for_network",
        "explanations_required",
        "max_network_cost",
    ]
    closing = [one for one in rules if one["closes"]]
    assert found.evidence["rules_say"] == ("CLOSED" if closing else "OPEN")
    assert not any(one["declared"] is None for one in closing)
    assert all(one["told"] in found.reason for one in closing)
    expected = {"always": "OPEN", "never": "CLOSED", "auto": found.evidence["rules_say"]}
    assert found.decision == expected[network]
    signed = found.evidence["override"]
    assert signed == (None if network == "auto" else {"network": network, **SIGNED})


def test_the_evidence_holds_every_number():
    declared = GateSpec(min_rows_for_network=50, max_network_cost=100)
    found = gate.decide(BOTH, BaselinesSpec(sufficient_score=0.9), declared, CHEAP).evidence
    assert found["confidence"] == 0.95
    assert found["cost"] == asdict(CHEAP)
    assert found["candidates"] == {
        kind: {"model_version": f"{kind}-1", "rows": 1000, **one.training["val"]["interval"]}
        for kind, one in (("random_forest", FOREST), ("xgboost", XGBOOST))
    }
    numbers = {one["rule"]: (one["declared"], one["found"]) for one in found["rules"]}
    assert numbers == {
        "sufficient_score": (0.9, 0.78),
        "min_rows_for_network": (50, 1000),
        "explanations_required": (None, None),
        "max_network_cost": (100, 90.0),
    }


@pytest.mark.parametrize("sufficient", [None, 0.7, 0.9])
def test_written_and_read_back(sufficient, tmp_path):
    options, declared = BaselinesSpec(sufficient_score=sufficient), GateSpec(max_network_cost=100)
    gate.build(BOTH, options, declared, tmp_path, CHEAP)
    assert gate.load(tmp_path) == gate.decide(BOTH, options, declared, CHEAP)
    json.loads((tmp_path / gate.GATE).read_text())
