"""The code location: every pipeline under defs/, with the resource and executor they share."""

from pathlib import Path

import dagster as dg

from assets.resources import PlumblineResource

ROOT = Path(__file__).parents[1]


@dg.definitions
def defs() -> dg.Definitions:
    shared = dg.Definitions(
        resources={"plumbline": PlumblineResource()}, executor=dg.in_process_executor
    )
    return dg.Definitions.merge(dg.load_from_defs_folder(path_within_project=ROOT), shared)
