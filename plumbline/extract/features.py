"""Which columns of a snapshot are features, and how each is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from plumbline.errors import SpecError
from plumbline.extract.images import ImageColumn
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.spec import ColumnSplit, PipelineSpec

_NUMBERS = frozenset({"bool", "int16", "int32", "int64", "float", "double"})


@dataclass(frozen=True, kw_only=True)
class Feature:
    name: str
    kind: Literal["numeric", "category"]


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """The columns a model reads, in snapshot order, and why the others are left out."""

    features: tuple[Feature, ...]
    ignored: dict[str, str]
    """Reason by column name."""
    images: tuple[ImageColumn, ...] = ()
    """Columns that only networks read; their names are among the ignored, too."""


def feature_table(snapshot: Snapshot, spec: PipelineSpec) -> FeatureTable:
    """Roles first, then declared kinds, then the column's type.

    Numbers and booleans are numeric; text, enums and UUIDs are categories; dates and
    timestamps are left out, because their values never come again.

    Raises:
        SpecError: a declared column is not in the query, or a kind does not fit its type.
    """
    return classify(snapshot.columns, spec)


def classify(columns: Sequence[Column], spec: PipelineSpec) -> FeatureTable:
    """The feature table of a query that returns `columns`; raises as `feature_table` does."""
    _require_columns(columns, spec)
    roles = _roles(spec)
    features, ignored, images = [], {}, []
    for column in columns:
        if role := roles.get(column.name) or roles.get(column.array):
            ignored[column.name] = role
            continue
        kind = spec.source.kinds.get(column.name) or _inferred(column)
        if column.name in spec.source.images:
            images.append(_image(column, spec))
        if kind in ("ignore", "image"):
            ignored[column.name] = _why_ignored(column, spec)
        else:
            _require_fit(column, kind, spec)
            features.append(Feature(name=column.name, kind=kind))
    if not features:
        raise SpecError(
            f"no column of {spec.source.sql} is left as a feature",
            expected="at least one column beside key, label and split",
            remedy="select more columns, or remove some from source.drop",
        )
    return FeatureTable(features=tuple(features), ignored=ignored, images=tuple(images))


def _roles(spec: PipelineSpec) -> dict[str, str]:
    source = spec.source
    roles = dict.fromkeys(source.drop, "dropped by source.drop")
    if isinstance(spec.split, ColumnSplit):
        roles[spec.split.column] = "says the split"
    if source.group:
        roles[source.group] = "groups rows"
    if source.timestamp:
        roles[source.timestamp] = "says when the row happened"
    if source.weight:
        roles[source.weight] = "weighs rows"
    roles |= {name: "part of the key" for name in source.key if name not in source.kinds}
    roles |= dict.fromkeys(source.label_columns, "is the label")
    return roles


def _inferred(column: Column) -> Literal["numeric", "category", "ignore"]:
    if _is_number(column):
        return "numeric"
    if column.arrow_type in ("string", "large_string"):
        return "category"
    return "ignore"


def _is_number(column: Column) -> bool:
    if column.postgres_type == "numeric":
        return True
    return column.arrow_type in _NUMBERS


def _image(column: Column, spec: PipelineSpec) -> ImageColumn:
    if column.arrow_type != "binary":
        raise SpecError(
            f"source.images declares {column.name!r}, but its type is {column.postgres_type}",
            expected="a bytea column",
            remedy=f"select the bytes of the image in {spec.source.sql}",
            column=column.name,
        )
    return ImageColumn.declared(column.name, spec.source.images[column.name])


def _why_ignored(column: Column, spec: PipelineSpec) -> str:
    if column.name in spec.source.images:
        return "an image: networks read it, trees do not"
    if column.name in spec.source.kinds:
        return f"declared as {spec.source.kinds[column.name]}"
    return f"type {column.postgres_type} is not a feature; derive numbers from it in the SQL"


def _require_fit(column: Column, kind: str, spec: PipelineSpec) -> None:
    if kind == "numeric" and not _is_number(column):
        raise SpecError(
            f"source.kinds declares {column.name!r} numeric, but its type is "
            f"{column.postgres_type}",
            expected="a number or boolean column",
            remedy=f"cast it in {spec.source.sql}, or declare it as category or ignore",
            column=column.name,
        )


def _require_columns(columns: Sequence[Column], spec: PipelineSpec) -> None:
    present = {column.name for column in columns}
    arrays = {column.array for column in columns} & set(spec.source.drop)
    declared = {*_roles(spec), *spec.source.kinds, *spec.verdict.slices}
    missing = sorted(declared - present - arrays)
    if missing:
        raise SpecError(
            f"{', '.join(missing)} declared in the pipeline, but not selected by {spec.source.sql}",
            expected=f"columns among {', '.join(sorted(present))}",
            remedy="select the column in the SQL or correct its name in defs.yaml",
            missing=missing,
        )
