"""What a baseline costs to keep and to ask."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from plumbline.baselines.predictor import Predictor
from plumbline.normalization.matrix import Matrix

BULK_ROWS = 1_000
"""Rows that are scored together at most (count)."""

TIMES_ALONE, TIMES_TOGETHER = 20, 3
"""How often one row is scored, and the bulk (count); the first time of each does not count."""


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def latency(predictor: Predictor, matrix: Matrix) -> dict[str, float]:
    """Microseconds, medians: of one row asked for alone, and per row of many.

    Of normalized rows on this machine, in this process. The rows are spread over the matrix.
    """
    places = np.linspace(0, len(matrix) - 1, min(len(matrix), BULK_ROWS)).astype(np.int64)
    alone = [matrix.take(places[at % len(places)][None]) for at in range(TIMES_ALONE + 1)]
    together = matrix.take(places)
    rows = iter(alone)
    return {
        "one_row_us": _median(lambda: predictor.predict(next(rows)), TIMES_ALONE),
        "bulk_row_us": _median(lambda: predictor.predict(together), TIMES_TOGETHER) / len(places),
        "bulk_rows": len(places),
    }


def _median(ask: Callable[[], object], times: int) -> float:
    return round(statistics.median(list(_seconds(ask, times))[1:]) * 1e6, 1)


def _seconds(ask: Callable[[], object], times: int) -> Iterator[float]:
    for _ in range(times + 1):
        started = time.perf_counter()
        ask()
        yield time.perf_counter() - started
