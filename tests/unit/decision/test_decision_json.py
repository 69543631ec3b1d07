"""A decision as it is written, and the answers it gives."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from decisions import CLASSES, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.decision.choosing import NEVER, decide, raw_cuts
from plumbline.decision.decision import Decision
from plumbline.decision.sets import Conformal
from plumbline.errors import DecisionError
from plumbline.spec import DecisionSpec

TASKS = list(CLASSES)


def decided(task, method="isotonic", **other) -> Decision:
    calibration = "auto" if task == "regression" else method
    options = DecisionSpec(calibration=calibration, conformal={"coverage": 0.8}, **other)
    return decide(options, sample(task, 200), CLASSES[task]).decision


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(TASKS), st.sampled_from(["platt", "isotonic"]), st.integers(20, 60))
def test_what_is_written_is_read_to_the_last_bit(task, method, rows):
    options = DecisionSpec(
        calibration="auto" if task == "regression" else method, conformal={"coverage": 0.8}
    )
    made = decide(options, sample(task, rows, seed=rows), CLASSES[task]).decision
    again = Decision.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))
    assert again == made
    scores = sample(task, 50, seed=1).scores
    assert np.array_equal(again.calibrated(scores), made.calibrated(scores))


HOSTILE = [
    ("binary", ("threshold",), "0.5"),
    ("binary", ("threshold",), None),
    ("binary", ("threshold",), float("nan")),
    ("binary", ("threshold",), float("inf")),
    ("binary", ("threshold",), -0.1),
    ("binary", ("thresholds",), [0.5]),
    ("binary", ("task",), "ranking"),
    ("binary", ("task",), "regression"),
    ("binary", ("classes",), ["one"]),
    ("binary", ("classes",), ["a", "a"]),
    ("binary", ("more",), 1),
    ("binary", ("calibration", "method"), "pickle"),
    ("binary", ("calibration", "method"), "temperature"),
    ("binary", ("calibration", "module"), "os"),
    ("binary", ("calibration", "curves"), []),
    ("binary", ("calibration", "curves", 0, "shares"), [0.1]),
    ("binary", ("calibration", "curves", 0, "scores"), []),
    ("binary", ("calibration", "curves", 0), {"scores": [0.5, 0.1], "shares": [0.1, 0.2]}),
    ("binary", ("calibration", "curves", 0), {"scores": [0.1, 0.5], "shares": [0.2, 0.1]}),
    ("binary", ("calibration", "curves", 0), {"scores": [0.1, 0.5], "shares": [0.2, 1.1]}),
    ("binary", ("calibration",), {"method": "platt", "curves": [{"slope": 0, "intercept": 0}]}),
    ("binary", ("calibration",), {"method": "platt", "curves": [{"slope": 1e300, "intercept": 0}]}),
    ("binary", ("conformal", "coverage"), 1.0),
    ("binary", ("conformal", "margins"), []),
    ("binary", ("conformal", "margins"), [0.1, 0.2]),
    ("multiclass", ("calibration", "curves", 0), {"scores": [0.5], "shares": [0]}),
    ("multiclass", ("calibration", "curves", 0), None),
    ("multiclass", ("calibration",), {"method": "temperature", "temperature": 0}),
    ("multiclass", ("calibration",), {"method": "temperature", "temperature": 1e-300}),
    ("multiclass", ("calibration",), {"method": "platt", "curves": [None] * 3}),
    ("multiclass", ("classes",), ["a", "b"]),
    ("multilabel", ("thresholds",), [0.5, 0.5]),
    ("multilabel", ("classes",), []),
    ("regression", ("calibration",), {"method": "temperature", "temperature": 2}),
    ("regression", ("conformal", "margins"), [-1]),
]


@pytest.mark.parametrize(("task", "place", "value"), HOSTILE)
def test_what_no_decision_is_is_refused(task, place, value):
    record = json.loads(json.dumps(decided(task).to_json()))
    *way, last = place
    part = record
    for step in way:
        part = part[step]
    part[last] = value
    with pytest.raises(DecisionError):
        Decision.from_json(record)


@pytest.mark.parametrize("record", [None, [], "binary", 3, {}, {"task": "binary"}, {1: {2, 3}}])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(DecisionError):
        Decision.from_json(record)


def test_a_record_that_nests_without_end_is_refused():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(DecisionError):
        Decision.from_json({"task": "binary", "threshold": nested})


ANSWERS = {
    "binary": (
        {"threshold": 0.6, "classes": ("no", "yes")},
        (0.55,),
        [0.2, 0.56, 0.7],
        [
            {"score": 0.2, "predicted": 0, "prediction_set": ["no"]},
            {"score": 0.56, "predicted": 0, "prediction_set": ["yes"]},
            {"score": 0.7, "predicted": 1, "prediction_set": ["yes"]},
        ],
    ),
    "multiclass": (
        {"classes": ("ant", "bee", "cat")},
        (0.3,),
        [[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]],
        [
            {"scores": [0.6, 0.3, 0.1], "predicted": "ant", "prediction_set": ["ant", "bee"]},
            {"scores": [0.1, 0.2, 0.7], "predicted": "cat", "prediction_set": ["cat"]},
        ],
    ),
    "multilabel": (
        {"classes": ("red", "green"), "thresholds": (0.2, 0.9)},
        (0.1, 0.5),
        [[0.3, 0.8], [0.0, 0.0]],
        [
            {"scores": [0.3, 0.8], "predicted": ["red"], "prediction_set": ["red", "green"]},
            {"scores": [0.0, 0.0], "predicted": [], "prediction_set": []},
        ],
    ),
    "regression": (
        {},
        (1.5,),
        [2.0, -1.0],
        [
            {"predicted": 2.0, "low": 0.5, "high": 3.5},
            {"predicted": -1.0, "low": -2.5, "high": 0.5},
        ],
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_what_was_decided(task):
    options, margins, scores, expected = ANSWERS[task]
    with_sets = Decision(task=task, conformal=Conformal(coverage=0.9, margins=margins), **options)
    found = with_sets.outputs(np.array(scores))
    assert found.to_pylist() == expected
    assert found.schema == with_sets.schema
    plain = replace(with_sets, conformal=None)
    assert plain.schema.names == with_sets.schema.names[: len(plain.schema)]
    none = with_sets.outputs(np.array(scores)[:0])
    assert (none.num_rows, none.schema) == (0, with_sets.schema)
    assert all(isinstance(one, pa.Field) for one in with_sets.schema)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_thresholds_of_raw_scores_tell_rows_apart_as_those_of_calibrated_ones(task, method):
    made, raw = decided(task, method), sample(task, 200).scores
    assert np.array_equal(raw >= raw_cuts(made, raw), made.calibrated(raw) >= made.cuts)
    never = replace(
        made, **({"threshold": 1.5} if task == "binary" else {"thresholds": (2.0,) * 3})
    )
    assert not (raw >= raw_cuts(never, raw)).any()


def test_a_label_that_cannot_reach_a_precision_is_never_given():
    val = sample("multilabel", 400)
    val = replace(
        val, labels=val.labels * (np.arange(400)[:, None] % [1, 9, 1] == 0).astype(np.int8)
    )
    rule = {"by": "precision", "at_least": 0.75}
    found = decide(DecisionSpec(threshold=rule, calibration="none"), val, CLASSES["multilabel"])
    assert [one["met"] for one in found.threshold["chosen"]] == [True, False, True]
    assert found.met
    assert found.decision.thresholds[1] == NEVER
    answers = found.decision.outputs(np.ones((1, 3))).to_pylist()
    assert answers[0]["predicted"] == ["red", "blue"]
    wrong_at_the_top = val.labels * (val.scores < np.quantile(val.scores, 0.9, axis=0))
    hopeless = replace(val, labels=wrong_at_the_top.astype(np.int8))
    assert not decide(DecisionSpec(threshold=rule), hopeless, CLASSES["multilabel"]).met
