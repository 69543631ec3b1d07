"""The snapshot: the extract frozen under its dataset version."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.recording import materialized, table
from assets.resources import PlumblineResource
from assets.stage import asset_of, readable_failures
from assets.workbench import Workbench
from plumbline.extract.freeze import freeze
from plumbline.extract.query import Query, read_query, source_tables
from plumbline.spec import PipelineSpec
from plumbline.versions import code_version


class SnapshotConfig(dg.Config):
    """How this dataset version is drawn. Only its first run asks the source."""

    parameters: dict[str, str] = Field(
        default={}, description="Values of the SQL's :name parameters for this dataset version."
    )


def snapshot_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    tables = source_tables(spec, root)

    def snapshot(
        context: dg.AssetExecutionContext, config: SnapshotConfig, plumbline: PlumblineResource
    ) -> dg.MaterializeResult:
        with readable_failures():
            bench = plumbline.open(spec, root, context.partition_key)
            return _freeze(bench, read_query(spec, root, config.parameters, bench.dataset_version))

    return asset_of(
        spec,
        "snapshot",
        deps=[dg.AssetKey(name.split(".")) for name in tables],
        code_version=code_version("plumbline.extract"),
        kinds={"postgres", "parquet"},
        description=f"Rows of {spec.source.sql}, frozen, hashed and ordered by "
        f"{', '.join(spec.source.key)}.",
        checks={},
    )(snapshot)


def _freeze(bench: Workbench, query: Query) -> dg.MaterializeResult:
    frozen, reused = freeze(
        bench.spec,
        dataset_version=bench.dataset_version,
        query=query,
        postgres=bench.postgres,
        registry=bench.registry,
        store=bench.store,
    )
    return materialized(
        bench,
        "snapshot",
        folder=frozen.folder,
        reused=reused,
        metadata={
            "dagster/row_count": frozen.rows,
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(c.name, c.postgres_type) for c in frozen.columns]
            ),
            "parameters": dg.MetadataValue.json(frozen.parameters),
            "postgres_snapshot": frozen.postgres_snapshot,
            "features": table(
                {"feature": feature.name, "kind": feature.kind}
                for feature in bench.features.features
            ),
            "not_features": dg.MetadataValue.json(bench.features.ignored),
        },
    )
