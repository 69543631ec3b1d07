"""A fitted normalization, and its two lossless forms: JSON, and a row of the registry."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.extract.images import ImageColumn
from plumbline.versions import DatasetVersion, NormalizationVersion, SplitVersion


@dataclass(frozen=True, kw_only=True)
class NumericFeature:
    """Statistics of one numeric feature's present values among the training rows."""

    name: str
    count: int
    """Rows with a value (count)."""
    mean: float
    std: float
    """Population standard deviation."""
    min: float
    max: float
    center: float
    """What is subtracted."""
    scale: float
    """What is divided by; never 0."""
    fill: float
    """Stands for a missing value: the mean, or the median for robust and quantile."""
    quantiles: tuple[float, ...]
    """At equal steps of probability from 0 to 1; empty unless the method is quantile."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Values of one category feature that have a code of their own."""

    name: str
    arrow_type: str
    """Values are the text of this type."""
    values: tuple[str, ...]
    """Commonest first; the first has the code `FIRST_VALUE`."""
    distinct: int
    """Distinct values among the training rows, those cut off included (count)."""
    nulls: int
    """Training rows without a value (count)."""


@dataclass(frozen=True, kw_only=True)
class QuantileSample:
    """The rows that medians and quantiles were taken from."""

    rows: int
    of: int
    """Training rows (count)."""
    exact: bool
    """Whether it is all of them; else those with the lowest splitmix64 of their position."""


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """How raw columns become a `Matrix`, by statistics of the training rows only."""

    version: NormalizationVersion
    method: str
    row_count: int
    """Training rows (count)."""
    numeric: tuple[NumericFeature, ...]
    categories: tuple[Vocabulary, ...]
    indicators: tuple[str, ...]
    """Numeric columns that had missing values in training: each adds a 0/1 column."""
    dropped: dict[str, str]
    """Reason by feature, for those that say nothing in training."""
    sample: QuantileSample | None
    """None where the method needs no quantiles."""
    images: tuple[ImageColumn, ...] = ()
    """Columns whose files are decoded for networks. Nothing is fitted on them."""

    @cached_property
    def numeric_names(self) -> tuple[str, ...]:
        """Columns of `Matrix.numeric`."""
        scaled = (feature.name for feature in self.numeric)
        return (*scaled, *(f"{name} is null" for name in self.indicators))

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """Columns of `Matrix.codes`."""
        return tuple(vocabulary.name for vocabulary in self.categories)

    @cached_property
    def number_columns(self) -> tuple[str, ...]:
        """Raw columns read as numbers: the scaled ones, then those kept as indicator only."""
        scaled = tuple(feature.name for feature in self.numeric)
        return (*scaled, *(name for name in self.indicators if name not in scaled))

    @property
    def columns(self) -> tuple[str, ...]:
        """Raw columns that a transform reads."""
        images = (one.name for one in self.images)
        return (*self.number_columns, *self.category_names, *images)

    @property
    def tabular(self) -> "Normalization":
        """The same of numbers and categories, without images: what trees read."""
        return replace(self, images=()) if self.images else self

    def numbers(self, field: str) -> np.ndarray:
        """One statistic of all numeric features: float64, shape (len(numeric),)."""
        return np.array([getattr(feature, field) for feature in self.numeric], dtype=np.float64)

    @cached_property
    def tables(self) -> tuple[np.ndarray, ...]:
        """Quantile tables of the numeric features."""
        return tuple(np.array(feature.quantiles) for feature in self.numeric)

    @cached_property
    def value_sets(self) -> tuple[pa.Array, ...]:
        """Vocabularies as Arrow arrays."""
        return tuple(pa.array(one.values, pa.string()) for one in self.categories)

    def to_json(self) -> dict[str, Any]:
        """As JSON types. Python writes the shortest decimals that read back to the same bits."""
        record = _as_json(asdict(self))
        if not self.images:  # as it was before there were any
            del record["images"]
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Normalization":
        """What `to_json` gave, to the last bit."""
        sample = record["sample"]
        return cls(
            version=NormalizationVersion(record["version"]),
            method=record["method"],
            row_count=record["row_count"],
            numeric=tuple(_numeric(feature) for feature in record["numeric"]),
            categories=tuple(
                Vocabulary(**{**one, "values": tuple(one["values"])})
                for one in record["categories"]
            ),
            indicators=tuple(record["indicators"]),
            dropped=dict(record["dropped"]),
            sample=QuantileSample(**sample) if sample else None,
            images=tuple(ImageColumn(**one) for one in record.get("images", ())),
        )


def row(
    normalization: Normalization,
    pipeline: str,
    dataset_version: DatasetVersion,
    split_version: SplitVersion,
) -> dict[str, Any]:
    """The normalization's row of `normalization_params`; alone it rebuilds the transform."""
    record = normalization.to_json()
    numeric = record.pop("numeric")
    columns = {column: [one.pop(field) for one in numeric] for column, field in _ARRAYS.items()}
    return {
        "normalization_version": record.pop("version"),
        "pipeline": pipeline,
        "dataset_version": dataset_version,
        "split_version": split_version,
        "method": record.pop("method"),
        "row_count": record.pop("row_count"),
        **columns,
        "parameters": _as_jsonb({**record, "numeric": numeric}),
    }


def from_row(row: Mapping[str, Any]) -> Normalization:
    """The normalization that `row` described, to the last bit."""
    arrays = zip(*(row[column] for column in _ARRAYS), strict=True)
    numeric = [
        {**dict(zip(_ARRAYS.values(), values, strict=True)), **rest}
        for values, rest in zip(arrays, row["parameters"]["numeric"], strict=True)
    ]
    return Normalization.from_json(
        {
            **row["parameters"],
            "version": row["normalization_version"],
            "method": row["method"],
            "row_count": row["row_count"],
            "numeric": numeric,
        }
    )


_ARRAYS = {
    "feature_names": "name",
    "means": "mean",
    "stds": "std",
    "mins": "min",
    "maxes": "max",
}
"""Array columns of the registry, and the field of a numeric feature that each holds."""

_FLOATS = ("mean", "std", "min", "max", "center", "scale", "fill")


def _numeric(record: Mapping[str, Any]) -> NumericFeature:
    floats = {field: float(record[field]) for field in _FLOATS}
    quantiles = tuple(map(float, record["quantiles"]))
    return NumericFeature(**{**record, **floats, "quantiles": quantiles})


def _as_jsonb(value: Any) -> Any:
    """JSON types as PostgreSQL's jsonb returns them: 1e16 comes back without a point.

    The integer reads back as the same float; a row compares equal to the one recorded.
    """
    if isinstance(value, dict):
        return {key: _as_jsonb(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_jsonb(item) for item in value]
    large = isinstance(value, float) and abs(value) >= 1e16
    return int(Decimal(repr(value))) if large else value


def _as_json(value: Any) -> Any:
    """Tuples as lists, as they come back from JSON."""
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value
