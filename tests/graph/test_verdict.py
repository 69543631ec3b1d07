"""Several seeds, slices and readings in the graph: what is trained, recorded and widened."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets import calibration
from assets.resources import PlumblineResource
from assets.workbench import Workbench
from plumbline.evaluation import further_networks
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore
from plumbline.summary import summary

UP_TO_THE_VERDICT = [
    *("snapshot", "split", "normalization", "random_forest", "xgboost"),
    *("baseline_gate", "network", "network_seeds", "evaluation"),
]
VERDICT = {"seeds": 3, "slices": ["channel", "customer", "age"], "slice_rows": 50}


def declared(**options: Any) -> PipelineSpec:
    network = {"architecture": "dense", "widths": [4], "dropout": [0.0], "max_epochs": 1, "seed": 7}
    blocks = {"name": "seeded", "training_features": None, "network": network, "verdict": VERDICT}
    return small_spec(**{**blocks, **options})


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    assert result.success
    return {
        event.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


@pytest.fixture(scope="module")
def first(project: Path, instance) -> dg.ExecuteInProcessResult:
    return run(declared(), project, instance, selection=UP_TO_THE_VERDICT)


@pytest.fixture(scope="module")
def bench(first, project) -> Workbench:
    return PlumblineResource().open(declared(), project, "v1")


def test_further_networks_are_trained_and_named_in_the_one_reading(first, bench, module_postgres):
    recorded = metadata(first)
    assert recorded["network_seeds"]["status"] == "trained"
    assert [one.training["hyperparameters"]["seed"] for one in bench.further] == [8, 9]
    weights = {one.training["weights_sha256"] for one in (bench.network, *bench.further)}
    assert len(weights) == 3
    registry = Registry.open(module_postgres)
    (row,) = registry.rows("model_versions", pipeline="seeded", kind="network_seeds")
    assert row["hyperparameters"]["seeds"] == [8, 9]
    (read,) = registry.rows("test_reads", pipeline="seeded")
    versions = [row["model_version"] + f"/{seed}" for seed in (8, 9)]
    assert read["model_versions"][-2:] == versions
    assert len(read["model_versions"]) == 5
    assert read["asked_by"] == bench.chain.version("evaluation")
    facts = summary(registry, "seeded", "v1")
    assert {one["kind"] for one in facts["candidates"]} == {"random_forest", "xgboost", "network"}
    assert [one["seed"] for one in facts["verdict"]["evidence"]["seeds"]["networks"]] == [7, 8, 9]


def test_the_evidence_stands_on_the_materialization(first, bench):
    shown = metadata(first)["evaluation"]
    assert "channel = web" in shown["slices_table"]
    assert "rarer value(s)" in shown["slices_table"]
    assert "| 9 |" in shown["seeds_table"]
    assert "none" in shown["complexity"]
    assert "data:image/png" in shown["slices"]
    assert "data:image/png" in shown["seeds"]
    assert (shown["test_reads"], shown["readings"], shown["reading"]) == (1, 1, 1)
    network = bench.evaluation.complexity["candidates"][0]
    trained = [bench.network, *bench.further]
    assert network["seconds"] == pytest.approx(sum(one.training["seconds"] for one in trained))
    assert network["bytes"] == bench.network.training["bytes"] > 1000
    assert network["one_row_us"] > 0
    assert bench.evaluation.comparison["networks"] == 3


def test_another_reading_is_wider_and_the_first_stays_the_first(first, bench, project, instance):
    again = ["network_seeds", "evaluation"]
    result = run(declared(evaluation={"resamples": 101}), project, instance, selection=again)
    late = metadata(result)
    assert late["network_seeds"]["reused"]
    late = late["evaluation"]
    assert (late["test_reads"], late["readings"], late["reading"]) == (2, 2, 2)
    assert late["deciding_confidence"] == pytest.approx(0.975)
    assert "97.5 % interval" in late["reason"]
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    check = checks["test_reads"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "--dataset-version NEW" in str(check.description)

    folder = bench.store.folder("seeded", "evaluation", bench.chain.version("evaluation"))
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    shutil.rmtree(folder)
    shown = metadata(run(declared(), project, instance, selection=again))["evaluation"]
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
    assert (shown["test_reads"], shown["readings"], shown["reading"]) == (3, 2, 1)
    assert shown["deciding_confidence"] == 0.95


def test_nothing_is_trained_behind_a_closed_gate_or_for_one_seed(first, project, instance):
    closed = declared(baselines={"sufficient_score": 0.501})
    told = metadata(run(closed, project, instance, selection=UP_TO_THE_VERDICT[5:8]))
    assert told["network_seeds"]["status"] == "withheld"
    assert told["network_seeds"]["reason"] == told["baseline_gate"]["reason"]
    single = declared(verdict={"seeds": 1})
    told = metadata(run(single, project, instance, selection=["network_seeds"]))
    assert told["network_seeds"]["reason"] == "verdict.seeds is 1: no further seed is asked for"


def test_what_was_trained_before_a_process_died_is_not_trained_again(bench, tmp_path):
    """The first writer leaves after its first network, as if it had been killed."""
    store, place = ArtifactStore(root=tmp_path), ("seeded", "network_seeds", "f" * 64)

    def write(folder: Path, seeds: list[int]) -> None:
        further_networks.build(bench.train_network, bench.network_options, seeds, folder)

    def died(folder: Path) -> None:
        write(folder, [8])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish(*place, died)
    assert store.find(*place) is None
    (kept,) = (tmp_path / "seeded").rglob("8/training.json")
    seconds = json.loads(kept.read_text())["seconds"]
    folder = store.publish(*place, lambda draft: write(draft, [8, 9]))
    first, second = further_networks.load(folder, "v")
    assert first.training["seconds"] == seconds
    assert (first.model_version, second.model_version) == ("v/8", "v/9")
    assert [one.training["weights_sha256"] for one in (first, second)] == [
        one.training["weights_sha256"] for one in bench.further
    ]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("before", "after", "passed", "told"),
    [
        (0.05, 0.02, True, "platt calibration changes the test ECE from 0.0500"),
        (0.05, 0.055, True, "to 0.0550"),
        (0.02, 0.05, False, "set decision.calibration to none"),
        (None, None, True, "not calibrated: declared"),
    ],
)
def test_a_calibration_that_does_not_hold_on_test_is_told(bench, before, after, passed, told):
    def reliability(ece: float) -> dict[str, Any]:
        return {"ece": {"value": ece, "low": ece - 0.01, "high": ece + 0.01}}

    found = {"method": "none", "reason": "declared: none"}
    if before is not None:
        test = {"before": reliability(before), "after": reliability(after)}
        found = {"method": "platt", "reason": "", "test": test}
    winner = {bench.evaluation.winner: {"calibration": found}}
    checked = calibration.check(bench.spec, replace(bench.evaluation, candidates=winner))
    assert checked.passed is passed
    assert told in checked.description
