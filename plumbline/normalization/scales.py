"""From statistics to a centre, a scale and a stand-in for missing values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plumbline.errors import NormalizationError
from plumbline.normalization.moments import Moments
from plumbline.normalization.parameters import NumericFeature
from plumbline.normalization.quantiles import quantiles, table_size

_QUARTILES = np.array([0.25, 0.5, 0.75])
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of one numeric column among the training rows."""

    name: str
    rows: int
    """Training rows (count)."""
    count: int
    """Those with a value (count)."""
    mean: float
    std: float
    min: float
    max: float
    sampled: np.ndarray | None
    """Values of the sampled rows, NaN where missing; None where no quantiles are needed."""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What one numeric column comes to."""

    name: str
    feature: NumericFeature | None
    """None where its values do not vary."""
    indicator: bool
    """Whether missing values get a 0/1 column."""
    dropped: str
    """Why there is no feature; empty where there is one."""


def statistics(
    names: Sequence[str], rows: int, moments: Moments, sampled: np.ndarray | None
) -> list[Statistics]:
    """The columns' statistics one by one, as Python floats.

    Raises:
        NormalizationError: a column's spread exceeds float64.
    """
    _require_in_range(names, moments)
    return [
        Statistics(
            name=name,
            rows=rows,
            count=int(moments.count[i]),
            mean=float(moments.mean[i]),
            std=float(moments.std[i]),
            min=float(moments.low[i]) + 0.0,  # jsonb has no -0.0
            max=float(moments.high[i]) + 0.0,
            sampled=None if sampled is None else sampled[i],
        )
        for i, name in enumerate(names)
    ]


def scaled(column: Statistics, method: str) -> Scaled:
    """The column on the method's scale, or the reason why it has none."""
    missing = 0 < column.count < column.rows
    if reason := _says_nothing(column):
        return Scaled(name=column.name, feature=None, indicator=missing, dropped=reason)
    center, scale, fill, table = _placed(column, method)
    feature = NumericFeature(
        name=column.name,
        count=column.count,
        mean=column.mean,
        std=column.std,
        min=column.min,
        max=column.max,
        center=center,
        scale=scale,
        fill=fill,
        quantiles=table,
    )
    return Scaled(name=column.name, feature=feature, indicator=missing, dropped="")


def _says_nothing(column: Statistics) -> str:
    if column.count == 0:
        return "NULL in every training row"
    if column.min == column.max:
        reason = f"constant in the training rows ({column.min!r})"
    elif column.std < _TINY:
        reason = "varies in the training rows by less than float64 can divide by"
    else:
        return ""
    return reason if column.count == column.rows else f"{reason} where not NULL; indicator kept"


def _placed(column: Statistics, method: str) -> tuple[float, float, float, tuple[float, ...]]:
    """Center, scale, fill and quantile table."""
    if method == "standard":
        return column.mean, column.std, column.mean, ()
    if method == "none":
        return 0.0, 1.0, column.mean, ()
    if method == "min_max":
        return column.min, column.max - column.min, column.mean, ()
    present = _present(column)
    lower, median, upper = quantiles(present, _QUARTILES).tolist()
    if method == "robust":
        # Where the middle half of the values is equal, the quartiles give no scale.
        spread = upper - lower if upper - lower >= _TINY else column.std
        return median, spread, median, ()
    table = quantiles(present, np.linspace(0.0, 1.0, table_size(column.rows)))
    table[0], table[-1] = column.min, column.max  # of all rows, where the table is of a sample
    return 0.0, 1.0, median, tuple(table.tolist())


def _present(column: Statistics) -> np.ndarray:
    if column.sampled is None:
        raise ValueError("quantiles need sampled rows")
    present = column.sampled[~np.isnan(column.sampled)] + 0.0
    # A value so rare that the sample missed it still has its range and mean.
    return present if present.size else np.array([column.min, column.mean, column.max])


def _require_in_range(names: Sequence[str], moments: Moments) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.where(moments.count > 0, moments.high - moments.low, 0.0)
        sound = np.isfinite(moments.mean) & np.isfinite(moments.squares) & np.isfinite(reach)
    wide = [name for name, fits in zip(names, sound, strict=True) if not fits]
    if wide:
        raise NormalizationError(
            f"the spread of {', '.join(map(repr, wide))} exceeds what float64 can hold",
            expected="values below about 1e150 in size",
            remedy="rescale the column in the SQL, by its logarithm for instance",
            columns=wide,
        )
