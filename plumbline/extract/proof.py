"""What is proved of the rows as they stream past: the key is unique, the label fits its task."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import KeyViolation, LabelViolation
from plumbline.extract.labels import EXAMPLES, encode, listed, numbers, require_finite
from plumbline.spec import SourceSpec

MAX_CLASSES = 1000
"""Classes of a multiclass label, at most (count)."""

_ENOUGH = {"binary": 100, "multiclass": MAX_CLASSES, "regression": 2}
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
        repeats = np.flatnonzero(equals_next(seen))
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


def label_proofs(source: SourceSpec) -> tuple["LabelProof", ...]:
    """One proof per label: each of several is a binary one."""
    if source.task != "multilabel":
        return (LabelProof(source),)
    alone = {"task": "binary", "labels": []}
    return tuple(
        LabelProof(source.model_copy(update={"label": name, **alone}))
        for name in source.label_columns
    )


class LabelProof:
    """Sees the label column of every block."""

    def __init__(self, source: SourceSpec):
        self._source = source
        self._named = f"the label {source.label!r} of {source.sql}"
        self._rows = 0
        self._nulls = 0
        self._not_finite = 0
        self._values: pa.Array | None = None

    def see(self, block: pa.RecordBatch) -> None:
        """Count what is missing, and collect distinct values until there are more than enough.

        Raises:
            LabelViolation: the label of a regression is not a number.
        """
        values = block.column(block.schema.names.index(self._source.label))
        self._rows += len(values)
        self._nulls += values.null_count
        values = values.drop_null()
        if self._source.task == "regression":
            self._not_finite += int((~np.isfinite(numbers(values, self._named))).sum())
        if len(self._values or ()) <= _ENOUGH[self._source.task]:
            known = [] if self._values is None else [self._values]
            found: Any = pa.chunked_array([*known, values])
            self._values = found.unique()

    def conclude(self) -> None:
        """Raises LabelViolation unless every row has a label, and the labels fit the task."""
        if self._nulls or self._values is None:
            raise LabelViolation(
                f"{self._named} is NULL in {self._nulls:,} of {self._rows:,} rows",
                expected="a value in every row",
                remedy="filter these rows or fill the label in the SQL",
                nulls=self._nulls,
            )
        require_finite(self._not_finite, self._rows, self._named)
        if self._source.task == "binary":
            self._require_two_classes(self._values)
        if self._source.task == "multiclass":
            self._require_classes(self._values)
        self._require_declared(self._values)
        self._require_two_values(self._values)

    @property
    def _told(self) -> str:
        return f"{self._named} holds {listed(self._values or pa.nulls(0))} in {self._rows:,} rows"

    def _require_two_classes(self, values: pa.Array) -> None:
        positive = self._source.positive_label
        ones = int(encode(values, positive, self._named).sum())
        if len(values) > 2:
            raise LabelViolation(
                self._told,
                expected="two values, for a binary task",
                remedy="turn it into two classes in the SQL, filter the others out, or declare "
                "source.task: multiclass",
            )
        if ones == 0 and len(values) == 2:
            raise LabelViolation(
                self._told,
                expected=f"the declared source.positive_label {positive!r} among them",
                remedy="correct it; quote it in defs.yaml if the label is text",
            )

    def _require_classes(self, values: pa.Array) -> None:
        if len(values) > MAX_CLASSES:
            raise LabelViolation(
                f"{self._named} holds more than {MAX_CLASSES:,} values in {self._rows:,} rows",
                expected=f"{MAX_CLASSES:,} classes at most",
                remedy="declare source.task: regression if it is a quantity, or put rare "
                "classes together in the SQL",
            )
        if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
            raise LabelViolation(
                f"{self._named} is NaN in some of {self._rows:,} rows",
                expected="a class in every row",
                remedy="filter these rows or fill the label in the SQL",
            )

    def _require_declared(self, values: pa.Array) -> None:
        declared = self._source.classes
        if not declared:
            return
        known = [one for one in (_as(values.type, value) for value in declared) if one is not None]
        outside = values.filter(pc.invert(pc.is_in(values, pa.array(known, values.type))))
        if len(outside):
            raise LabelViolation(
                f"{self._named} holds {listed(outside)}, outside the declared classes",
                expected=f"one of {', '.join(map(repr, declared))}, as source.classes says",
                remedy="filter these rows in the SQL or add the value to source.classes; quote "
                "classes in defs.yaml if the label is text",
                outside=outside.to_pylist(),
            )

    def _require_two_values(self, values: pa.Array) -> None:
        if len(values) < 2:
            raise LabelViolation(
                self._told,
                expected="both classes" if self._source.task == "binary" else "two values at least",
                remedy="widen the SQL's conditions until both occur",
            )


def equals_next(keys: pa.Table) -> np.ndarray:
    """Whether each row but the last has the key of the row after it: bool, shape (n - 1,)."""
    same = np.ones(keys.num_rows - 1, dtype=bool)
    for column in keys.combine_chunks().columns:
        equal = pc.equal(column.slice(0, len(same)), column.slice(1))
        same &= equal.fill_null(False).to_numpy()
    return same


def _written(row: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _as(kind: pa.DataType, value: Any) -> pa.Scalar | None:
    """A declared class as the label's type; None where the type cannot hold it."""
    try:
        return pa.scalar(value).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
