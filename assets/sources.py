"""The tables that extracts read: external assets, observed by their watermarks."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.recording import table
from assets.stage import readable_failures
from plumbline.automation.watermark import Watermark, digest, read_watermarks
from plumbline.errors import ExtractError, SpecError
from plumbline.extract.query import source_tables
from plumbline.postgres import Postgres, postgres
from plumbline.spec import PipelineSpec

WATERMARK = "source_watermark"
"""Metadata of a snapshot that was read from its source: how far all of its tables were."""


def table_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("."))


def source_assets(pipelines: Sequence[PipelineSpec], root: Path) -> list[dg.AssetsDefinition]:
    """Every table that is read, once: pipelines may share them. To observe one costs no scan.

    Raises:
        SpecError: a watermark is declared for a table that is not read, or two differ.
    """
    declared = _declared(pipelines, root)
    if not declared:
        return []
    named = {table_key(name): name for name in declared}

    def sources(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        wanted = [named[key] for key in context.selected_asset_keys]
        given = {name: column for name, column in declared.items() if column}
        with readable_failures(context):
            found = read_watermarks(wanted, given, root, postgres())
        for one in found:
            yield dg.ObserveResult(
                asset_key=table_key(one.table),
                data_version=dg.DataVersion(one.version),
                metadata=_metadata(one),
            )

    with warnings.catch_warnings():
        # Dagster 1.13 has no other way to observe a table of somebody else's.
        warnings.simplefilter("ignore", dg.BetaWarning)
        observed = dg.multi_observable_source_asset(
            name="sources", specs=[_spec(name) for name in declared], can_subset=True
        )
    return [observed(sources)]


def observations(watermarks: Iterable[Watermark]) -> Iterator[dg.AssetObservation]:
    """The same as `sources` records, for those who looked at the tables by themselves."""
    for one in watermarks:
        yield dg.AssetObservation(
            asset_key=table_key(one.table),
            metadata=_metadata(one),
            tags={"dagster/data_version": one.version},
        )


def watermarks(spec: PipelineSpec, root: Path, server: Postgres) -> list[Watermark]:
    """How far the tables of a pipeline are.

    Raises:
        ExtractError, DatabaseUnreachable: as `read_watermarks`.
    """
    return read_watermarks(source_tables(spec, root), spec.source.watermarks, root, server)


def observe_source(
    context: dg.AssetExecutionContext, spec: PipelineSpec, root: Path, server: Postgres
) -> dict[str, Any]:
    """Record how far the tables are, before rows are read: what comes meanwhile counts as new.

    Rows can be frozen although nothing says how far their table is; that is told instead.
    """
    try:
        found = watermarks(spec, root, server)
    except ExtractError as error:
        context.log.warning(str(error))
        return {"source_watermark_unknown": str(error)}
    step = context.get_step_execution_context()
    for one in observations(found):
        context.log_event(one)
        # Dagster looked the inputs up before the step; these are the ones that are read.
        step.wipe_input_asset_version_info(one.asset_key)
    rows = ({"table": one.table, "watermark": one.version} for one in found)
    return {WATERMARK: digest(found), "source_watermarks": table(rows)}


def last_frozen(instance: dg.DagsterInstance, spec: PipelineSpec) -> tuple[str, str] | None:
    """The dataset version that was read last, and how far its source was then."""
    key, cursor = dg.AssetKey([spec.name, "snapshot"]), None
    while True:
        page = instance.fetch_materializations(key, limit=25, cursor=cursor)
        for record in page.records:
            made = record.asset_materialization
            known = made.metadata.get(WATERMARK) if made else None
            if made and known:
                return str(made.partition), str(known.value)
        if not page.has_more:
            return None
        cursor = page.cursor


def _declared(pipelines: Sequence[PipelineSpec], root: Path) -> Mapping[str, str | None]:
    """Every table, with its declared watermark."""
    found: dict[str, str | None] = {}
    for spec in pipelines:
        tables, given = source_tables(spec, root), spec.source.watermarks
        _require_read(spec, given, tables)
        for name in tables:
            stated = {found.get(name), given.get(name)} - {None}
            if len(stated) > 1:
                both = " and ".join(sorted(map(str, stated)))
                raise SpecError(
                    f"two watermarks are declared for {name}: {both}",
                    expected="one, for pipelines share the table's asset",
                    remedy=f"agree on one under source.watermarks, also in {spec.name}",
                )
            found[name] = next(iter(stated), None)
    return dict(sorted(found.items()))


def _require_read(spec: PipelineSpec, given: Mapping[str, str], tables: Sequence[str]) -> None:
    unknown = sorted(given.keys() - set(tables))
    if unknown:
        raise SpecError(
            f"source.watermarks of {spec.name} names {', '.join(unknown)}, which "
            f"{spec.source.sql} does not read",
            expected=f"one of {', '.join(tables) or '(it reads no table)'}",
            remedy="write the table as in the SQL",
        )


def _spec(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=table_key(name),
        group_name="sources",
        kinds={"postgres", "table"},
        description=f"Table {name}, read by an extract and never written by Plumbline.",
    )


def _metadata(one: Watermark) -> dict[str, Any]:
    return {
        "watermark": one.value,
        "watermark_from": one.declared or "PostgreSQL's counters of changed rows",
        "row_estimate": one.rows,
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(column, kind) for column, kind in one.columns]
        ),
        "read_at": dg.MetadataValue.timestamp(one.read_at),
    }
