"""The one resource of the assets: PostgreSQL, registry and store, from the environment."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.run_options import RunOptions
from assets.workbench import Workbench
from plumbline.distribution import ground
from plumbline.environment import store_location
from plumbline.postgres import postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore
from plumbline.versions import valid_name


class PlumblineResource(dg.ConfigurableResource):
    """Opens the registry at `DATABASE_URL` (or the embedded PostgreSQL) and the store.

    The address of the database comes from the environment only, so that it is never part
    of a run's configuration.
    """

    run_options: RunOptions = Field(
        default=RunOptions(),
        description="What this run does otherwise than defs.yaml says. What is left out, or "
        "null, is as declared.",
    )

    def open(self, spec: PipelineSpec, root: Path, dataset_version: str) -> Workbench:
        """What a stage works with. Every stage of a run opens it with the same options.

        Raises:
            SpecError: the pipeline cannot be declared with the run options, or the dataset
                version's name is none.
            DatabaseUnreachable: the server does not answer.
            ClusterError: the run has sent the stage to a machine that differs from its own.
        """
        ground.require_same()
        effective = self.run_options.applied_to(spec)
        version = valid_name(dataset_version)
        server = postgres()
        return Workbench(
            spec=effective,
            options=self.run_options,
            root=root,
            dataset_version=version,
            postgres=server,
            registry=Registry.open(server),
            store=ArtifactStore.at(store_location()),
        )
