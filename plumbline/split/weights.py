"""What rows count for: checked, and what a certificate says of it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import SplitError

SIDES = 4
"""Codes of the assignment array: the three sides, and the excluded rows."""


def numbers(values: pa.Array, column: str) -> np.ndarray:
    """Weights as float64, shape (n,).

    Raises:
        SplitError: the column holds no numbers, or NULL, NaN, infinite or negative ones.
    """
    found = _numbers(values, column)
    wrong = {
        "NULL": values.null_count,
        "NaN or infinite": int(np.count_nonzero(~np.isfinite(found))) - values.null_count,
        "negative": int(np.count_nonzero(found < 0)),
    }
    told = [f"{what} in {rows:,} rows" for what, rows in wrong.items() if rows]
    if told:
        raise SplitError(
            f"source.weight {column!r} is {' and '.join(told)} of a block of {len(found):,}",
            expected="a finite number of 0 or more in every row",
            remedy="filter or fill them in the SQL",
            **{f"{what.split()[0].lower()}_rows": rows for what, rows in wrong.items()},
        )
    return found


def _numbers(values: pa.Array, column: str) -> np.ndarray:
    try:
        return pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SplitError(
            f"source.weight {column!r} holds {values.type} values",
            expected="numbers",
            remedy="cast it to a number in the SQL",
        ) from None


class Tally:
    """Sums of the weights of each side."""

    def __init__(self):
        self._sum, self._squares = np.zeros((2, SIDES))

    def see(self, weights: np.ndarray, sides: np.ndarray) -> None:
        self._sum += np.bincount(sides, weights, SIDES)
        self._squares += np.bincount(sides, weights**2, SIDES)

    def side(self, code: int) -> dict[str, Any]:
        """sum, and effective_rows: rows of equal weight that would tell as much.

        Kish, Survey Sampling (1965): the squared sum over the sum of squares.
        """
        total, squares = float(self._sum[code]), float(self._squares[code])
        return {"sum": total, "effective_rows": total**2 / squares if squares else 0.0}
