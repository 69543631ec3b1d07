"""What the code location offers: the golden asset graph, the component's tools."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs

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


def _dg(*words: str) -> subprocess.CompletedProcess:
    project = Path(__file__).parents[2]
    return subprocess.run([DG, *words], cwd=project, capture_output=True, text=True, check=False)


def test_dg_checks_every_pipeline():
    checked = _dg("check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dg_lists_the_component():
    listed = _dg("list", "components", "--json")
    assert "pipelines.TrainingPipeline" in listed.stdout, listed.stderr
