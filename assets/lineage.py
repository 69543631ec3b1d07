"""Rows, columns and column lineage of a stage, as Dagster shows them."""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.shapes import SHAPES, Shape
from assets.workbench import Workbench

SHOWN = 5
"""Columns that a column comes from, as told in its description (count)."""


def shown(bench: Workbench, stage: str, folder: Path) -> dict[str, Any]:
    """Metadata under the names by which Dagster knows rows, columns and column lineage."""
    shape = SHAPES[stage](bench, folder)
    metadata: dict[str, Any] = {"dagster/row_count": shape.rows}
    if shape.columns:
        columns = [_with_origin(column, shape) for column in shape.columns]
        metadata["dagster/column_schema"] = dg.TableSchema(columns)
    if origins := {column: deps for column, deps in shape.origins.items() if deps}:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(origins)
    if shape.unresolved:
        metadata["columns_without_lineage"] = dg.MetadataValue.json(dict(shape.unresolved))
    return metadata


def _with_origin(column: dg.TableColumn, shape: Shape) -> dg.TableColumn:
    """The column with its origin in words: Dagster's open-source UI draws no column lineage."""
    deps = [
        f"{dep.asset_key.to_user_string()}.{dep.column_name}"
        for dep in shape.origins.get(column.name, ())
    ]
    more = [f"{len(deps) - SHOWN} more"] if len(deps) > SHOWN else []
    told = f"from {', '.join([*deps[:SHOWN], *more])}" if deps else None
    said = (column.description, told, shape.unresolved.get(column.name))
    return dg.TableColumn(
        column.name,
        column.type,
        description="; ".join(filter(None, said)) or None,
        constraints=column.constraints,
    )
