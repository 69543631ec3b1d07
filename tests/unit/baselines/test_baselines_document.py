"""docs/baselines.md: its declaration is valid, its numbers and rules are the code's own."""

import re
from pathlib import Path

import pytest
import yaml
from baseline_examples import trained

from plumbline import training_cost
from plumbline.baselines import (
    boosted_trees,
    cost,
    dummy,
    early_stopping,
    feeding,
    forest_arrays,
    gate,
    importances,
    linear,
    random_forest,
    score,
)
from plumbline.spec import BaselinesSpec, GateSpec, PipelineSpec
from plumbline.spec.metrics import OF_TASK

TEXT = (Path(__file__).parents[3] / "docs" / "baselines.md").read_text("utf-8")


def test_its_declaration_is_valid_and_names_every_option():
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    declared = yaml.safe_load(block)
    source = {"sql": "x.sql", "key": ["id"], "label": "y"}
    PipelineSpec.model_validate({"name": "x", "source": source, **declared})
    assert declared["baselines"].keys() == BaselinesSpec.model_fields.keys()
    signed = {"reason", "author"}
    assert declared["gate"].keys() == GateSpec.model_fields.keys() - signed
    assert all(f"`{name}`" in TEXT for name in signed)
    defaults = {**BaselinesSpec().model_dump(), "sufficient_score": 0.9}
    assert declared["baselines"] == defaults


def test_every_rule_of_the_gate_is_listed_in_its_order():
    block = re.search(r"<!-- rules:begin -->\n(.*?)<!-- rules:end -->", TEXT, re.DOTALL)[1]
    decided = gate.decide([trained("xgboost", 0.7, 0.8, 0.9)], BaselinesSpec(), GateSpec())
    rules = [one["rule"] for one in decided.evidence["rules"]]
    assert re.findall(r"^\| `(\w+)`", block, re.MULTILINE) == rules


@pytest.mark.parametrize(
    "told",
    [
        f"XGBoost's {boosted_trees.TREES} rounds",
        f"up to {early_stopping.MOST_TREES:,} rounds",
        f"become smaller for {early_stopping.PATIENCE}.",
        f"of {random_forest.NODE_BYTES} bytes and 8 for each value",
        f"forest_gib: {random_forest.GIB:g} ",
        f"at most {random_forest.ROWS:,} training rows, chosen by position",
        f"where {feeding.COPIES:g} times their size is within",
        f"{feeding.QUANTILE_BYTES} bytes for each value",
        "a tenth more" if random_forest.MARGIN == 1.1 else "another margin",
        f"on at most {linear.ROWS:,} training rows",
        f"{linear.CELLS:,} products",
        f"in at most {linear.ITERATIONS} steps",
        f"{score.RESAMPLES} bootstrap resamples of the rows ({score.OF_MANY_ROWS} of more than "
        f"{score.MANY_ROWS:,} rows)",
        f"(median of {cost.TIMES_ALONE})",
        f"up to {cost.BULK_ROWS:,} together (median of {cost.TIMES_TOGETHER})",
        f"up to {importances.PERMUTED_ROWS:,} validation rows (mean of "
        f"{importances.PERMUTATIONS} times",
        f"for the {importances.PERMUTED_FEATURES} columns of the greatest gain",
        f"over up to {importances.EXPLAINED_ROWS} validation rows",
        f"· {training_cost.OPERATIONS} · parameters · members / {training_cost.RATE['cpu']:,.0f}",
        f"(`{forest_arrays.FORMAT}`)",
        f"(`{boosted_trees.FORMAT}`)",
        f"(`{linear.FORMAT}`)",
        f"(`{dummy.FORMAT}`)",
    ],
)
def test_its_numbers_are_the_codes_own(told):
    assert told in TEXT


def test_the_metrics_that_models_are_compared_by():
    assert {task: names[0] for task, names in OF_TASK.items()} == {
        "binary": "auc",
        "multilabel": "auc",
        "multiclass": "accuracy",
        "regression": "rmse",
    }
    assert "AUC for binary and multilabel, accuracy for multiclass, RMSE for regression" in TEXT


def test_objectives_are_those_that_are_told():
    for objective in boosted_trees._OBJECTIVES.values():
        assert f"`{objective}`" in TEXT
