"""Which stages Dagster calls stale, by the resolver that its UI asks, on a version that was run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.observe import observe
from dagster._core.loader import LoadingContextForTest
from small_pipeline import make_source, run, small_spec

from assets.resources import PlumblineResource
from assets.sources import WATERMARK, last_frozen, source_assets
from pipelines.training_pipeline import pipeline_definitions
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

CLOSED = {"sufficient_score": 0.01}
NETWORK = {"architecture": "dense", "widths": [8], "dropout": [0.0]}
DECLARED: dict[str, Any] = {
    "training_features": None,
    # Closed, so that a stage that is withheld is among those that are looked at.
    "baselines": CLOSED,
    "network": NETWORK,
}
ALL = {
    *("snapshot", "split", "audit", "version_diff", "normalization", "floor", "random_forest"),
    *("xgboost", "optimism", "baseline_gate", "network", "network_seeds", "evaluation"),
    *("release", "promotion", "predictions", "guard_drill"),
}
FROM_RELEASE = {"release", "promotion", "predictions"}
FROM_EVALUATION = {"evaluation", *FROM_RELEASE}
FROM_NETWORK = {"network", "network_seeds", *FROM_EVALUATION}
FROM_GATE = {"baseline_gate", *FROM_NETWORK}
FROM_NORMALIZATION = ALL - {"snapshot", "split", "audit", "version_diff"}


@pytest.fixture(scope="module")
def project(module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("project")
    make_source(module_postgres, root, rows=400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(root / "store"))
        yield root


@pytest.fixture(scope="module")
def made(project: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Every stage of v1, the guard drill's aside, whose job is another."""
    result = run(small_spec(**DECLARED), project, instance)
    assert result.success
    return result


def _definitions(spec: PipelineSpec, root: Path) -> dg.Definitions:
    shared = dg.Definitions(
        assets=source_assets([spec], root), resources={"plumbline": PlumblineResource()}
    )
    return dg.Definitions.merge(pipeline_definitions(spec, root), shared)


def _stale(spec: PipelineSpec, root: Path, instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """Stages of v1 that are stale, with the roots of why."""
    graph = _definitions(spec, root).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    stages = [key for key in graph.materializable_asset_keys if key.path[0] == spec.name]
    return {
        key.path[-1]: [
            f"{cause.asset_key.to_user_string()} {cause.reason}"
            for cause in resolver.get_stale_root_causes(key, "v1")
        ]
        for key in stages
        if resolver.get_status(key, "v1") == StaleStatus.STALE
    }


def _behind(stage: str, spec: PipelineSpec, root: Path) -> set[str]:
    """A stage and all that is made from it."""
    graph = _definitions(spec, root).resolve_asset_graph()
    found, at = set(), [dg.AssetKey([spec.name, stage])]
    while at:
        key = at.pop()
        found.add(key)
        at += graph.get(key).child_keys - found
    return {key.path[-1] for key in found}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({}, set()),
        ({"description": "other"}, set()),
        ({"owners": ["team:other"]}, set()),
        ({"schedule": {"cron": "0 1 * * *"}}, set()),
        ({"sensor": {"every": 60}}, set()),
        ({"freshness": {"within_hours": 24}}, set()),
        ({"complete_versions": True}, set()),
        ({"source": {"watermarks": {"public.visits": "happened_at"}}}, set()),
        ({"split": {"policy": "hash", "seed": 1}}, ALL - {"snapshot"}),
        ({"audit": {"examples": 3}}, {"audit", *FROM_NORMALIZATION}),
        ({"normalization": {"method": "robust"}}, {"audit", *FROM_NORMALIZATION}),
        ({"baselines": {**CLOSED, "early_stopping": True}}, {"xgboost", "optimism", *FROM_GATE}),
        ({"baselines": {**CLOSED, "forest_gib": 2}}, {"random_forest", *FROM_GATE}),
        ({"baselines": {"sufficient_score": 0.02}}, FROM_GATE),
        ({"gate": {"explanations_required": True}}, FROM_GATE),
        ({"network": {**NETWORK, "widths": [4]}}, FROM_NETWORK),
        ({"network": {"feeding": "stream", **NETWORK}}, set()),
        ({"verdict": {"seeds": 2}}, {"network_seeds", *FROM_EVALUATION}),
        ({"verdict": {"seeds": 1, "slice_rows": 50}}, FROM_EVALUATION),
        ({"decision": {"calibration": "none"}}, FROM_EVALUATION),
        ({"evaluation": {"resamples": 101}}, FROM_EVALUATION),
        ({"evaluation": {"resamples": 100, "metric": "log_loss"}}, FROM_GATE),
        ({"release": {"golden_rows": 8}}, FROM_RELEASE),
        ({"promotion": {"promote_when": "not_worse"}}, {"promotion"}),
    ],
)
def test_a_change_makes_its_stage_stale_and_all_behind_it(made, project, instance, change, stale):
    found = _stale(small_spec(**{**DECLARED, **change}), project, instance)
    assert set(found) == stale - {"guard_drill"}


def _observe(spec: PipelineSpec, root: Path, instance: dg.DagsterInstance) -> None:
    assert observe(source_assets([spec], root), instance=instance).success


def test_a_new_watermark_makes_the_snapshot_stale_and_so_all_that_stands_on_it(
    made, project, instance, module_postgres
):
    spec = small_spec(**DECLARED)
    _observe(spec, project, instance)
    assert _stale(spec, project, instance) == {}  # it is as far as it was when v1 was frozen

    with module_postgres.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM public.visits WHERE visit_id = 1")
        connection.execute("SELECT pg_stat_force_next_flush()")
    _observe(spec, project, instance)
    # Dagster marks the asset that reads what has changed; what is behind it, it hands down.
    assert _stale(spec, project, instance) == {"snapshot": ["public/visits has a new data version"]}
    assert _behind("snapshot", spec, project) == ALL

    again = run(spec, project, instance)  # from what was frozen: nothing is read or made
    assert again.success
    assert _stale(spec, project, instance) == {}
    (event,) = again.get_asset_materialization_events()[:1]
    assert WATERMARK not in event.materialization.metadata
    assert (last_frozen(instance, spec) or ("",))[0] == "v1"


def test_a_change_that_was_made_on_a_part_is_stale_from_there_on_only(made, project, instance):
    """The gate is asked anew by itself: what was withheld because of it is not stale twice."""
    spec = small_spec(**{**DECLARED, "baselines": {"sufficient_score": 0.02}})
    selection = ["baseline_gate", "network", "network_seeds", "evaluation"]
    assert run(spec, project, instance, selection=selection).success
    assert set(_stale(spec, project, instance)) == FROM_RELEASE
    before = small_spec(**DECLARED)
    assert run(before, project, instance, selection=selection).success
    assert _stale(before, project, instance) == {}
