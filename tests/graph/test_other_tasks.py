"""Pipelines of other tasks than binary: from the source to what the released model predicts."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from chain_parity import require_chain_parity
from small_pipeline import run, small_spec

from assets.resources import PlumblineResource
from pipelines.screen import print_summary
from pipelines.training_pipeline import pipeline_definitions
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.summary import summary

STAGES = [
    *("snapshot", "split", "audit", "version_diff", "normalization"),
    *("floor", "random_forest", "xgboost", "optimism", "baseline_gate"),
    *("network", "network_seeds", "evaluation", "release", "promotion", "predictions"),
]

UP_TO_THE_NETWORK = [
    *("snapshot", "split", "normalization", "floor", "random_forest", "xgboost"),
    *("baseline_gate", "network"),
]

SOURCES: dict[str, dict[str, Any]] = {
    "regression": {"label": "amount", "task": "regression", "drop": ["side", "customer", "bought"]},
    "multiclass": {"label": "side", "task": "multiclass", "drop": ["customer", "bought"]},
    "multilabel": {
        "label": "both",
        "labels": ["member", "bought"],
        "task": "multilabel",
        "drop": ["side", "customer"],
    },
}
METRICS = {"regression": "rmse", "multiclass": "accuracy", "multilabel": "average_precision"}


def declared(task: str, **options: Any) -> PipelineSpec:
    source = SOURCES[task] | {"weight": "fee"}
    # The classes of side follow the key, and both labels follow from features.
    accepted = {
        f"target_leakage.{name}": "made so" for name in ("amount", "visit_id", "happened_at")
    }
    blocks = {"name": task, "training_features": None, "audit": {"accept": accepted}}
    return small_spec(**{**blocks, **options, "source": source})


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return {e.asset_key.path[-1]: e.materialization for e in events}


MAIN = {"regression": "rmse", "multiclass": "accuracy", "multilabel": "auc"}
FIGURE = {"regression": "residuals", "multiclass": "confusion", "multilabel": "label_areas"}


@pytest.mark.parametrize("task", list(SOURCES))
def test_a_network_is_trained_behind_an_open_gate(
    task, project, instance, module_postgres, tmp_path
):
    result = run(declared(task), project, instance)
    assert result.success
    recorded = materializations(result)
    assert sorted(recorded) == sorted(STAGES)
    network = recorded["network"].metadata
    assert network["status"].value == "trained"
    assert f"val_{METRICS[task]}" in network
    assert "val_auc_low" not in network
    assert "data:image/png" in str(network["learning_curves"].value)
    assert ("classes" in network) == (task != "regression")
    rows = Registry.open(module_postgres).rows("model_versions", pipeline=task)
    assert {row["kind"] for row in rows} == {"floor", "random_forest", "xgboost", "network"}
    assert {len(row["normalization_version"]) for row in rows} == {64}
    (trained,) = (row for row in rows if row["kind"] == "network")
    assert trained["hyperparameters"]["task"] == task
    for kind in ("floor", "random_forest", "xgboost"):
        shown = recorded[kind].metadata
        ends = [shown[f"val_{MAIN[task]}{end}"].value for end in ("_low", "", "_high")]
        assert ends == sorted(ends)
        assert shown["bytes"].value > 0
        assert shown["feeding"].value["rows"] == "memory"
    gate = recorded["baseline_gate"].metadata
    assert gate["decision"].value == "OPEN"
    assert MAIN[task] in str(gate["candidates"].value)
    assert "| max_network_cost | none | none | OPEN |" in str(gate["rules"].value)
    verdict = recorded["evaluation"].metadata
    assert verdict["test_reads"].value == 1
    assert f"test_{MAIN[task]}_xgboost" in verdict
    assert "minus that of" in str(verdict["reason"].value)
    assert "data:image/png" in str(verdict[FIGURE[task]].value)
    facts = summary(Registry.open(module_postgres), task)
    assert {one["kind"] for one in facts["candidates"]} == {"random_forest", "xgboost", "network"}
    assert facts["verdict"]["evidence"]["comparison"]["metric"] == MAIN[task]
    assert facts["bundle"]["bundle_version"] == recorded["release"].metadata["data_version"].value
    print_summary(facts)
    assert "## Caveats" in str(recorded["release"].metadata["model_card"].value)
    predicted = recorded["predictions"].metadata
    assert (predicted["dagster/row_count"].value, predicted["rejected"].value) == (2000, 0)
    assert "data:image/png" in str(predicted["distribution"].value)
    assert predicted["bundle_version"].value == recorded["release"].metadata["data_version"].value
    assert recorded["optimism"].metadata["told"].value.endswith("nothing was trained")
    require_chain_parity(PlumblineResource().open(declared(task), project, "v1"), tmp_path)


def test_a_gate_that_closes_withholds_the_network(project, instance, module_postgres):
    """On what the run before it made: a score that is good enough, and a signed refusal."""
    both = {"sufficient_score": 1000, "early_stopping": True}
    sufficient = declared("regression", baselines=both)
    gate = {"network": "never", "reason": "too dear", "author": "ada@example.org"}
    refused = declared("multiclass", gate={**gate, "max_network_cost": 1e-9})
    for spec, told, selection in (
        (sufficient, "already meets sufficient_score 1000 (val RMSE", None),
        (
            refused,
            "ada@example.org declared network: never (too dear); the rules say CLOSED",
            UP_TO_THE_NETWORK,
        ),
    ):
        result = run(spec, project, instance, selection=selection)
        assert result.success
        recorded = materializations(result)
        assert recorded["network"].metadata["status"].value == "withheld"
        assert told in str(recorded["network"].metadata["reason"].value)
        beside = recorded["xgboost"].metadata.get("early_stopping")
        assert (beside is not None) == (spec is sufficient)
    registry = Registry.open(module_postgres)
    verdict = registry.rows("verdicts", pipeline="multiclass", stage="baseline_gate")[-1]
    assert verdict["evidence"]["override"] == gate
    assert verdict["evidence"]["cost"]["facts"]["epochs"] == 2
    assert "s of training are above max_network_cost" in verdict["reason"]


def test_the_training_is_recorded_with_its_weights(project, instance):
    spec = declared(
        "multiclass", network={"widths": [4], "max_epochs": 1, "class_weights": "balanced"}
    )
    result = run(spec, project, instance, selection=UP_TO_THE_NETWORK)
    assert result.success
    recorded = materializations(result)["network"].metadata
    folder = Path(str(recorded["artifact"].value))
    training = json.loads((folder / "training.json").read_text())
    assert training["weights"]["column"] == "fee"
    assert set(training["weights"]["classes"]) == {"train", "val", "test"}
    assert [one["class"] for one in training["val"]["classes"]] == ["test", "train", "val"]
    assert training["val"]["metrics"]["loss"] > 0


def test_several_labels_are_told_on_every_side_and_are_no_features(
    project, instance, module_postgres
):
    stages = ["snapshot", "split", "normalization"]
    recorded = materializations(run(declared("multilabel"), project, instance, selection=stages))
    split = recorded["split"].metadata
    assert "member" in str(split["labels"].value)
    (row,) = Registry.open(module_postgres).rows("normalization_params", pipeline="multilabel")
    assert set(row["feature_names"]) == {"amount", "age"}
    assert [one["name"] for one in row["parameters"]["categories"]] == ["channel"]


@pytest.mark.parametrize("task", list(SOURCES))
def test_the_graph_is_that_of_every_task(task, project):
    shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
    declarations = pipeline_definitions(declared(task), project)
    graph = dg.Definitions.merge(declarations, shared).resolve_asset_graph()
    keys = {node.key.path[-1] for node in graph.asset_nodes}
    assert keys == {*STAGES, "guard_drill", "visits"}
    network = graph.get(dg.AssetKey([task, "network"]))
    assert "only if the gate is open" in (network.description or "")
    assert dg.AssetKey([task, "baseline_gate"]) in network.parent_keys


def test_the_elements_of_an_array_are_labels(project, instance):
    extract = project / "tags.sql"
    extract.write_text("SELECT *, ARRAY[member::int, bought::int] AS tags FROM public.visits")
    source = {
        "sql": extract.name,
        "parameters": {},
        "task": "multilabel",
        "label": "tags",
        "vectors": {"tags": ["is_member", "has_bought"]},
        "drop": ["side", "customer", "member", "bought"],
    }
    accepted = {"target_leakage.amount": "the label is made from it"}
    spec = small_spec(
        name="tagged", training_features=None, audit={"accept": accepted}, source=source
    )
    result = run(spec, project, instance, selection=UP_TO_THE_NETWORK)
    assert result.success
    network = materializations(result)["network"].metadata
    assert "is_member" in str(network["classes"].value)
    assert "has_bought" in str(network["classes"].value)


def test_class_names_that_are_unknown_are_refused(project, instance):
    spec = declared("multiclass", network={"max_epochs": 1, "class_weights": {"zebra": 2}})
    result = run(spec, project, instance, selection=UP_TO_THE_NETWORK)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = str(failure.step_failure_data.user_failure_data.description)
    assert "names 'zebra'" in told
    assert "'test', 'train', 'val'" in told


def test_a_negative_weight_stops_at_the_split(project, instance, module_postgres: Postgres):
    extract = project / "negative.sql"
    extract.write_text("SELECT *, 5 - fee AS heavy FROM public.visits")
    source = SOURCES["regression"] | {
        "sql": extract.name,
        "parameters": {},
        "weight": "heavy",
    }
    result = run(
        small_spec(name="negative", training_features=None, source=source), project, instance
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "negative__split"
    told = str(failure.step_failure_data.user_failure_data.description)
    assert "source.weight 'heavy' is negative" in told
