"""The code location: every pipeline under defs/, the tables they read, and what they share."""

from pathlib import Path

import dagster as dg

from assets.resources import PlumblineResource
from pipelines.training_pipeline import TrainingPipeline
from plumbline.extract.query import source_tables

ROOT = Path(__file__).parents[1]


@dg.definitions
def defs() -> dg.Definitions:
    declared = dg.load_from_defs_folder(path_within_project=ROOT)
    tree = declared.component_tree
    pipelines = tree.get_all_components(of_type=TrainingPipeline) if tree else []
    shared = dg.Definitions(
        assets=source_assets(pipelines),
        resources={"plumbline": PlumblineResource()},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(declared, shared)


def source_assets(pipelines: list[TrainingPipeline]) -> list[dg.AssetSpec]:
    """The PostgreSQL tables that the extracts read, once each: pipelines may share them."""
    tables = {name for one in pipelines for name in source_tables(one.spec, ROOT)}
    return [
        dg.AssetSpec(
            key=name.split("."),
            group_name="sources",
            kinds={"postgres", "table"},
            description=f"Table {name}, read by an extract and never written by Plumbline.",
        )
        for name in sorted(tables)
    ]
