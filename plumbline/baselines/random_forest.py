"""The random forest baseline: scikit-learn's defaults, and a fixed seed."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from plumbline.baselines.blocks import by_blocks, cores
from plumbline.baselines.fitted import Fitted, Progress, shares, training_rows
from plumbline.baselines.forest_arrays import read_forest, write_forest
from plumbline.baselines.predictor import Predictor, require_columns
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import TrainRows

log = logging.getLogger(__name__)

_FILE = "forest.parquet"
_NO_NUMBER = frozenset({"n_jobs", "verbose", "warm_start"})
"""Parameters that change no tree."""


@dataclass(frozen=True, kw_only=True)
class RandomForest(Predictor):
    """The mean of its trees' shares of label 1."""

    trees: list[Any]
    names: tuple[str, ...]

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Bit for bit what `RandomForestClassifier(n_jobs=1)` predicts.

        Threads share out rows, not trees: sums over trees keep their order, which
        scikit-learn's own threads do not.
        """
        require_columns(matrix, self.names)
        return by_blocks(self._mean, matrix.dense())

    def _mean(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros(len(X))
        for tree in self.trees:
            total += tree.predict(X)[:, -1]
        return total / len(self.trees)

    def save(self, folder: Path) -> None:
        write_forest(self.trees, self.names, folder / _FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not a forest."""
        trees, names = read_forest(folder / _FILE)
        return cls(trees=trees, names=names)


def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
    """A forest of the library's default size and depth, grown on every training row."""
    return _fit(*training_rows(train, normalization), seed)


def _fit(matrix: Matrix, labels: np.ndarray, seed: int) -> Fitted:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(random_state=seed, n_jobs=-1, warm_start=True)
    progress = Progress(kind="random_forest", trees=forest.n_estimators, rows=len(labels), log=log)
    hyperparameters = forest.get_params()
    X = matrix.dense()
    # Growing in steps gives the same trees as one fit: a warm start draws the seeds anew.
    step = max(10, cores())
    for grown in [*range(step, progress.trees, step), progress.trees]:
        forest.set_params(n_estimators=grown).fit(X, labels)
        progress.grown(grown)
    seconds = progress.seconds
    return Fitted(
        predictor=RandomForest(trees=[e.tree_ for e in forest.estimators_], names=matrix.names),
        importances=shares(matrix.names, forest.feature_importances_),
        hyperparameters={k: v for k, v in hyperparameters.items() if k not in _NO_NUMBER},
        seconds=seconds,
    )
