"""The label column as 0 and 1."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import LabelViolation
from plumbline.spec import Scalar

EXAMPLES = 5
"""Values shown in a message (count)."""


def encode(values: pa.Array, positive: Scalar, named: str = "the label") -> np.ndarray:
    """A label column as int8, shape (n,): 1 where it equals `positive`, else 0.

    Without `positive` the column must be boolean or hold 0 and 1, as numbers or as text
    (`numeric` columns are stored as text). `named` is what messages call the column.

    Raises:
        LabelViolation: NULLs, or values that are neither boolean nor 0/1 without `positive`,
            or a `positive` that the column's type cannot hold.
    """
    if values.null_count:
        raise LabelViolation(
            f"{named} has {values.null_count} NULLs",
            expected="a value in every row",
            remedy="filter or fill them in the SQL",
        )
    if positive is None:
        _require_zero_one(values, named)
    one = _one(values.type, 1 if positive is None else positive, named)
    ones = pc.equal(values, one)
    return np.asarray(ones.to_numpy(zero_copy_only=False), dtype=np.int8)


def listed(values: pa.Array) -> str:
    """The first few values in order, and that there are more."""
    shown = ", ".join(map(repr, values.sort().to_pylist()[:EXAMPLES]))
    return shown + (", ..." if len(values) > EXAMPLES else "")


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
