"""Rows that a model could not tell apart: what they are compared by, and who repeats whom."""

from dataclasses import dataclass

import numpy as np

from plumbline.extract.features import Feature, feature_table
from plumbline.extract.snapshot import Snapshot
from plumbline.extract.snapshot_sql import row_hashes
from plumbline.spec import PipelineSpec
from plumbline.split.straddling import straddlers

_TEXT = ("string", "large_string")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The columns in which rows are compared."""

    columns: tuple[str, ...]
    """All features, and images."""
    near: frozenset[str]
    """Those of them in which nearly equal values count as equal."""


def compared(snapshot: Snapshot, spec: PipelineSpec) -> Compared:
    """What `split.duplicates` compares; without the label, which may well differ."""
    features = feature_table(snapshot, spec).features
    images = (name for name, kind in spec.source.kinds.items() if kind == "image")
    near = spec.split.duplicates == "near"
    return Compared(
        columns=(*(feature.name for feature in features), *images),
        near=frozenset(one.name for one in features if near and _has_neighbours(snapshot, one)),
    )


def repeats(snapshot: Snapshot, spec: PipelineSpec, sides: np.ndarray) -> np.ndarray:
    """Positions of the rows with the features of a row on an earlier side: int64, ascending."""
    by = compared(snapshot, spec)
    return straddlers(row_hashes(snapshot, by.columns, by.near), sides)


def _has_neighbours(snapshot: Snapshot, feature: Feature) -> bool:
    """Whether nearly equal values of a feature mean nearly the same; codes do not."""
    column = snapshot.column(feature.name)
    text = column.arrow_type in _TEXT and column.postgres_type != "numeric"
    return feature.kind == "numeric" or text
