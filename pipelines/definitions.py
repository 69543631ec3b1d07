"""The code location: every pipeline under defs/, the tables they read, and what they share."""

import dagster as dg

from assets.resources import PlumblineResource
from assets.sources import source_assets
from pipelines.automation.alerts import alerts
from pipelines.code_links import linked
from pipelines.collector import collector_paused
from pipelines.home import ROOT
from pipelines.training_pipeline import TrainingPipeline


@dg.definitions
@collector_paused()
def defs() -> dg.Definitions:
    declared = dg.load_from_defs_folder(path_within_project=ROOT)
    tree = declared.component_tree
    components = tree.get_all_components(of_type=TrainingPipeline) if tree else []
    pipelines = [one.spec for one in components]
    shared = dg.Definitions(
        assets=source_assets(pipelines, ROOT),
        sensors=alerts([one.name for one in pipelines]),
        resources={"plumbline": PlumblineResource()},
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(linked(declared, ROOT), shared)
