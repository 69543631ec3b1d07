"""Launches: with other options, of some stages, forced, of several dataset versions."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets.resources import PlumblineResource
from plumbline import side_by_side
from plumbline.registry import Registry
from plumbline.store import SET_ASIDE, verify

SPEC = small_spec(training_features=None)
NETWORK = SPEC.network.model_dump(exclude_unset=True)
DATA = ["snapshot", "split", "normalization"]
FROM_GATE = ["baseline_gate", "network", "network_seeds", "evaluation"]
EVALUATED = [*DATA, "audit", "random_forest", "xgboost", *FROM_GATE]
EARLIER = {"as_of": "2024-07-01"}
OTHER = {"network": {"max_epochs": 1, "seed": 7}}


@pytest.fixture(scope="module")
def first(project: Path, instance) -> dg.ExecuteInProcessResult:
    return run(SPEC, project, instance, selection=EVALUATED)


@pytest.fixture
def launch(first, project, instance):
    def call(selection: list[str], version: str = "v1", **options: Any):
        return run(SPEC, project, instance, version, selection=selection, options=options)

    return call


def made(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata by stage that was materialized."""
    return {
        event.asset_key.path[-1]: {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the one stage that failed told."""
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    return str(told and told.description)


def folder(project: Path, stage: str) -> Path:
    return PlumblineResource().open(SPEC, project, "v1").folder(stage)


def bytes_of(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def test_a_plain_run_names_no_option(first):
    assert first.success
    shown = made(first).values()
    assert not [name for one in shown for name in one if name in ("run_options", "recomputed")]


def test_a_subset_goes_on_from_what_is_there(launch):
    result = launch(["baseline_gate", "network"])
    assert result.success
    assert {stage: one["reused"] for stage, one in made(result).items()} == {
        "baseline_gate": True,
        "network": True,
    }


def test_options_lead_to_the_versions_of_defs_yaml_and_stand_on_what_is_made(
    launch, first, project
):
    result = launch(["baseline_gate", "network"], **OTHER)
    assert result.success
    found, before = made(result), made(first)
    declared = small_spec(training_features=None, network={**NETWORK, **OTHER["network"]})
    chain = PlumblineResource().open(declared, project, "v1").chain
    for stage in ("baseline_gate", "network"):
        assert found[stage]["data_version"] == chain.version(stage)
        assert found[stage]["run_options"] == {"network.max_epochs": 1, "network.seed": 7}
    assert found["network"]["epochs"] == 1
    assert found["network"]["data_version"] != before["network"]["data_version"]
    assert found["baseline_gate"]["data_version"] == before["baseline_gate"]["data_version"]


def test_what_was_made_with_other_options_is_not_taken(launch):
    result = launch(["evaluation"], network={"max_epochs": 3})
    told = failure(result)
    assert "no network " in told
    assert "with network.max_epochs=3 lead to" in told
    assert "materialize visits/network for v1 with the run options network.max_epochs=3" in told
    assert made(result) == {}


def test_options_that_cannot_be_declared_are_refused_before_anything_is_done(launch):
    result = launch(DATA, "v9", network={"architecture": "forest"})
    assert "'forest' is no architecture" in failure(result)
    assert made(result) == {}


@pytest.mark.parametrize("name", ["a version", "a/b", "..", "v1@champion", "x" * 101])
def test_a_partition_that_no_version_can_be_named_like_fails_in_the_first_stage(
    launch, name, module_postgres
):
    result = launch(DATA, name)
    assert "is no name of a dataset version" in failure(result)
    assert "letters, digits, underscores" in failure(result)
    assert made(result) == {}
    rows = Registry.open(module_postgres).rows("dataset_versions")
    assert name not in {row["dataset_version"] for row in rows}


def test_a_forced_stage_is_computed_again_and_what_is_stored_stands(launch, project):
    stages = [*DATA, "xgboost"]
    before = {stage: bytes_of(folder(project, stage)) for stage in stages[1:]}
    result = launch(stages, force=True)
    assert result.success
    found = made(result)
    assert {one["reused"] for one in found.values()} == {True}
    assert found["snapshot"]["recomputed"].startswith("identical: the source still returns")
    assert found["split"]["recomputed"] == found["normalization"]["recomputed"] == "identical"
    assert "training.json: " in found["xgboost"]["recomputed"]  # it tells the seconds
    assert "bytes differ" in found["xgboost"]["recomputed"]
    assert "model.ubj" not in found["xgboost"]["recomputed"]
    assert {stage: bytes_of(folder(project, stage)) for stage in stages[1:]} == before
    assert found["split"]["run_options"] == {"force": True}


def test_a_changed_byte_is_put_aside_and_made_again(launch, project):
    place = folder(project, "normalization")
    before = bytes_of(place)
    (victim,) = [path for path in place.iterdir() if path.name != "artifact.json"]
    victim.write_bytes(victim.read_bytes()[:-1] + b" ")
    assert "with the run option force" in failure(launch(["normalization"]))
    result = launch(["normalization"], force=True)
    found = made(result)["normalization"]
    (aside,) = (project / "store" / SET_ASIDE / "visits" / "normalization").iterdir()
    assert f"{victim.name}: sha256 is" in found["recomputed"]
    assert str(aside) in found["recomputed"]
    assert not found["reused"]
    assert (aside / victim.name).read_bytes().endswith(b" ")
    verify(place)
    assert bytes_of(place) == before


def test_a_forced_version_is_never_bound_to_other_rows(project, instance, module_postgres):
    def forced():
        return run(
            SPEC, project, instance, "v0", EARLIER, selection=["snapshot"], options={"force": True}
        )

    assert made(forced())["snapshot"].keys() >= {"dataset_digest"}
    place = PlumblineResource().open(SPEC, project, "v0").snapshot.folder
    before = bytes_of(place)
    _amounts(module_postgres, "amount + 1")
    told = made(forced())["snapshot"]["recomputed"]
    assert "the frozen rows stand; the source no longer reproduces" in told
    assert bytes_of(place) == before
    (place / "data.parquet").write_bytes(before["data.parquet"][:-1])
    assert "the source no longer reproduces" in failure(forced())
    assert place.is_dir()
    _amounts(module_postgres, "amount - 1")
    assert "was put aside" in made(forced())["snapshot"]["recomputed"]
    assert bytes_of(place)["data.parquet"] == before["data.parquet"]


def _amounts(postgres, value: str) -> None:
    with postgres.connect() as connection:
        connection.execute(f"UPDATE public.visits SET amount = {value} WHERE visit_id = 1")


def test_the_full_proof_is_fitted_on_every_row(launch, project):
    result = launch(["xgboost"], full_leakage_proof=True)
    proofs = {one.check_name: one for one in result.get_asset_check_evaluations()}
    proof = proofs["leakage_proof"]
    evidence = proof.metadata["evidence"].value
    assert evidence["full"]
    assert proof.passed
    rows = PlumblineResource().open(SPEC, project, "v1").split.counts["train"]
    assert evidence["training_rows"] == rows
    assert made(result)["xgboost"]["run_options"] == {"full_leakage_proof": True}


def test_a_backfill_is_compared_in_one_table(first, project, instance, module_postgres):
    closed = small_spec(training_features=None, baselines={"sufficient_score": 0.501})
    result = run(closed, project, instance, "v2", EARLIER, selection=EVALUATED)
    assert result.success
    found, before = made(result)["evaluation"], made(first)["evaluation"]
    head, _, *lines = found["versions_table"].split("\n")
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    new, old = (dict(zip(columns, row, strict=True)) for row in (rows[0], rows[-1]))
    assert (new["dataset version"], new["rows"]) == ("v2", "1455")
    assert old["dataset version"] == "v1"
    for kind in ("random_forest", "xgboost"):
        assert new[f"test auc: {kind}"] == f"{found[f'test_auc_{kind}']:.4g}"
    assert old["test auc: network"] == f"{before['test_auc_network']:.4g}"
    assert new["test auc: network"] == ""
    assert (new["verdict"], new["winner"]) == ("BASELINE", found["winner"])
    registry = Registry.open(module_postgres)
    assert len(side_by_side.side_by_side(registry, "visits", shown=1)) == 1


def test_the_main_numbers_are_plotted(first):
    found = made(first)
    numbers = {
        "snapshot": ["dagster/row_count", "seconds"],
        "random_forest": ["val_auc", "training_seconds"],
        "xgboost": ["val_auc", "training_seconds"],
        "network": ["val_auc", "epochs"],
        "evaluation": ["test_auc_random_forest", "test_auc_xgboost", "test_auc_network", "gain"],
    }
    shown = {name: found[stage][name] for stage, names in numbers.items() for name in names}
    assert {type(value) for value in shown.values()} <= {int, float}
    comparison = json.loads((Path(found["evaluation"]["artifact"]) / "evaluation.json").read_text())
    assert shown["gain"] == comparison["comparison"]["difference"]["value"]
