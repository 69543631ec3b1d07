"""When a new bundle wins: by how much, over whom, and how often by luck."""

import numpy as np
import pytest

from plumbline.evaluation.sides import Side
from plumbline.evaluation.significance import Reading
from plumbline.promotion import figure
from plumbline.promotion.rule import judge
from plumbline.spec import EvaluationSpec, PipelineSpec

FIRST = Reading(number=1, allowed=1)


def spec(task="binary", evaluation=None, **promotion) -> PipelineSpec:
    source = {"sql": "a.sql", "key": ["id"], "label": "label", "task": task}
    blocks = {"evaluation": {"resamples": 100, **(evaluation or {})}, "promotion": promotion}
    return PipelineSpec.model_validate({"name": "tested", "source": source, **blocks})


def binary(rows=600, seed=0, **noise: float) -> Side:
    """Scores of the label with noise of their own, by name; less noise is better."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(rows) < 0.4).astype(np.int8)
    shared = draw.normal(size=rows)
    scores = {
        name: labels + 0.8 * shared + level * draw.normal(size=rows)
        for name, level in noise.items()
    }
    return Side(task="binary", labels=labels, scores=scores, options=spec().evaluation)


def regression(**off: float) -> Side:
    draw = np.random.default_rng(0)
    labels = draw.normal(size=400)
    scores = {name: labels + size * draw.normal(size=400) for name, size in off.items()}
    options = EvaluationSpec(resamples=100)
    return Side(task="regression", labels=labels, scores=scores, options=options)


def judged(side, declared=None, reading=FIRST, on_val=0.5):
    others = [name for name in side.scores if name != "challenger"]
    metrics = {name: {"auc": on_val, "rmse": on_val} for name in others}
    return judge(side, metrics, declared or spec(), reading)


def test_a_better_bundle_wins_and_an_equal_one_does_not():
    better = judged(binary(challenger=0.3, champion=1.0))
    assert better.wins
    assert better.differences["champion"]["low"] > 0.002
    assert "AUC of the new bundle minus that of the champion is +0." in better.reason
    assert "it lies above +0.002" in better.reason
    assert (better.method, better.metric) == ("DeLong", "auc")
    equal = judged(binary(challenger=0.6, champion=0.6))
    assert not equal.wins
    assert "it does not lie wholly above +0.002" in equal.reason
    assert figure.difference({**vars(equal)})[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("promotion", "wins"),
    [
        ({}, False),
        ({"margin": 0.0}, False),
        ({"promote_when": "not_worse"}, False),
        ({"promote_when": "not_worse", "margin": 0.1}, True),
    ],
)
def test_not_worse_asks_for_less_than_better(promotion, wins):
    found = judged(binary(challenger=0.6, champion=0.6), spec(**promotion))
    assert found.wins is wins
    assert np.sign(found.differences["champion"]["needed"]) == (
        0 if promotion.get("margin") == 0 else -1 if "promote_when" in promotion else 1
    )


def test_the_floor_has_to_be_beaten_as_a_whole():
    """Over the dummy it wins, over the linear model it does not: it is not promoted."""
    side = binary(challenger=0.6, dummy=50.0, linear=0.6)
    found = judged(side)
    assert found.differences["dummy"]["wins"]
    assert not found.differences["linear"]["wins"]
    assert not found.wins
    assert "the linear model" in found.reason
    assert judged(binary(challenger=0.1, dummy=50.0, linear=1.0)).wins


def test_an_error_is_turned_and_its_margin_is_a_share_of_the_champion_s():
    found = judged(regression(challenger=0.1, champion=1.0), spec("regression"), on_val=2.0)
    assert found.wins
    assert found.differences["champion"]["value"] > 0
    assert found.differences["champion"]["needed"] == pytest.approx(0.02)
    assert "RMSE of the champion minus that of the new bundle" in found.reason
    declared = spec("regression", {"minimum_gain": 5.0})
    assert not judged(regression(challenger=0.1, champion=1.0), declared).wins


def test_rows_that_were_read_before_widen_the_interval():
    side = binary(challenger=0.4, champion=0.6)
    widths = [
        [found.differences["champion"][end] for end in ("low", "high")]
        for number in (1, 2, 5)
        for found in [judged(side, reading=Reading(number=number, allowed=1))]
    ]
    (low_1, high_1), (low_2, high_2), (low_5, high_5) = widths
    assert low_5 < low_2 < low_1 < high_1 < high_2 < high_5
    assert judged(side, reading=Reading(number=2, allowed=1)).confidence == pytest.approx(0.975)
    assert judged(side, reading=Reading(number=2, allowed=2)).confidence == 0.95
