"""The normalization as a graph: `plumbline.normalization.apply.transform`, from raw rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plumbline.exports.ops import Ops, Value
from plumbline.exports.raw_rows import NULL
from plumbline.normalization.matrix import FIRST_VALUE, MISSING, UNKNOWN
from plumbline.normalization.normal import CENTRE, FLANK, TAIL
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.quantiles import TAIL as END


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """What a model reads, in a graph."""

    numeric: tuple[Value, ...]
    """Columns of `Matrix.numeric`, each float32 of shape (n,)."""
    codes: tuple[Value, ...]
    """Columns of `Matrix.codes`, each int64 of shape (n,)."""
    images: Mapping[str, Value]
    refused: Value | None
    """Which rows a bundle would refuse: bool, shape (n,). None where no row can be."""


def transformed(ops: Ops, normalization: Normalization, given: Mapping[str, Value]) -> Transformed:
    """given: the inputs by their columns; see `plumbline.exports.raw_rows`."""
    raw = {name: given[name] for name in normalization.number_columns}
    scaled = {
        feature.name: _scaled(ops, normalization, place, raw[feature.name])
        for place, feature in enumerate(normalization.numeric)
    }
    indicators = [ops.cast(ops.is_nan(raw[name]), "float32") for name in normalization.indicators]
    codes = [
        ops.codes(given[one.name], {NULL: MISSING} | _codes(one.values), UNKNOWN)
        for one in normalization.categories
    ]
    return Transformed(
        numeric=(*(ops.cast(one, "float32") for one in scaled.values()), *indicators),
        codes=tuple(codes),
        images={one.name: given[one.name] for one in normalization.images},
        refused=_refused(ops, normalization, raw, scaled),
    )


def interpolated(
    ops: Ops, values: Value, at: np.ndarray, heights: np.ndarray, *, from_left: bool = False
) -> Value:
    """`np.interp(values, at, heights)`; of equal entries of `at` the last one counts, or the
    first with `from_left`.
    """
    distance = np.diff(at)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(distance > 0, np.diff(heights) / distance, 0.0)
    slope = np.concatenate([[0.0], slopes, [0.0]])
    near = (at[1:], heights[1:]) if from_left else (at[:-1], heights[:-1])
    start = np.concatenate([[0.0], near[0], [0.0]])
    base = np.concatenate([heights[:1], near[1], heights[-1:]])
    place = ops.places(values, at, counting_equal=not from_left)
    return ops.take(slope, place) * (values - ops.take(start, place)) + ops.take(base, place)


def normal_scores(ops: Ops, values: Value, table: np.ndarray) -> Value:
    """As `plumbline.normalization.quantiles.normal_scores`."""
    heights = np.linspace(0.0, 1.0, len(table))
    up = interpolated(ops, values, table, heights)
    down = interpolated(ops, values, table, heights, from_left=True)
    zero, one = ops.constant(np.array(END)), ops.constant(np.array(1 - END))
    place = (up + down) * 0.5
    place = ops.where(values <= float(table[0]), zero, place)
    place = ops.where(values >= float(table[-1]), one, place)
    place = ops.where(place < float(END), zero, place)
    return _normal_quantile(ops, ops.where(place >= float(1 - END), one, place))


def _scaled(ops: Ops, normalization: Normalization, place: int, raw: Value) -> Value:
    """float64, shape (n,)."""
    feature = normalization.numeric[place]
    values = ops.where(ops.is_nan(raw), ops.constant(np.array(feature.fill)), raw)
    if normalization.method == "quantile":
        return normal_scores(ops, values, normalization.tables[place])
    return (values - feature.center) / feature.scale


def _refused(
    ops: Ops,
    normalization: Normalization,
    raw: Mapping[str, Value],
    scaled: Mapping[str, Value],
) -> Value | None:
    most = float(np.finfo(np.float32).max)
    found = [ops.is_infinite(one) for one in raw.values()]
    if normalization.method != "quantile":
        found += [ops.size(one) >= float(np.nextafter(most, np.inf)) for one in scaled.values()]
    together = None
    for one in found:
        together = one if together is None else ops.either(together, one)
    return together


def _codes(values: tuple[str, ...]) -> dict[str, int]:
    return {value: code for code, value in enumerate(values, FIRST_VALUE)}


def _normal_quantile(ops: Ops, probability: Value) -> Value:
    """As `plumbline.normalization.normal.normal_quantile`."""
    off = probability - 0.5
    near = off * _ratio(CENTRE, 0.180625 - off * off)
    smaller = ops.where(off < 0.0, probability, 1.0 - probability)
    depth = ops.root(ops.log(smaller) * -1.0)
    size = ops.where(depth <= 5.0, _ratio(FLANK, depth - 1.6), _ratio(TAIL, depth - 5.0))
    outer = ops.where(off < 0.0, size * -1.0, size)
    return ops.where(ops.size(off) <= 0.425, near, outer)


def _ratio(coefficients: tuple[tuple[float, ...], ...], r: Value) -> Value:
    numerator, denominator = (_polynomial(one, r) for one in coefficients)
    return numerator / denominator


def _polynomial(coefficients: tuple[float, ...], r: Value) -> Value:
    value = r * coefficients[0] + coefficients[1]
    for one in coefficients[2:]:
        value = value * r + one
    return value
