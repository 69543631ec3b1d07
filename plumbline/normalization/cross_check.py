"""The numeric features' statistics a second time, by SQL: other code must find the same."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.extract.snapshot_sql import sql_over
from plumbline.normalization.moments import TINY_REACH, TINY_UNIT
from plumbline.normalization.parameters import Normalization, NumericFeature
from plumbline.normalization.scaled_range import LIMIT, beyond

TOLERANCE = 1e-9
"""Largest difference that counts as agreement, as a share of what `differences` names."""

STATISTICS = ("count", "mean", "std", "min", "max")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One numeric feature among the training rows, as SQL finds it; NaN where it finds none."""

    count: int
    mean: float
    std: float
    min: float
    max: float
    beyond: int
    """Values that come out beyond `scaled_range.LIMIT` in size (count)."""


@dataclass(frozen=True, kw_only=True)
class CrossCheck:
    """Whether stored and measured statistics agree."""

    passed: bool
    features: int
    """Numeric features compared (count)."""
    largest: tuple[dict[str, Any], ...]
    """Largest difference by statistic, with the feature and both values."""

    @property
    def told(self) -> str:
        """The outcome in a sentence."""
        if not self.largest:
            return "no numeric feature to compare"
        if not self.passed:
            told = ", ".join(
                f"{one['statistic']} of {one['feature']} is {one['stored']!r}, by SQL "
                f"{one['by SQL']!r}"
                for one in self.largest
                if one["difference"] > _allowed(one["statistic"])
            )
            return f"differences beyond {TOLERANCE:.0e}: {told}"
        worst = max(self.largest, key=lambda one: one["difference"])
        return (
            f"{self.features:,} features; the largest difference is {worst['difference']:.1e}, in "
            f"{worst['statistic']} of {worst['feature']}; allowed is {TOLERANCE:.0e}"
        )


def measure(
    snapshot: Snapshot, assignment: Path, normalization: Normalization
) -> dict[str, Measured]:
    """The training rows' statistics by feature, by DuckDB and from the files alone.

    `assignment` is the split's file; rows are paired with it by their key. NULL and NaN count
    as missing. Distances are taken from the stored mean, so that a small spread about 1e9
    loses nothing; it is their origin only, and a wrong one is a distance that shows.
    """
    if not normalization.numeric:
        return {}
    far = {one.feature for one in beyond(normalization)}
    terms = [term for one in normalization.numeric for term in _terms(one, one.name in far)]
    key = ", ".join(map(_quoted, snapshot.key))
    with sql_over(snapshot=snapshot.folder / DATA, assignment=assignment) as connection:
        found = connection.execute(
            f"SELECT {', '.join(terms)} FROM snapshot "
            f"SEMI JOIN (FROM assignment WHERE split = 'train') USING ({key})"
        ).fetchone()
    values = map(_or_nan, found or ())
    return {
        one.name: Measured(**{name: next(values) for name in (*STATISTICS, "beyond")})
        for one in normalization.numeric
    }


def compare(normalization: Normalization, measured: Mapping[str, Measured]) -> CrossCheck:
    """Stored against measured statistics: counts are equal, the others within `TOLERANCE`."""
    largest: dict[str, dict[str, Any]] = {}
    for feature in normalization.numeric:
        for name, difference in differences(feature, measured[feature.name]).items():
            if name not in largest or difference > largest[name]["difference"]:
                largest[name] = {
                    "statistic": name,
                    "difference": difference,
                    "feature": feature.name,
                    "stored": getattr(feature, name),
                    "by SQL": getattr(measured[feature.name], name),
                }
    return CrossCheck(
        passed=all(one["difference"] <= _allowed(name) for name, one in largest.items()),
        features=len(normalization.numeric),
        largest=tuple(largest.values()),
    )


def differences(feature: NumericFeature, measured: Measured) -> dict[str, float]:
    """Difference by statistic, as a share of its size.

    The size of a deviation is its own, that of a range's ends the larger of them, and that of
    a mean its own or the deviation, whichever is larger: a mean near 0 is judged by how far
    the values spread. Infinite where nothing was measured.
    """
    ends = max(abs(feature.min), abs(feature.max))
    mean = max(abs(feature.mean), feature.std)
    sizes = (feature.count, mean, feature.std, ends, ends)
    return {
        name: _share(getattr(feature, name), getattr(measured, name), size)
        for name, size in zip(STATISTICS, sizes, strict=True)
    }


def _share(stored: float, measured: float, size: float) -> float:
    if stored == measured:
        return 0.0
    share = abs(stored - measured) / size if size else math.inf
    return share if math.isfinite(share) else math.inf


def _allowed(statistic: str) -> float:
    return 0.0 if statistic == "count" else TOLERANCE


def _terms(feature: NumericFeature, far: bool) -> Iterable[str]:
    """The aggregates of one feature: `STATISTICS`, and how many values lie far out."""
    x, mean = _number(feature.name), _literal(feature.mean)
    unit = TINY_UNIT if 0 < feature.max - feature.min < TINY_REACH else 1.0
    distance = f"((({x}) - {mean}) * {_literal(1 / unit)})"
    variance = f"avg({distance} * {distance}) - avg({distance}) ** 2"
    reach = LIMIT * feature.scale
    low, high = _literal(feature.center - reach), _literal(feature.center + reach)
    return (
        f"count({x})",
        f"{mean} + avg({distance}) * {_literal(unit)}",
        f"sqrt(greatest({variance}, 0)) * {_literal(unit)}",
        f"min({x})",
        f"max({x})",
        f"count_if({x} NOT BETWEEN {low} AND {high})" if far else "0",
    )


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value


def _number(name: str) -> str:
    """The column as double; NaN as NULL. Booleans become 0 and 1, text is parsed.

    Not nullif(x, 'nan'): DuckDB takes a Parquet file's ranges, which leave NaN out, as proof
    that nothing equals it.
    """
    x = f"CAST({_quoted(name)} AS DOUBLE)"
    return f"CASE WHEN isnan({x}) THEN NULL ELSE {x} END"


def _literal(value: float) -> str:
    return f"'{value!r}'::DOUBLE"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
