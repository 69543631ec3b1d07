"""What is counted of a column over all its rows, block by block, in bounded memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.extract.precision import precision_lost

DISTINCT = 20_000
"""Distinct values per column that are counted (count); beyond, the rows so far decide."""

ABSENT = ("?", "", "na", "n/a", "null", "none", "nan", "-", "missing")
"""Words, in lower case and without outer spaces, that usually stand for a missing value."""

UNSURE = ("unknown",)
"""Words that may, and may as well be an answer."""

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A numeric column; infinities and NaN are in none of its statistics."""

    nan: int
    infinite: int
    zeros: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    """Of the population; None where it is beyond float64."""
    imprecise: int = 0
    """Rows of a `numeric` column whose digits float64 does not give back."""
    digits: int = 0
    """Significant digits of the longest value of a `numeric` column."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A text column."""

    numbers: int
    """Rows with text that is a number."""
    others: tuple[str, ...]
    """The commonest values that are none."""
    absent: dict[str, int]
    """Rows by word, as it is written, that usually stands for a missing value."""
    unsure: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Distinct:
    """Different values of a column, NULL and NaN not among them."""

    count: int
    """Different values among `rows`."""
    rows: int
    """Rows with a value that were looked at."""
    complete: bool
    """Whether these are all rows with a value."""
    commonest: str
    commonest_rows: int


class DistinctTally:
    """Rows by value, until there are more values than `DISTINCT`."""

    def __init__(self) -> None:
        self._values: Any = None
        self._counts = np.empty(0, dtype=np.int64)
        self._count = self._rows = 0
        self._open = True

    def see(self, values: pa.Array) -> None:
        """Values without NULL and NaN."""
        if not self._open or not len(values):
            return
        # A first look that is just long enough spares columns without repeats the long one.
        first = values.slice(0, DISTINCT + 1) if self._values is None else values
        counted: Any = pc.value_counts(first)
        if first is not values and len(values) > len(first) and len(counted) <= DISTINCT:
            counted = pc.value_counts(values)
        self.add(counted.field("values"), counted.field("counts").to_numpy())

    def add(self, found: pa.Array, counts: np.ndarray) -> None:
        """Different values of one block, and the rows of each."""
        if not self._open or not len(found):
            return
        self._rows += int(counts.sum())
        if self._values is None:
            self._values, self._counts = found, counts
        else:
            self._merge(found, counts)
        self._count = len(self._values)
        self._open = self._count <= DISTINCT

    def _merge(self, found: pa.Array, counts: np.ndarray) -> None:
        places: Any = pc.index_in(found, value_set=self._values)
        known = np.asarray(places.is_valid())
        np.add.at(self._counts, places.drop_null().to_numpy(), counts[known])
        new = pa.array(~known)
        self._values = pa.concat_arrays([self._values, found.filter(new)])
        self._counts = np.concatenate([self._counts, counts[~known]])

    @property
    def facts(self) -> Distinct:
        most = int(self._counts.argmax()) if self._count else 0
        value = self._values[most].as_py() if self._count else None
        return Distinct(
            count=self._count,
            rows=self._rows,
            complete=self._open,
            commonest=_written(value),
            commonest_rows=int(self._counts[most]) if self._count else 0,
        )


class NumberTally:
    """Counts, range and moments of a numeric column."""

    def __init__(self, exact: bool = False) -> None:
        self.distinct = DistinctTally()
        self._exact = exact
        """Whether values are decimal text, of which float64 may lose digits."""
        self._nan = self._infinite = self._zeros = self._rows = 0
        self._low, self._high = np.inf, -np.inf
        self._mean = self._squares = 0.0
        self._imprecise = self._digits = 0

    def see(self, values: pa.Array, numbers: np.ndarray) -> None:
        """A block as it is stored, and its float64 without NULLs."""
        if self._exact:
            lost = precision_lost(values)
            self._imprecise += lost.rows
            self._digits = max(self._digits, lost.digits)
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(numbers.sum()):
                self._add(numbers)
            else:
                self._nan += int(np.isnan(numbers).sum())
                self._infinite += int(np.isinf(numbers).sum())
                self._add(numbers[np.isfinite(numbers)])

    def _add(self, numbers: np.ndarray) -> None:
        """Moments of two parts: Chan, Golub, LeVeque (1979), Updating formulae."""
        rows = len(numbers)
        if not rows:
            return
        self._low = min(self._low, float(numbers.min()))
        self._high = max(self._high, float(numbers.max()))
        self._zeros += rows - int(np.count_nonzero(numbers))
        mean = float(numbers.mean())
        apart = numbers - mean
        total = self._rows + rows
        self._squares += float(np.einsum("i,i", apart, apart))  # a dot product would start threads
        self._squares += (mean - self._mean) ** 2 * self._rows * rows / total
        self._mean += (mean - self._mean) * rows / total
        self._rows = total
        self.distinct.see(pa.array(numbers))

    @property
    def facts(self) -> Numbers:
        with np.errstate(over="ignore", invalid="ignore"):
            std = float(np.sqrt(self._squares / self._rows)) if self._rows else None
        return Numbers(
            nan=self._nan,
            infinite=self._infinite,
            zeros=self._zeros,
            minimum=self._low if self._rows else None,
            maximum=self._high if self._rows else None,
            mean=_finite(self._mean if self._rows else None),
            std=_finite(std),
            imprecise=self._imprecise,
            digits=self._digits,
        )


class TextTally:
    """Distinct values, text that is a number, and words for nothing, of a text column."""

    def __init__(self) -> None:
        self.distinct = DistinctTally()
        self._numbers = 0
        self._others: dict[str, None] = {}
        self._absent: dict[str, int] = {}
        self._unsure: dict[str, int] = {}

    def see(self, values: pa.Array) -> None:
        """A block, as strings without NULLs."""
        counted: Any = pc.value_counts(values)
        found, counts = counted.field("values"), counted.field("counts").to_numpy()
        self.distinct.add(found, counts)
        number = np.asarray(pc.match_substring_regex(found, NUMBER))
        self._numbers += int(counts[number].sum())
        if len(self._others) < 5:
            commonest = np.argsort(-counts[~number], kind="stable")[:5]
            others = found.filter(pa.array(~number)).take(pa.array(commonest))
            self._others |= dict.fromkeys(others.to_pylist())
        bare = pc.utf8_lower(pc.utf8_trim_whitespace(found))
        _count(self._absent, found, counts, pc.is_in(bare, value_set=pa.array(ABSENT)))
        _count(self._unsure, found, counts, pc.is_in(bare, value_set=pa.array(UNSURE)))

    @property
    def facts(self) -> Texts:
        return Texts(
            numbers=self._numbers,
            others=tuple(self._others)[:5],
            absent=self._absent,
            unsure=self._unsure,
        )


def _count(into: dict[str, int], found: Any, counts: np.ndarray, chosen: Any) -> None:
    words = found.filter(chosen).to_pylist()
    for word, rows in zip(words, counts[np.asarray(chosen)], strict=True):
        into[word] = into.get(word, 0) + int(rows)


def _written(value: object) -> str:
    """As text; whole numbers without a point."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 2**53 else repr(value)
    return "" if value is None else str(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
