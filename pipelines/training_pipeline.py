"""The component that turns one `defs.yaml` into the whole graph of a pipeline."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)
from pydantic import BaseModel

from assets.audit import audit_asset
from assets.baselines import baseline_asset, floor_asset, gate_asset
from assets.evaluation import evaluation_asset
from assets.guard_drill import guard_drill_asset
from assets.network import network_asset
from assets.network_seeds import network_seeds_asset
from assets.normalization import normalization_asset
from assets.optimism import optimism_asset
from assets.predictions import predictions_asset
from assets.promotion import promotion_asset
from assets.release import release_asset
from assets.search import search_asset
from assets.snapshot import snapshot_asset
from assets.split import split_asset
from assets.stage import key
from assets.training_features import training_features_asset
from assets.version_diff import version_diff_asset
from pipelines.automation.conditions import completed
from pipelines.automation.freshness import kept_fresh
from pipelines.automation.schedule import drill_schedule, schedule
from pipelines.automation.sensor import source_sensor
from pipelines.automation.staleness import standing_on
from pipelines.launchpad import filled
from pipelines.running import executor, run_tags
from pipelines.scaffold import PipelineScaffolder
from plumbline.spec import PipelineSpec


@dg.scaffold_with(PipelineScaffolder)
@dataclass(frozen=True)
class TrainingPipeline(dg.Component):
    """A labelled SQL query, frozen, audited, split, normalized, and turned into a model.

    Trees first; a Keras network is released only where it beats them on the same rows.
    """

    spec: PipelineSpec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return PipelineSpec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            description=cls.__doc__, tags=["training"], owners=["team:plumbline"]
        )

    @classmethod
    def load(
        cls,
        attributes: BaseModel | None,
        context: dg.ComponentLoadContext,  # noqa: ARG003
    ) -> "TrainingPipeline":
        # Without attributes Dagster hands over None; the specification says what is missing.
        return cls(attributes if isinstance(attributes, PipelineSpec) else PipelineSpec(**{}))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return pipeline_definitions(self.spec, context.project_root)


def pipeline_definitions(spec: PipelineSpec, root: Path) -> dg.Definitions:
    """The graph of one pipeline; `source.sql` is relative to `root`."""
    assets = [
        *data_assets(spec, root),
        *baseline_assets(spec, root),
        *network_assets(spec, root),
        optimism_asset(spec, root),
        evaluation_asset(spec, root),
        *release_assets(spec, root),
    ]
    job = dg.define_asset_job(
        name=spec.name,
        selection=dg.AssetSelection.assets(*(one.key for one in assets)),
        description=spec.description or f"Every stage of {spec.name}, for one dataset version.",
        config=filled(spec),
        tags=run_tags(spec),
        executor_def=executor(spec),
    )
    drill = drill_job(spec)
    return dg.Definitions(
        assets=with_rules(spec, [*assets, guard_drill_asset(spec, root)]),
        jobs=[job, drill],
        schedules=[
            drill_schedule(spec, drill),
            *([schedule(spec, root, job)] if spec.schedule else []),
        ],
        sensors=[source_sensor(spec, root, job)] if spec.sensor else [],
    )


def with_rules(spec: PipelineSpec, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets, and when Dagster calls them stale, makes them, and finds them too old."""
    return kept_fresh(spec, completed(spec, standing_on(assets)))


def drill_job(spec: PipelineSpec) -> UnresolvedAssetJobDefinition:
    """The guard drill, in a job of its own."""
    return dg.define_asset_job(
        name=f"{spec.name}_guard_drill",
        selection=dg.AssetSelection.assets(key(spec, "guard_drill")),
        description="Puts faults into copies of the data and sees that each guard fires.",
        tags=run_tags(spec),
        executor_def=executor(spec),
    )


def data_assets(spec: PipelineSpec, root: Path) -> list[dg.AssetsDefinition]:
    """From the source to numbers on one scale."""
    return [
        snapshot_asset(spec, root),
        split_asset(spec, root),
        audit_asset(spec, root),
        version_diff_asset(spec, root),
        normalization_asset(spec, root),
        *([training_features_asset(spec, root)] if spec.training_features else []),
    ]


def baseline_assets(spec: PipelineSpec, root: Path) -> list[dg.AssetsDefinition]:
    """What a network has to beat, and whether it is worth training."""
    return [
        floor_asset(spec, root),
        baseline_asset(spec, root, "random_forest"),
        baseline_asset(spec, root, "xgboost"),
        gate_asset(spec, root),
    ]


def network_assets(spec: PipelineSpec, root: Path) -> list[dg.AssetsDefinition]:
    """The network, after a search for its options where one is declared; and further seeds."""
    search = [search_asset(spec, root)] if spec.network.search else []
    return [*search, network_asset(spec, root), network_seeds_asset(spec, root)]


def release_assets(spec: PipelineSpec, root: Path) -> list[dg.AssetsDefinition]:
    """From the evaluation's winner to the champion, and to its predictions."""
    return [
        release_asset(spec, root),
        promotion_asset(spec, root),
        predictions_asset(spec, root),
    ]
