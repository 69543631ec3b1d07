"""What the code location offers: the golden asset graph, the schedule, the component's tools."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from small_pipeline import make_source, small_spec

from assets.resources import PlumblineResource
from pipelines.definitions import defs
from pipelines.training_pipeline import pipeline_definitions

GOLDEN = Path(__file__).parents[1] / "golden" / "flights_graph.json"
DG = str(Path(sys.executable).with_name("dg"))


@pytest.fixture(scope="module")
def flights() -> dg.Definitions:
    return defs()


def _graph(definitions: dg.Definitions) -> dict:
    graph = definitions.resolve_asset_graph()
    return {
        node.key.to_user_string(): {
            "after": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "partitioned": node.partitions_def is not None,
            "checks": sorted(key.name for key in node.check_keys),
        }
        for node in graph.asset_nodes
        if node.key.path[0] != "fraud"
    }


def test_the_flights_graph_is_as_recorded(flights, request):
    found = _graph(flights)
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(GOLDEN.read_text())


def test_every_asset_has_a_description_and_a_code_version(flights):
    graph = flights.resolve_asset_graph()
    own = [node for node in graph.asset_nodes if node.is_materializable]
    assert {node.group_name for node in own} == {"flights", "fraud"}
    assert all(node.description and node.code_version for node in own)


def test_a_tick_freezes_a_version_named_by_date(flights, tmp_path):
    schedule = flights.resolve_schedule_def("flights_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.build_schedule_context(
            repository_def=flights.get_repository_def(),
            instance=instance,
            scheduled_execution_time=dt.datetime(2026, 3, 1, 3, tzinfo=dt.UTC),
        ) as context,
    ):
        (request,) = schedule.evaluate_tick(context).run_requests
        assert request.partition_key == request.run_key == "flights_2026_03_01"
        assert instance.has_dynamic_partition("flights_dataset_versions", "flights_2026_03_01")
    config = request.run_config["ops"]["flights__snapshot"]["config"]
    assert config == {"parameters": {"as_of": "2026-03-01"}}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"description": "other"}, set()),
        ({"schedule": {"cron": "0 1 * * *"}}, set()),
        ({"baselines": {"sufficient_score": 0.9}}, {"baseline_gate"}),
        ({"baselines": {"early_stopping": True}}, {"xgboost"}),
        ({"baselines": {"forest_gib": 2}}, {"random_forest"}),
        ({"gate": {"explanations_required": True}}, {"baseline_gate"}),
        ({"evaluation": {"resamples": 101}}, {"evaluation", "promotion"}),
        (
            {"evaluation": {"metric": "log_loss"}},
            {"baseline_gate", "evaluation", "promotion"},
        ),
        ({"verdict": {"seeds": 2}}, {"network_seeds"}),
        ({"verdict": {"seeds": 1, "slice_rows": 50}}, {"evaluation"}),
        ({"decision": {"calibration": "none"}}, {"evaluation"}),
        ({"promotion": {"promote_when": "not_worse"}}, {"promotion"}),
        ({"split": {"policy": "hash", "seed": 1}}, {"split"}),
        ({"audit": {"examples": 3}}, {"audit"}),
        ({"normalization": {"method": "robust"}}, {"audit", "normalization"}),
        ({"network": {"widths": [4], "dropout": [0.0]}}, {"network"}),
    ],
)
def test_an_option_changes_the_code_version_of_the_stage_that_reads_it(
    postgres, tmp_path, change, stale
):
    make_source(postgres, tmp_path, rows=10)

    def versions(**options) -> dict[str, str | None]:
        shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
        declared = pipeline_definitions(small_spec(**options), tmp_path)
        graph = dg.Definitions.merge(declared, shared).resolve_asset_graph()
        return {node.key.path[-1]: node.code_version for node in graph.asset_nodes}

    before, after = versions(), versions(**change)
    assert {stage for stage in before if before[stage] != after[stage]} == stale


def _dg(*words: str) -> subprocess.CompletedProcess:
    project = Path(__file__).parents[2]
    return subprocess.run([DG, *words], cwd=project, capture_output=True, text=True, check=False)


def test_dg_checks_every_pipeline():
    checked = _dg("check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dg_lists_the_component():
    listed = _dg("list", "components", "--json")
    assert "pipelines.TrainingPipeline" in listed.stdout, listed.stderr
