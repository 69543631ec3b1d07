"""The label column as 0 and 1."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import LabelViolation
from plumbline.spec import Scalar


def encode(values: pa.Array, positive: Scalar) -> np.ndarray:
    """A label column as int8, shape (n,): 1 where it equals `positive`, else 0.

    Without `positive` the column must be boolean or hold 0 and 1.

    Raises:
        LabelViolation: NULLs, or values that are neither boolean nor 0/1 without `positive`.
    """
    if values.null_count:
        raise LabelViolation(
            f"the label has {values.null_count} NULLs",
            expected="a value in every row",
            remedy="filter or fill them in the SQL",
        )
    if positive is not None:
        ones = pc.equal(values, pa.scalar(positive).cast(values.type))
    elif pa.types.is_boolean(values.type):
        ones = values
    else:
        _require_zero_one(values)
        ones = pc.equal(values, pa.scalar(1).cast(values.type))
    return np.asarray(ones.to_numpy(zero_copy_only=False), dtype=np.int8)


def _require_zero_one(values: pa.Array) -> None:
    found = pc.unique(values).to_pylist()
    if not set(found) <= {0, 1}:
        raise LabelViolation(
            f"the label holds {', '.join(map(repr, sorted(found, key=str)[:5]))}",
            expected="boolean, or 0 and 1, or a declared source.positive_label",
            remedy="declare source.positive_label, or turn the label into 0 and 1 in the SQL",
        )
