"""Whether an export says of the golden rows what the bundle says, however many are asked for."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.release import golden
from plumbline.release.golden import Golden
from plumbline.release.manifest import Manifest
from plumbline.release.predictors import unit

_REMEDY = "keep to the bundle: this model has no export that can be trusted"

MANY = 2_000
"""Rows that are asked for at once, too: the golden ones, over and over (count)."""


def require_agreement(
    score: Callable[[pa.RecordBatch], np.ndarray],
    known: Golden,
    described: Manifest,
    tolerance: float,
    what: str,
) -> float:
    """How far apart the scores are at most.

    tolerance: the largest difference that counts as equal; of a regression's numbers, as a share
    of the largest golden one.

    Raises:
        BundleError: with the first row that differs, and by how much; or another shape.
    """
    most, count = tolerance * unit(described, known.released), known.rows.num_rows
    apart = 0.0
    for places in (range(count), range(1), range(0), [at % count for at in range(MANY)]):
        taken = np.array(places, dtype=np.int64)
        expected = known.released[taken]
        found = score(known.rows.take(pa.array(taken, pa.int64())))
        _require_shape(found, expected, what)
        if not len(expected):
            continue
        if told := _difference(found, expected, most):
            row, text = told
            raise BundleError(
                f"the {what} scores golden row {taken[row] + 1} as {text}",
                expected=f"differences of at most {most:g}",
                remedy=_REMEDY,
                row=int(taken[row]) + 1,
            )
        apart = max(apart, float(np.abs(found - expected).max(initial=0.0)))
    return apart


def _difference(found: np.ndarray, expected: np.ndarray, most: float) -> tuple[int, str] | None:
    """The first row that differs, and what is to be said of it."""
    rows = golden.differing(expected, found, most)
    if not rows.size:
        return None
    row = int(rows[0])
    apart = float(np.abs(found[row] - expected[row]).max())
    return row, (
        f"{found[row]!r} instead of {expected[row]!r}, {apart:.3g} apart, in a batch of "
        f"{len(expected)}; {rows.size} of them differ"
    )


def _require_shape(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    if found.shape != expected.shape:
        raise BundleError(
            f"the {what} answers {len(expected)} rows in the shape {found.shape}",
            expected=f"the shape {expected.shape}",
            remedy=_REMEDY,
        )
