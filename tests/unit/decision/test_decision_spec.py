"""What may be declared of a decision."""

import pytest
from pydantic import ValidationError

from plumbline.spec import DecisionSpec, PipelineSpec

SOURCE = {"sql": "sql/extracts/x.sql", "key": ["id"], "label": "y"}


def declared(decision, task="binary") -> DecisionSpec:
    source = {**SOURCE, "task": task} | ({"labels": ["a", "b"]} if task == "multilabel" else {})
    return PipelineSpec.model_validate(
        {"name": "x", "source": source, "decision": decision}
    ).decision


def test_what_goes_together_is_accepted():
    assert declared({}) == DecisionSpec()
    assert declared({}, "regression").calibration == "auto"
    assert declared({"conformal": {}}, "regression").conformal.coverage == 0.9
    cost = {"by": "cost", "false_positive": 1, "false_negative": 20}
    assert declared({"threshold": cost}, "multilabel").threshold.false_negative == 20
    assert declared({"calibration": "platt"}, "multiclass").calibration == "platt"


@pytest.mark.parametrize(
    ("decision", "task", "told"),
    [
        ({"threshold": {"by": "cost", "false_positive": 1}}, "binary", "needs false_negative"),
        ({"threshold": {"by": "f_beta"}}, "binary", "'f_beta' needs beta"),
        (
            {"threshold": {"by": "recall", "at_least": 0.9, "beta": 2}},
            "binary",
            "reads at_least; leave beta out",
        ),
        ({"threshold": {"at_least": 0.9}}, "binary", "'accuracy' reads no other option"),
        ({"threshold": {"by": "precision", "at_least": 1}}, "binary", "not a fraction"),
        ({"threshold": {"by": "f_beta", "beta": 1}}, "multiclass", "the task is multiclass"),
        ({"threshold": {"by": "f_beta", "beta": 1}}, "regression", "the task is regression"),
        ({"calibration": "isotonic"}, "regression", "task regression has none"),
        ({"calibration": "beta"}, "binary", "allowed are 'auto', 'none', 'platt' or 'isotonic'"),
        ({"conformal": {"coverage": 1.2}}, "binary", "1.2 is not a fraction"),
        ({"conformal": {"coverag": 0.9}}, "binary", "did you mean 'coverage'"),
    ],
)
def test_what_does_not_go_together_is_refused(decision, task, told):
    with pytest.raises(ValidationError, match=told):
        declared(decision, task)
