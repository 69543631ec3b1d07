"""A search in the graph: where it stands, what it records, what it is made of and never reads."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets.resources import PlumblineResource
from pipelines.training_pipeline import pipeline_definitions
from plumbline.chain import Chain
from plumbline.errors import LeakageError
from plumbline.registry import Registry
from plumbline.search import search
from plumbline.search.result import SEARCH, SearchResult
from plumbline.spec import PipelineSpec
from plumbline.stages import STAGES, stage_code_version, stages
from plumbline.versions import DatasetVersion, code_version

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

NETWORK = {"architecture": "dense", "widths": [8], "dropout": [0.0], "max_epochs": 2}
SEARCHED = {
    "trials": 3,
    "space": {"learning_rate": {"low": 1e-3, "high": 0.1}, "batch_size": [64, 128]},
}
UP_TO_THE_NETWORK = [
    *("snapshot", "split", "audit", "normalization", "random_forest", "xgboost"),
    *("baseline_gate", "network_search", "network"),
]


def searching(**changes) -> PipelineSpec:
    return small_spec(
        **{"network": {**NETWORK, "learning_rate": 0.01, "search": SEARCHED}, **changes}
    )


def nodes(spec: PipelineSpec, root: Path) -> dict[str, Any]:
    shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
    merged = dg.Definitions.merge(pipeline_definitions(spec, root), shared)
    return {node.key.path[-1]: node for node in merged.resolve_asset_graph().asset_nodes}


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict]:
    """Values by stage and name."""
    return {
        event.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


@pytest.fixture(scope="module")
def recorded(project: Path, instance) -> dict[str, dict]:
    result = run(searching(), project, instance, selection=UP_TO_THE_NETWORK)
    assert result.success
    return metadata(result)


def test_without_a_search_there_is_no_asset_and_no_other_version(project):
    plain = small_spec()
    assert "network_search" not in nodes(plain, project)
    assert dict(stages(plain)) == dict(STAGES)


def test_a_search_stands_between_gate_and_network(project):
    graph = nodes(searching(), project)

    def before(stage: str) -> set[str]:
        return {key.path[-1] for key in graph[stage].parent_keys}

    assert before("network_search") == {"normalization", "baseline_gate"}
    assert before("network") == {"normalization", "baseline_gate", "network_search"}
    assert list(stages(searching())).index("network_search") < list(STAGES).index("network") + 1


def test_a_search_of_another_task_stands_behind_the_gate_too(project):
    regression = searching(source={"task": "regression", "label": "amount", "drop": ["bought"]})
    graph = nodes(regression, project)
    before = {key.path[-1] for key in graph["network_search"].parent_keys}
    assert before == {"normalization", "baseline_gate"}


def test_a_search_changes_the_versions_of_search_and_network_only(project):
    def versions(spec: PipelineSpec) -> dict[str, str]:
        chain = Chain(spec=spec, dataset_version=DatasetVersion("v1"), digest="d")
        return {stage: chain.version(stage) for stage in stages(spec)}

    plain = versions(small_spec(network={**NETWORK, "learning_rate": 0.01}))
    one = versions(searching())
    more = {**NETWORK, "learning_rate": 0.01, "search": {**SEARCHED, "trials": 4}}
    other = versions(searching(network=more))
    after = {
        *("network", "network_seeds", "evaluation"),
        *("release", "promotion", "predictions"),
    }
    assert {stage for stage in plain if plain[stage] != one[stage]} == after
    assert {stage for stage in one if one[stage] != other[stage]} == {*after, "network_search"}


def test_the_code_of_a_searched_architecture_is_part_of_the_version(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "own_search_architecture.py"
    space = {"architecture": ["dense", "own_search_architecture:made"]}
    spec = searching(network={**NETWORK, "search": {"trials": 2, "space": space}})
    versions = set()
    for text in ("made = 1", "made = 2"):
        source.write_text(text)
        code_version.cache_clear()
        versions.add(stage_code_version(spec, "network_search"))
    assert len(versions) == 2


def test_the_network_is_trained_with_what_the_best_trial_chose(recorded):
    found = SearchResult.load(Path(recorded["network_search"]["artifact"]))
    trained = recorded["network"]["hyperparameters"]
    assert trained["learning_rate"] == found.options["learning_rate"]
    assert trained["batch_size"] == found.options["batch_size"]
    assert trained["widths"] == [8]
    assert trained["search"] == {
        "study": found.study,
        "trial": found.best + 1,
        "trials": 3,
    }


def test_training_again_with_the_chosen_options_reaches_the_same_metric(recorded):
    found = SearchResult.load(Path(recorded["network_search"]["artifact"]))
    history = json.loads((Path(recorded["network"]["artifact"]) / "history.json").read_text())
    assert min(history[f"val_{found.metric}"]) == found.trials[found.best].value


def test_what_the_search_records(recorded, module_postgres):
    told = recorded["network_search"]
    assert told["status"] == "searched"
    assert told["trials"] == 3
    assert told["done"] + told["pruned"] + told["failed"] == 3
    assert len(told["normalization_version"]) == 64
    assert told["study"] == f"visits/{told['data_version']}"
    assert "learning_rate" in told["best_options"]
    for name in ("history", "parallel_coordinates"):
        assert told[name].startswith("![](data:image/png;base64,")
    model = Registry.open(module_postgres).rows("model_versions", kind="network")
    assert [row["hyperparameters"]["search"]["study"] for row in model] == [told["study"]]


def test_seconds_lie_apart_from_what_follows_from_the_data(recorded):
    folder = Path(recorded["network_search"]["artifact"])
    assert "seconds" not in (folder / SEARCH).read_text()
    assert [one.seconds > 0 for one in SearchResult.load(folder).trials] == [True] * 3


def test_the_trials_lie_in_a_schema_of_their_own(recorded, module_postgres):
    with module_postgres.connect() as connection:
        names = connection.execute(
            "SELECT study_name FROM plumbline_search.studies JOIN plumbline_search.trials "
            "USING (study_id) WHERE state = 'COMPLETE' OR state = 'PRUNED'"
        ).fetchall()
    assert names == [(recorded["network_search"]["study"],)] * 3


def test_the_test_rows_are_never_read(recorded, module_postgres):
    assert Registry.open(module_postgres).rows("test_reads") == []


def test_a_second_run_redoes_nothing(recorded, project, instance):
    again = metadata(run(searching(), project, instance, selection=UP_TO_THE_NETWORK))
    assert again["network_search"]["reused"]
    assert again["network"]["reused"]
    assert again["network_search"]["data_version"] == recorded["network_search"]["data_version"]


def test_a_closed_gate_withholds_the_search(recorded, project, instance):
    closed = searching(baselines={"sufficient_score": 0.501})
    told = metadata(run(closed, project, instance, selection=UP_TO_THE_NETWORK))
    assert told["network_search"]["status"] == told["network"]["status"] == "withheld"
    assert told["network_search"]["reason"] == told["baseline_gate"]["reason"]


def test_rows_of_another_side_are_refused(recorded, project, instance, tmp_path, module_postgres):
    bench = PlumblineResource().open(searching(), project, "v1")
    sides = {"train": bench.split.train(), "val": bench.split.validation()}
    for wrong in ({"train": sides["val"]}, {"val": sides["train"]}):
        with pytest.raises(LeakageError, match=r"were about to be (fitted|watched)"):
            search.build(
                **{**sides, **wrong},
                normalization=bench.normalization,
                options=bench.spec.network,
                folder=tmp_path,
                postgres=module_postgres,
                name="leak",
            )
    assert not list(tmp_path.iterdir())
