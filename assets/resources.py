"""The one resource of the assets: PostgreSQL, registry and store, from the environment."""

from pathlib import Path

import dagster as dg

from assets.workbench import Workbench
from plumbline.environment import store_location
from plumbline.postgres import postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion


class PlumblineResource(dg.ConfigurableResource):
    """Opens the registry at `DATABASE_URL` (or the embedded PostgreSQL) and the store.

    The address of the database comes from the environment only, so that it is never part
    of a run's configuration.
    """

    def open(self, spec: PipelineSpec, root: Path, dataset_version: str) -> Workbench:
        server = postgres()
        return Workbench(
            spec=spec,
            root=root,
            dataset_version=DatasetVersion(dataset_version),
            postgres=server,
            registry=Registry.open(server),
            store=ArtifactStore.at(store_location()),
        )
