"""What the assets of the split and of the optimism report tell, for every task."""

from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets import agreement
from plumbline.registry import Registry

TEMPORAL = {"policy": "temporal", "val_from": "2024-06-01", "test_from": "2024-07-01"}


def told(result: dg.ExecuteInProcessResult, stage: str) -> tuple[dict[str, Any], Any]:
    """The metadata and the check of one stage."""
    assert result.success
    metadata = {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }[stage]
    checks = {
        one.asset_key.path[-1]: one
        for one in result.get_asset_check_evaluations()
        if one.check_name != agreement.CHECK
    }
    return {name: value.value for name, value in metadata.items()}, checks[stage]


def test_exclusions_are_in_the_check_the_table_and_the_registry(project, instance, module_postgres):
    spec = small_spec(name="gaps", split={**TEMPORAL, "gap": "P5D"})
    result = run(spec, project, instance, selection=["snapshot", "split"])
    metadata, check = told(result, "split")
    assert check.passed
    assert check.description.startswith("the certificate holds; ")
    assert "of the val rows are excluded (gap 40" in check.description
    assert "| gap | 40 | 40 | 0 |" in metadata["excluded"]
    (row,) = Registry.open(module_postgres).rows("split_versions", pipeline="gaps")
    assert row["excluded_rows"] == metadata["excluded_rows"] == 80
    sides = sum(metadata[f"{side}_rows"] for side in ("train", "val", "test"))
    assert sides + metadata["excluded_rows"] == 2000


def test_groups_are_told_of(project, instance):
    spec = small_spec(name="grouped", source={"group": "customer", "drop": ["side"]})
    result = run(spec, project, instance, selection=["snapshot", "split"])
    metadata, check = told(result, "split")
    assert check.description == "the certificate holds"
    assert metadata["groups"] == {"column": "customer", "count": 400, "straddling": 0}


@pytest.mark.parametrize(
    ("task", "label", "drop", "shown"),
    [
        ("multiclass", "side", ["customer"], "| class | train | val | test |"),
        ("regression", "amount", ["customer", "side"], "| side | rows | share | mean | std |"),
    ],
)
def test_other_tasks_have_tables_of_their_own(project, instance, task, label, drop, shown):
    spec = small_spec(name=task, source={"task": task, "label": label, "drop": drop})
    result = run(spec, project, instance, selection=["snapshot", "split"])
    metadata, check = told(result, "split")
    assert check.passed
    assert shown in metadata["classes" if task == "multiclass" else "sides"]
    assert "data:image/png" in metadata["picture"]


def test_the_optimism_report_warns_and_blocks_nothing(project, instance):
    spec = small_spec(name="moments", split=TEMPORAL)
    stages = ["snapshot", "split", "normalization", "xgboost", "optimism"]
    metadata, check = told(run(spec, project, instance, selection=stages), "optimism")
    assert "| declared |" in metadata["val_auc"]
    assert "| difference |" in metadata["val_auc"]
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.passed == ("No flattery" in check.description)
    assert check.description == metadata["told"]
