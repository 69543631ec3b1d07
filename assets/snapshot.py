"""The snapshot: the extract frozen under its dataset version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from assets.recording import materialized, table
from assets.resources import PlumblineResource
from assets.sources import observe_source
from assets.stage import asset_of, readable_failures
from assets.workbench import Workbench
from plumbline.extract.freeze import freeze
from plumbline.extract.query import Query, read_query, source_tables
from plumbline.extract.refreeze import refreeze
from plumbline.spec import PipelineSpec
from plumbline.versions import code_version


class SnapshotConfig(dg.Config):
    """How this dataset version is drawn. Only its first run asks the source, and forced ones."""

    parameters: dict[str, str] = Field(
        default={},
        description="Values of the SQL's :name parameters for this dataset version. Those left "
        "out are as under source.parameters in defs.yaml; :dataset_version needs none.",
    )


def snapshot_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    tables = source_tables(spec, root)

    def snapshot(
        context: dg.AssetExecutionContext, config: SnapshotConfig, plumbline: PlumblineResource
    ) -> dg.MaterializeResult:
        with readable_failures(context):
            bench = plumbline.open(spec, root, context.partition_key)
            query = read_query(spec, root, config.parameters, bench.dataset_version)
            known = bench.registry.one("dataset_versions", **_name(bench))
            source = {} if known else observe_source(context, spec, root, bench.postgres)
            return _freeze(bench, query, source)

    return asset_of(
        spec,
        root,
        "snapshot",
        deps=[dg.AssetKey(name.split(".")) for name in tables],
        code_version=code_version("plumbline.extract"),
        kinds={"postgres", "parquet"},
        description=f"Rows of {spec.source.sql}, frozen, hashed and ordered by "
        f"{', '.join(spec.source.key)}.",
    )(snapshot)


def _name(bench: Workbench) -> dict[str, str]:
    return {"pipeline": bench.spec.name, "dataset_version": bench.dataset_version}


def _freeze(bench: Workbench, query: Query, source: Mapping[str, Any]) -> dg.MaterializeResult:
    asked: Any = {
        "dataset_version": bench.dataset_version,
        "query": query,
        "postgres": bench.postgres,
        "registry": bench.registry,
        "store": bench.store,
    }
    if bench.options.force and (again := refreeze(bench.spec, **asked)):
        bench.recomputed["snapshot"] = again
    frozen, reused = freeze(bench.spec, **asked)
    return materialized(
        bench,
        "snapshot",
        folder=frozen.folder,
        reused=reused,
        metadata={
            "parameters": dg.MetadataValue.json(frozen.parameters),
            "postgres_snapshot": frozen.postgres_snapshot,
            **source,
            "features": table(
                {"feature": feature.name, "kind": feature.kind}
                for feature in bench.features.features
            ),
            "not_features": dg.MetadataValue.json(bench.features.ignored),
        },
    )
