"""Rows, columns and their lineage on every materialization; versions that agree along the graph."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from assets import agreement
from assets.resources import PlumblineResource
from assets.shapes import SHAPES
from pipelines.code_links import linked
from pipelines.training_pipeline import pipeline_definitions
from plumbline.errors import SpecError
from plumbline.extract import column_lineage
from plumbline.stages import stages

DATA = ["snapshot", "split", "audit", "normalization"]


@pytest.fixture(scope="module")
def first(project, instance) -> dg.ExecuteInProcessResult:
    return run(small_spec(), project, instance, selection=DATA)


def _recorded(result: dg.ExecuteInProcessResult, stage: str) -> dict:
    (event,) = (
        one
        for one in result.get_asset_materialization_events()
        if one.asset_key == dg.AssetKey(["visits", stage])
    )
    return dict(event.materialization.metadata)


def _agreement(result: dg.ExecuteInProcessResult, stage: str) -> dg.AssetCheckEvaluation:
    (found,) = (
        one
        for one in result.get_asset_check_evaluations()
        if (one.asset_key.path[-1], one.check_name) == (stage, agreement.CHECK)
    )
    return found


def _origins(metadata: dict) -> dict[str, list[str]]:
    deps = metadata["dagster/column_lineage"].value.deps_by_column
    return {
        column: [f"{one.asset_key.to_user_string()}.{one.column_name}" for one in found]
        for column, found in deps.items()
    }


def test_every_stage_says_what_it_leaves():
    searched = small_spec(network={"search": {"trials": 2}})
    assert set(SHAPES) == {"snapshot", *stages(searched)}


def test_the_snapshot_goes_back_to_columns_of_the_source(first):
    metadata = _recorded(first, "snapshot")
    assert metadata["dagster/row_count"].value == 2000
    assert _origins(metadata)["amount"] == ["public/visits.amount"]
    assert "columns_without_lineage" not in metadata
    columns = {one.name: one for one in metadata["dagster/column_schema"].value.columns}
    assert list(_origins(metadata)) == list(columns)
    assert columns["age"].description == "numeric feature; from public/visits.age"
    assert columns["bought"].description == "is the label; from public/visits.bought"
    assert columns["visit_id"].constraints.unique
    assert not columns["visit_id"].constraints.nullable
    assert columns["age"].constraints.nullable


def test_features_go_back_to_the_snapshot(first):
    metadata = _recorded(first, "normalization")
    origins = _origins(metadata)
    assert origins["age is null"] == origins["age"] == ["visits/snapshot.age"]
    assert origins["channel"] == ["visits/snapshot.channel"]
    types = {one.name: one.type for one in metadata["dagster/column_schema"].value.columns}
    assert types["age"] == "float32"
    assert types["channel"] == "int32"
    assert metadata["dagster/row_count"].value == metadata["training_rows"].value


def test_an_older_snapshot_says_what_its_sql_does_not(first, project, tmp_path):
    frozen = PlumblineResource().open(small_spec(), project, "v1").snapshot
    file = "sql/extracts/visits.sql"
    assert column_lineage.of_snapshot(frozen, file).origins["age"]
    found = column_lineage.of_snapshot(replace(frozen, folder=tmp_path), file)
    assert not found.origins
    assert "a * stands for it" in found.unresolved["age"]


def test_stages_agree_in_a_run(first):
    assert first.success
    for stage in DATA[1:]:
        found = _agreement(first, stage)
        assert found.passed
        assert not found.blocking
    told = _agreement(first, "normalization").description
    read = _recorded(first, "audit")["data_version"].value[:12]
    assert told is not None
    assert f"audit {read}" in told


def test_a_stage_before_that_was_made_by_other_options_is_warned_of(first, project, instance):
    other = run(small_spec(audit={"examples": 3}), project, instance, selection=["audit"])
    warned = run(small_spec(), project, instance, selection=["normalization"])
    assert warned.success
    found = _agreement(warned, "normalization")
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    read, shown = (_recorded(one, "audit")["data_version"].value[:12] for one in (first, other))
    assert f"visits/audit was read as {read}, and Dagster shows {shown}" in found.description
    assert "materialize visits/audit for v1" in found.description
    assert "split" not in found.description

    mended = run(small_spec(), project, instance, selection=["audit", "normalization"])
    assert mended.success
    assert _recorded(mended, "audit")["reused"].value


def test_without_a_record_the_store_is_the_truth(first, project):
    with dg.DagsterInstance.ephemeral() as pruned:
        result = run(small_spec(), project, pruned, selection=["normalization"])
    assert result.success
    told = _agreement(result, "normalization").description
    assert told is not None
    assert told.startswith("Dagster has no record of split, audit for v1")


def test_a_run_goes_by_what_it_made_itself(first, project):
    """Another run with other options, launched after an edit, does not stop one in progress."""
    bench = PlumblineResource().open(small_spec(), project, "v1")
    key = dg.AssetKey(["visits", "split"])
    with dg.DagsterInstance.ephemeral() as instance:
        ours = run(small_spec(), project, instance, selection=["snapshot", "split"])
        instance.report_runless_asset_event(
            dg.AssetMaterialization(key, partition="v1", tags={"dagster/data_version": "other"})
        )

        def found(run_id: str) -> dg.AssetCheckResult:
            this = SimpleNamespace(run_id=run_id)
            context: Any = SimpleNamespace(instance=instance, partition_key="v1", run=this)
            return agreement.check(context, bench, "audit", ["split"])

        assert found(ours.run_id).passed
        assert not found("a later one").passed


def test_links_to_code_lead_to_the_repository_that_is_named(project, monkeypatch):
    def links() -> list[str]:
        shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
        declared = linked(pipeline_definitions(small_spec(), project), project)
        definitions = dg.Definitions.merge(declared, shared)
        spec = definitions.resolve_assets_def(dg.AssetKey(["visits", "audit"])).specs_by_key
        (one,) = spec.values()
        return [link.source for link in one.metadata["dagster/code_references"].code_references]

    monkeypatch.delenv("PLUMBLINE_GIT_URL", raising=False)
    assert links() == [str((project / "sql/extracts/visits.sql").resolve())]
    monkeypatch.setenv("PLUMBLINE_GIT_URL", "https://gitlab.example.org/team/house.git")
    monkeypatch.setenv("PLUMBLINE_GIT_REVISION", "v2")
    assert links() == ["https://gitlab.example.org/team/house/-/tree/v2/sql/extracts/visits.sql"]


@pytest.mark.parametrize(
    "url",
    ["https://a:secret@github.com/team/house", "https://example.org/house", "git@github.com:a/b"],
)
def test_an_address_that_cannot_be_shown_is_refused(project, monkeypatch, url):
    monkeypatch.setenv("PLUMBLINE_GIT_URL", url)
    with pytest.raises(SpecError, match="PLUMBLINE_GIT_URL leads to") as refused:
        linked(dg.Definitions(), project)
    assert "secret" not in str(refused.value)
