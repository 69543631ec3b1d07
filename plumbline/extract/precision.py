"""What exact numbers lose on their way to a model, which computes in float64 and float32."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ALWAYS_KEPT, EVER_KEPT = 15, 17
"""Significant decimal digits that float64 gives back always, and at best (count)."""


class PrecisionLost(NamedTuple):
    """What is lost of one column of exact numbers."""

    digits: int
    """Significant decimal digits of the longest value (count)."""
    rows: int
    """Rows whose digits float64 does not give back (count)."""
    worst: float
    """Largest relative error of a value as float32: about 6e-8 within its range, infinite
    beyond. Zeros have none; values that lose all their digits have 1."""


def precision_lost(values: pa.Array) -> PrecisionLost:
    """What a `numeric` column, which arrives as text, loses as float64 and as float32.

    A row counts if the shortest text that reads back as its float64 has other digits. NULL,
    NaN and infinities lose nothing. Tallies of blocks add up: greatest digits, sum of rows,
    greatest worst.

    Raises:
        pa.ArrowInvalid: a text is not a number.
    """
    numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
    finite: Any = pc.match_substring_regex(values, r"^[+-]?[0-9.]").fill_null(False)
    digits = _digits(values.filter(finite))
    numbers = numbers[np.asarray(finite)]
    lengths = pc.binary_length(digits).to_numpy()
    lost = (lengths > EVER_KEPT) | ~np.isfinite(numbers)
    short = (lengths <= ALWAYS_KEPT) & (np.abs(numbers) >= np.finfo(np.float64).tiny)
    unsure = np.flatnonzero(~lost & ~short & (lengths > 0))
    kept = _digits(pa.array(numbers[unsure]).cast(pa.string()))
    lost[unsure] = np.asarray(pc.not_equal(kept, digits.take(pa.array(unsure))))
    return PrecisionLost(
        digits=int(lengths.max(initial=0)),
        rows=int(lost.sum()),
        worst=_worst(numbers, lengths),
    )


def _digits(text: pa.Array) -> Any:
    """Significant digits: without sign, point, exponent and outer zeros."""
    bare = pc.replace_substring_regex(text, r"[eE].*$|[+.-]", "")
    return pc.utf8_trim(bare, "0")


def _worst(numbers: np.ndarray, lengths: np.ndarray) -> float:
    if not np.isfinite(numbers).all():
        return float("inf")
    vanished = (numbers == 0) & (lengths > 0)
    exact = numbers[numbers != 0]
    with np.errstate(over="ignore", under="ignore"):
        single = exact.astype(np.float32).astype(np.float64)
        errors = np.abs(single - exact) / np.abs(exact)
    return max(float(errors.max(initial=0.0)), float(vanished.any()))
