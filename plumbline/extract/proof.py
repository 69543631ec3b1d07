"""What is proved of the rows as they stream past: the key is unique, the label has two classes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import KeyViolation, LabelViolation
from plumbline.extract.labels import EXAMPLES, encode, listed
from plumbline.spec import SourceSpec

_ENOUGH = 100
"""Distinct label values after which no more are collected (count)."""


class KeyProof:
    """Sees the key columns of every block, in key order: equal keys are neighbours."""

    def __init__(self, source: SourceSpec):
        self._source = source
        self._last: pa.Table | None = None
        self._nulls = dict.fromkeys(source.key, 0)
        self._repeats = 0
        self._examples: list[str] = []

    def see(self, block: pa.RecordBatch) -> None:
        keys = pa.Table.from_batches([block]).select(self._source.key)
        for name in self._source.key:
            self._nulls[name] += keys.column(name).null_count
        seen = keys if self._last is None else pa.concat_tables([self._last, keys])
        repeats = np.flatnonzero(_equals_next(seen))
        self._repeats += len(repeats)
        for row in repeats[: EXAMPLES - len(self._examples)]:
            self._examples.append(_written(seen.slice(int(row), 1).to_pylist()[0]))
        self._last = keys.slice(keys.num_rows - 1)

    def conclude(self) -> None:
        """Raises KeyViolation if the key was NULL or repeats."""
        self._require_values()
        if self._repeats:
            raise KeyViolation(
                f"the key ({', '.join(self._source.key)}) of {self._source.sql} repeats: "
                f"{self._repeats:,} rows have the key of another, such as "
                f"{'; '.join(self._examples)}",
                expected="a key that names one row",
                remedy="add the column that tells these rows apart to source.key, or let the "
                "SQL return one row per key",
                repeats=self._repeats,
                examples=self._examples,
            )

    def _require_values(self) -> None:
        nulls = {name: count for name, count in self._nulls.items() if count}
        if nulls:
            told = ", ".join(f"{name} in {count:,} rows" for name, count in nulls.items())
            raise KeyViolation(
                f"the key ({', '.join(self._source.key)}) of {self._source.sql} is NULL: {told}",
                expected="a key without NULLs",
                remedy="filter these rows in the SQL, or choose another key",
                nulls=nulls,
            )


class LabelProof:
    """Sees the label column of every block."""

    def __init__(self, source: SourceSpec):
        self._source = source
        self._named = f"the label {source.label!r} of {source.sql}"
        self._rows = 0
        self._nulls = 0
        self._values: pa.Array | None = None

    def see(self, block: pa.RecordBatch) -> None:
        values = block.column(block.schema.names.index(self._source.label))
        self._rows += len(values)
        self._nulls += values.null_count
        if len(self._values or ()) < _ENOUGH:
            known = [] if self._values is None else [self._values]
            found: Any = pa.chunked_array([*known, values.drop_null()])
            self._values = found.unique()

    def conclude(self) -> None:
        """Raises LabelViolation unless the label is in every row and has two classes."""
        if self._nulls or self._values is None:
            raise LabelViolation(
                f"{self._named} is NULL in {self._nulls:,} of {self._rows:,} rows",
                expected="a value in every row",
                remedy="filter these rows or fill the label in the SQL",
                nulls=self._nulls,
            )
        self._require_two_classes(self._values)

    def _require_two_classes(self, values: pa.Array) -> None:
        positive = self._source.positive_label
        ones = int(encode(values, positive, self._named).sum())
        found = f"{self._named} holds {listed(values)} in {self._rows:,} rows"
        if len(values) > 2:
            raise LabelViolation(
                found,
                expected="two values, for a binary task",
                remedy="turn it into two classes in the SQL, or filter the others out",
            )
        if len(values) < 2:
            raise LabelViolation(
                found,
                expected="both classes",
                remedy="widen the SQL's conditions until both occur",
            )
        if ones == 0:
            raise LabelViolation(
                found,
                expected=f"the declared source.positive_label {positive!r} among them",
                remedy="correct it; quote it in defs.yaml if the label is text",
            )


def _equals_next(keys: pa.Table) -> np.ndarray:
    """Whether each row but the last has the key of the row after it: bool, shape (n - 1,)."""
    same = np.ones(keys.num_rows - 1, dtype=bool)
    for column in keys.combine_chunks().columns:
        equal = pc.equal(column.slice(0, len(same)), column.slice(1))
        same &= equal.fill_null(False).to_numpy()
    return same


def _written(row: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
