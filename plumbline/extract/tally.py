"""What an audit counts in one feature, block by block, in bounded memory."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DISTINCT = 20_000
"""Distinct values per category that are remembered (count); beyond, the rows so far decide."""

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


class NumberTally:
    """Infinities, NaN and the range of a numeric feature."""

    def __init__(self) -> None:
        self.infinite = 0
        self.nan = 0
        self.low, self.high = np.inf, -np.inf

    def see(self, values: pa.Array) -> None:
        numbers = values.drop_null().cast(pa.float64(), safe=False).to_numpy()
        nan = np.isnan(numbers)
        self.nan += int(nan.sum())
        self.infinite += int(np.isinf(numbers).sum())
        if not nan.all():
            self.low = min(self.low, float(np.nanmin(numbers)))
            self.high = max(self.high, float(np.nanmax(numbers)))

    @property
    def constant(self) -> bool:
        return self.low == self.high


class CategoryTally:
    """Distinct values of a category feature, and how many rows hold text that is a number."""

    def __init__(self) -> None:
        self.rows = 0
        """Rows with a value."""
        self.numbers = 0
        self.words: list[str] = []
        """Examples of values that are not numbers."""
        self.distinct = 0
        """Different values among the first `rows_of_distinct` rows."""
        self.rows_of_distinct = 0
        self._values: Any = pa.array([], pa.string())

    def see(self, values: pa.Array) -> None:
        counted: Any = pc.value_counts(values.drop_null().cast(pa.string()))
        found, counts = counted.field("values"), counted.field("counts").to_numpy()
        number = pc.match_substring_regex(found, _NUMBER).to_numpy(zero_copy_only=False)
        self.rows += int(counts.sum())
        self.numbers += int(counts[number].sum())
        commonest = np.argsort(-counts[~number], kind="stable")[:5]
        self.words += found.filter(pa.array(~number)).take(commonest).to_pylist()
        self.words = list(dict.fromkeys(self.words))[:5]
        if self.distinct <= DISTINCT:
            self._remember(found)

    def _remember(self, found: pa.Array) -> None:
        known: Any = pa.chunked_array([self._values, found])
        self._values = known.unique()
        self.distinct = len(self._values)
        self.rows_of_distinct = self.rows
        if self.distinct > DISTINCT:
            self._values = None

    @property
    def constant(self) -> bool:
        return self.distinct == 1
