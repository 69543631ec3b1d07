"""Rows as XGBoost takes them: block by block, from wherever they lie."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines.examples import Examples
from plumbline.baselines.native import Native
from plumbline.normalization.prepared import READ_ROWS


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some rows, with what they are trained on."""

    values: np.ndarray
    """What `Native.read` gives: float32, shape (n, columns)."""
    labels: np.ndarray
    """As `Examples.targets`: shape (n,), or (n, labels)."""
    weights: np.ndarray | None
    """float32, shape (n,). None: all alike."""


Blocks = Callable[[], Iterable[Block]]
"""Gives the same blocks, in the same order, each time: XGBoost reads them more than once."""


def blocks_of(given: Examples, native: Native) -> Blocks:
    """All rows of `given`, in order."""
    targets = given.targets()

    def read() -> Iterator[Block]:
        for start in range(0, len(given.matrix), READ_ROWS):
            rows = slice(start, start + READ_ROWS)
            yield Block(
                values=native.read(given.matrix.take(rows)),
                labels=targets[rows],
                weights=None if given.weights is None else given.weights[rows],
            )

    return read


def quantile_matrix(
    blocks: Blocks, native: Native, *, threads: int, cache: Path | None = None
) -> Any:
    """Rows to train on, as XGBoost's quantiles; of several processes each brings its own rows.

    The quantiles, and so the trees, are those of all rows at once, however they are cut into
    blocks. cache: a folder for the quantiles, where memory would not hold them.
    """
    import xgboost

    kind = xgboost.QuantileDMatrix if cache is None else xgboost.ExtMemQuantileDMatrix
    return _read_in(kind, blocks, native, cache, nthread=threads)


def plain_matrix(given: Examples, native: Native) -> Any:
    """Rows to measure on, with their values as they are; in files where `given` has a cache."""
    import xgboost

    if given.cache is None:
        told = {"label": given.targets(), "weight": given.weights}
        return whole(native.read(given.matrix), native, **told)
    return _read_in(xgboost.DMatrix, blocks_of(given, native), native, given.cache)


def whole(rows: np.ndarray, native: Native, **told: Any) -> Any:
    """Rows that `native` read, as one XGBoost matrix in memory; told: labels and weights."""
    import xgboost

    return xgboost.DMatrix(rows, feature_types=native.types, enable_categorical=True, **told)


def _read_in(kind: Any, blocks: Blocks, native: Native, cache: Path | None, **further: Any) -> Any:
    """A matrix of all blocks. What it keeps in `cache` goes when it does."""
    if cache is None:
        return kind(_reader(blocks, native, None), enable_categorical=True, **further)
    with ExitStack() as failing:
        cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="rows-", dir=cache))
        failing.callback(shutil.rmtree, folder, ignore_errors=True)
        matrix = kind(_reader(blocks, native, folder), enable_categorical=True, **further)
        # XGBoost removes its own files first, and warns of those that are gone already.
        weakref.finalize(matrix, failing.pop_all().close)
        return matrix


def _reader(blocks: Blocks, native: Native, folder: Path | None) -> Any:
    from xgboost import DataIter

    class Reader(DataIter):
        def __init__(self) -> None:
            super().__init__(cache_prefix=folder and str(folder / "rows"))
            self.reset()

        def reset(self) -> None:
            self._left = iter(blocks())

        def next(self, input_data: Callable[..., None]) -> bool:
            block = next(self._left, None)
            if block is None:
                return False
            told = {"label": block.labels, "weight": block.weights}
            input_data(data=block.values, feature_types=native.types, **told)
            return True

    return Reader()
