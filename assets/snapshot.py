"""The snapshot: the extract frozen under its dataset version, and the audit's checks."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.recording import materialized, table
from assets.resources import PlumblineResource
from assets.stage import asset_of, key, readable_failures
from assets.workbench import Workbench
from plumbline.extract import audit
from plumbline.extract.freeze import freeze
from plumbline.extract.query import Query, read_query, source_tables
from plumbline.spec import PipelineSpec
from plumbline.versions import code_version

CHECKS = {
    "schema": "No column vanished or changed its type since the previous dataset version.",
    "finite": "No feature holds an infinity.",
    "informative": "No feature is constant, empty or an identifier.",
    "types": "No text column is mostly numbers.",
}


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
            return _freeze(bench, read_query(spec, root, config.parameters))

    return asset_of(
        spec,
        "snapshot",
        deps=[dg.AssetKey(name.split(".")) for name in tables],
        code_version=code_version("plumbline.extract"),
        kinds={"postgres", "parquet"},
        description=f"Rows of {spec.source.sql}, frozen, hashed and ordered by "
        f"{', '.join(spec.source.key)}.",
        checks=CHECKS,
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
    findings = audit.audit(frozen, bench.spec, _previous_columns(bench))
    return materialized(
        bench,
        "snapshot",
        folder=frozen.folder,
        reused=reused,
        checks=[_check(bench.spec, name, findings) for name in CHECKS],
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
            "findings": table(
                {"severity": f.severity, "column": f.column or "", "finding": f.message}
                for f in findings
            ),
        },
    )


def _previous_columns(bench: Workbench) -> list[dict] | None:
    """Columns of the dataset version frozen just before this one, if any."""
    previous = None
    for row in bench.registry.rows("dataset_versions", pipeline=bench.spec.name):
        if row["dataset_version"] == bench.dataset_version:
            break
        previous = row["columns"]
    return previous


def _check(
    spec: PipelineSpec, name: str, findings: tuple[audit.Finding, ...]
) -> dg.AssetCheckResult:
    """Failed where there is an ERROR or a WARN; only an ERROR blocks what comes after."""
    mine = [finding for finding in findings if finding.check == name]
    blocking = any(finding.severity == "ERROR" for finding in mine)
    told = "; ".join(f"{f.message}. To fix: {f.remedy}" for f in mine if f.severity != "INFO")
    return dg.AssetCheckResult(
        asset_key=key(spec, "snapshot"),
        check_name=name,
        passed=all(finding.severity == "INFO" for finding in mine),
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        description=told or CHECKS[name],
        metadata={"findings": len(mine)},
    )
