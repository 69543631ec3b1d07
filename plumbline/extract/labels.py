"""The label column as numbers: classes as codes, a regression's label as it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import LabelViolation
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import PipelineSpec, Scalar, Task

EXAMPLES = 5
"""Values shown in a message (count)."""


@dataclass(frozen=True, kw_only=True)
class LabelCoding:
    """What the label's values become."""

    task: Task
    classes: tuple[str, ...]
    """Names by code: two for binary, the second the positive one; none for regression. For
    multilabel the names of the labels, which are those of their columns."""
    positive: Scalar = None

    def columns(self, label: str) -> list[str]:
        """The columns that hold the label which is declared as `label`."""
        return list(self.classes) if self.task == "multilabel" else [label]

    def read(self, block: pa.RecordBatch, named: str = "the label") -> np.ndarray:
        """The labels of a block of `columns`, in their order: as `encode`.

        For multilabel 0 and 1 in a column per label: int8, shape (n, labels).
        """
        if self.task != "multilabel":
            return self.encode(block.column(0), named)
        several = [
            encode(values, None, f"the label {name!r}")
            for name, values in zip(self.classes, block.columns, strict=True)
        ]
        return np.stack(several, axis=1)

    def encode(self, values: pa.Array, named: str = "the label") -> np.ndarray:
        """Codes of classes: int16, shape (n,). A regression's label: float64, shape (n,).

        Of one column: see `read` for several labels.

        Raises:
            LabelViolation: NULLs, or values that the coding does not know.
        """
        if self.task == "binary":
            return encode(values, self.positive, named).astype(np.int16)
        require_present(values, named)
        if self.task == "regression":
            return _finite(values, named)
        codes: Any = pc.index_in(values.cast(pa.string()), value_set=pa.array(self.classes))
        if codes.null_count:
            raise LabelViolation(
                f"{named} holds {listed(values.filter(codes.is_null()).unique())}",
                expected=f"one of {', '.join(self.classes)}",
                remedy="filter these rows in the SQL, or add the value to source.classes",
            )
        return codes.to_numpy().astype(np.int16)


def coding(snapshot: Snapshot, spec: PipelineSpec) -> LabelCoding:
    """The coding of a snapshot's label; classes in order of their values."""
    source = spec.source
    if source.task == "regression":
        return LabelCoding(task="regression", classes=())
    if source.task == "multilabel":
        return LabelCoding(task="multilabel", classes=source.label_columns)
    if source.task == "multiclass":
        seen = pa.chunked_array(
            [batch.column(0).unique() for batch in snapshot.batches([source.label])]
        )
        values: Any = seen.unique().sort()
        return LabelCoding(task="multiclass", classes=tuple(values.cast(pa.string()).to_pylist()))
    positive = source.positive_label
    names = ("0", "1") if positive is None else (f"not {positive}", str(positive))
    return LabelCoding(task="binary", classes=names, positive=positive)


def encode(values: pa.Array, positive: Scalar, named: str = "the label") -> np.ndarray:
    """A label column as int8, shape (n,): 1 where it equals `positive`, else 0.

    Without `positive` the column must be boolean or hold 0 and 1, as numbers or as text
    (`numeric` columns are stored as text). `named` is what messages call the column.

    Raises:
        LabelViolation: NULLs, or values that are neither boolean nor 0/1 without `positive`,
            or a `positive` that the column's type cannot hold.
    """
    require_present(values, named)
    if positive is None:
        _require_zero_one(values, named)
    one = _one(values.type, 1 if positive is None else positive, named)
    ones = pc.equal(values, one)
    return np.asarray(ones.to_numpy(zero_copy_only=False), dtype=np.int8)


def listed(values: pa.Array) -> str:
    """The first few values in order, and that there are more."""
    shown = ", ".join(map(repr, values.sort().to_pylist()[:EXAMPLES]))
    return shown + (", ..." if len(values) > EXAMPLES else "")


def require_present(values: pa.Array, named: str) -> None:
    """Raises LabelViolation where a label is NULL."""
    if values.null_count:
        raise LabelViolation(
            f"{named} has {values.null_count} NULLs",
            expected="a value in every row",
            remedy="filter or fill them in the SQL",
        )


def numbers(values: pa.Array, named: str = "the label") -> np.ndarray:
    """A regression's label as float64, shape (n,); NULL as NaN.

    Raises:
        LabelViolation: the values are not numbers.
    """
    if pa.types.is_boolean(values.type):
        raise _no_number(values.type, named)
    try:
        return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _no_number(values.type, named) from None


def require_finite(lost: int, rows: int, named: str = "the label") -> None:
    """Raises LabelViolation where a regression's label is NaN or infinite in `lost` rows."""
    if lost:
        raise LabelViolation(
            f"{named} is NaN or infinite in {lost:,} of {rows:,} rows",
            expected="finite numbers, for regression",
            remedy="filter these rows in the SQL",
            lost=lost,
        )


def _no_number(kind: pa.DataType, named: str) -> LabelViolation:
    return LabelViolation(
        f"{named} holds {kind} values, and source.task is regression",
        expected="numbers",
        remedy="cast it to a number in the SQL, or declare another source.task",
    )


def _finite(values: pa.Array, named: str) -> np.ndarray:
    found = numbers(values, named)
    require_finite(int(np.count_nonzero(~np.isfinite(found))), len(found), named)
    return found


def _one(kind: pa.DataType, positive: str | float | bool, named: str) -> pa.Scalar:
    try:
        return pa.scalar(positive).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise LabelViolation(
            f"{named} holds {kind} values, and source.positive_label is {positive!r}",
            expected="a positive label that the column can hold",
            remedy="declare source.positive_label as one of the column's values",
        ) from None


def _require_zero_one(values: pa.Array, named: str) -> None:
    if pa.types.is_boolean(values.type):
        return
    found = pc.unique(values)
    if not set(found.to_pylist()) <= ({"0", "1"} if pa.types.is_string(values.type) else {0, 1}):
        raise LabelViolation(
            f"{named} holds {listed(found)}",
            expected="boolean, or 0 and 1, or a declared source.positive_label",
            remedy="declare source.positive_label, or turn the label into 0 and 1 in the SQL",
        )
