"""How far a column's distribution moved between two versions, as one number and a word."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np

from plumbline.history.pair import Pair, Placed, Shared

Size = Literal["none", "small", "medium", "large"]

SIZES: tuple[tuple[float, Size], ...] = ((0.01, "none"), (0.1, "small"), (0.3, "medium"))
"""Words for effects below a bound; from the last bound on they are large."""

SAMPLE = 500_000
"""Rows of each version that a KS distance is computed on (count); all, where there are fewer.
They are chosen by their key's hash, so that the same rows are drawn from both versions."""

THREADS = 2

_HASHES = 2**64


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How one column's distribution moved."""

    measure: Literal["ks", "tv"] | None
    """ks: Kolmogorov-Smirnov distance, for numbers and moments. tv: total variation distance,
    for categories, text and booleans. None: the types do not compare."""
    distance: float | None
    """Between the values that are not NULL, from 0 to 1; None where one version has none."""
    nulls_before: float
    nulls_after: float
    """Share of rows without a value."""

    @property
    def size(self) -> Size:
        """A word for the larger one of the distance and the change of the NULL share."""
        return size(max(self.distance or 0.0, abs(self.nulls_after - self.nulls_before)))


def size(effect: float) -> Size:
    """A plain word for a distance or a difference of shares."""
    for bound, word in SIZES:
        if effect < bound:
            return word
    return "large"


def effects(connection: duckdb.DuckDBPyConnection, pair: Pair) -> Iterator[Effect]:
    """The effect per shared column that is not of the key, over the views `before` and `after`."""

    def effect(column: Shared) -> Effect:
        with connection.cursor() as cursor:
            return _effect(cursor, pair, column)

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(effect, pair.values)


def ks_distance(before: np.ndarray, after: np.ndarray) -> float:
    """The largest difference of two empirical distribution functions; NaN is above infinity.

    Both float64, neither empty. Kolmogorov (1933); Smirnov (1948), Table for estimating the
    goodness of fit of empirical distributions.
    """
    before, after = np.sort(before), np.sort(after)
    # Between its own values the first function stands still and the second one only rises, so
    # they are furthest apart at one of these values, or just below it.
    steps = np.arange(len(before) + 1) / len(before)
    above = steps[1:] - np.searchsorted(after, before, "right") / len(after)
    below = np.searchsorted(after, before, "left") / len(after) - steps[:-1]
    return float(max(above.max(), below.max(), 0.0))


def _effect(connection: duckdb.DuckDBPyConnection, pair: Pair, column: Shared) -> Effect:
    rows = pair.before.rows, pair.after.rows
    nulls = column.before.column.nulls, column.after.column.nulls
    present = rows[0] - nulls[0], rows[1] - nulls[1]
    distance = None
    if column.reading and all(present):
        distance = (
            _tv(connection, column, present)
            if column.reading == "category"
            else _ks(connection, pair, column, present)
        )
    return Effect(
        measure=column.reading and ("tv" if column.reading == "category" else "ks"),
        distance=distance,
        nulls_before=nulls[0] / rows[0],
        nulls_after=nulls[1] / rows[1],
    )


def _ks(
    connection: duckdb.DuckDBPyConnection, pair: Pair, column: Shared, present: tuple[int, int]
) -> float | None:
    share = SAMPLE / max(present)
    before = _numbers(connection, column.before, [key.before for key in pair.key], share)
    after = _numbers(connection, column.after, [key.after for key in pair.key], share)
    return ks_distance(before, after) if len(before) and len(after) else None


def _numbers(
    connection: duckdb.DuckDBPyConnection, column: Placed, key: list[Placed], share: float
) -> np.ndarray:
    """Values that are not NULL, of about `share` of the rows: float64, in no order."""
    query = f"SELECT {column.number} AS v FROM {column.view} WHERE v IS NOT NULL"
    if share < 1:
        hashed = f"hash({', '.join(part.term for part in key)})"
        query += f" AND {hashed} < {int(share * _HASHES)}::UBIGINT"
    return connection.sql(query).fetchnumpy()["v"]


def _tv(connection: duckdb.DuckDBPyConnection, column: Shared, present: tuple[int, int]) -> float:
    """Half the sum of the differences of shares, over all values; exact."""
    # A category may be text in one version and boolean in the other; as text they compare.
    value = "CAST({} AS VARCHAR)" if column.retyped else "{}"
    before, after = (
        f"(SELECT {value.format(one.term)} AS v, count(*) AS n FROM {one.view} "
        f"WHERE v IS NOT NULL GROUP BY v)"
        for one in (column.before, column.after)
    )
    ((total,),) = connection.sql(
        f"SELECT sum(abs(coalesce(b.n, 0)::HUGEINT * {present[1]} "
        f"- coalesce(a.n, 0)::HUGEINT * {present[0]})) "
        f"FROM {before} AS b FULL JOIN {after} AS a ON b.v = a.v"
    ).fetchall()
    return int(total) / (2 * present[0] * present[1])
