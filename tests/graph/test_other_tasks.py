"""Pipelines of other tasks than binary: from the source to a network, without gate or release."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec

STAGES = ["snapshot", "split", "audit", "version_diff", "normalization", "network"]

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


@pytest.mark.parametrize("task", list(SOURCES))
def test_a_network_is_trained_without_a_gate(task, project, instance, module_postgres):
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
    (row,) = Registry.open(module_postgres).rows("model_versions", pipeline=task)
    assert (row["kind"], row["hyperparameters"]["task"]) == ("network", task)
    assert len(row["normalization_version"]) == 64


def test_the_training_is_recorded_with_its_weights(project, instance):
    spec = declared(
        "multiclass", network={"widths": [4], "max_epochs": 1, "class_weights": "balanced"}
    )
    result = run(spec, project, instance)
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
    recorded = materializations(run(declared("multilabel"), project, instance))
    split = recorded["split"].metadata
    assert "member" in str(split["labels"].value)
    (row,) = Registry.open(module_postgres).rows("normalization_params", pipeline="multilabel")
    assert set(row["feature_names"]) == {"amount", "age"}
    assert [one["name"] for one in row["parameters"]["categories"]] == ["channel"]


@pytest.mark.parametrize("task", list(SOURCES))
def test_the_description_says_that_there_is_no_gate(task, project):
    shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
    declarations = pipeline_definitions(declared(task), project)
    graph = dg.Definitions.merge(declarations, shared).resolve_asset_graph()
    keys = {node.key.path[-1] for node in graph.asset_nodes}
    assert not keys & {"xgboost", "baseline_gate", "evaluation", "release", "predictions"}
    network = graph.get(dg.AssetKey([task, "network"]))
    assert "without a gate" in (network.description or "")


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
    result = run(spec, project, instance)
    assert result.success
    network = materializations(result)["network"].metadata
    assert "is_member" in str(network["classes"].value)
    assert "has_bought" in str(network["classes"].value)


def test_class_names_that_are_unknown_are_refused(project, instance):
    spec = declared("multiclass", network={"max_epochs": 1, "class_weights": {"zebra": 2}})
    result = run(spec, project, instance)
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
