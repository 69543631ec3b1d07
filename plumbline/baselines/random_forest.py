"""The random forest baseline: scikit-learn's defaults, and a fixed seed."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from plumbline.baselines.blocks import by_blocks, cores
from plumbline.baselines.examples import Examples, training_rows
from plumbline.baselines.fitted import Fitted, Progress, shares
from plumbline.baselines.forest_arrays import About, plain_tree, read_forest, write_forest
from plumbline.baselines.predictor import Predictor, require_columns, width
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import TrainRows

log = logging.getLogger(__name__)

_FILE = "forest.parquet"
_NO_NUMBER = frozenset({"n_jobs", "verbose", "warm_start"})
"""Parameters that change no tree."""

ROWS = 400_000
"""Training rows that a forest is grown on at most (count)."""

GIB = 4.0
"""Memory that the nodes of a forest may take, unless another is declared (GiB)."""

MARGIN = 1.1
"""How much larger another tree may be than the one that was looked at."""

_TRIES = 3
"""Trees on fewer rows that are looked at (count)."""

NODE_BYTES = 64
"""Of a node of scikit-learn's, without its values (bytes)."""


@dataclass(frozen=True, kw_only=True)
class RandomForest(Predictor):
    """The mean of what its trees say."""

    trees: list[Any]
    about: About

    @property
    def names(self) -> tuple[str, ...]:
        return self.about.names

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Bit for bit what scikit-learn's own forest says with n_jobs=1.

        Threads share out rows, not trees: sums over trees keep their order, which
        scikit-learn's own threads do not.
        """
        require_columns(matrix, self.names)
        said = by_blocks(self._mean, matrix, self._width)
        return self.about.units.restored(said)

    @property
    def _width(self) -> tuple[int, ...]:
        return width(self.about.task, self.about.outputs)

    def _mean(self, matrix: Matrix) -> np.ndarray:
        X = matrix.dense()
        total = np.zeros((len(X), self.about.outputs))
        for tree in self.trees:
            total += tree.predict(X)
        return (total / len(self.trees)).reshape(len(X), *self._width)

    def save(self, folder: Path) -> None:
        write_forest(self.trees, self.about, folder / _FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not a forest."""
        trees, about = read_forest(folder / _FILE)
        return cls(trees=trees, about=about)


def fit(
    train: TrainRows, normalization: Normalization, seed: int, *, memory: float = GIB
) -> Fitted:
    """A forest of the library's default size and depth, of at most `ROWS` training rows.

    memory: that its nodes may take (GiB). Where they would take more, each tree is grown on
    fewer rows: see `rows_to_draw`.

    Raises:
        LeakageError, TrainingError: as `training_rows`.
    """
    return fit_examples(training_rows(train, normalization), seed, memory=memory)


def fit_examples(every: Examples, seed: int, *, memory: float = GIB) -> Fitted:
    """`fit` on transformed rows; the caller answers for them being training rows."""
    given = every.few(ROWS)
    rows, X, y = len(given.labels), given.matrix.dense(), given.targets()
    forest = _ungrown(given, seed)
    progress = Progress(kind="random_forest", trees=forest.n_estimators, rows=rows, log=log)
    bounded = _sampled(rows, len(every.labels)) | _bound(forest, X, y, given, memory)
    hyperparameters = forest.get_params()
    # Growing in steps gives the same trees as one fit: a warm start draws the seeds anew.
    step = max(10, cores())
    for grown in [*range(step, progress.trees, step), progress.trees]:
        forest.set_params(n_estimators=grown).fit(X, y, sample_weight=given.weights)
        progress.grown(grown)
    seconds = progress.seconds
    kept = {k: v for k, v in hyperparameters.items() if k not in _NO_NUMBER}
    return Fitted(
        importances=shares(given.matrix.names, forest.feature_importances_),
        predictor=_plain(forest, given),
        hyperparameters={**kept, **bounded},
        seconds=seconds,
    )


def rows_to_draw(rows: int, nodes: float, grown: Callable[[int], int]) -> int | None:
    """How many rows to draw for each tree, so that it has at most so many nodes; None: all.

    A tree of m different rows has at most 2 m - 1 nodes, and k rows drawn of n with
    replacement are n (1 - exp(-k / n)) different ones. Where that could be too many, a tree is
    grown to see; if it is too large, another on fewer rows, three times at most. What would
    be small enough for any labels is drawn if no tree was.

    nodes: that a tree may have. grown: nodes of a tree grown on so many rows drawn.
    """
    if 2 * _different(rows, rows) <= nodes:
        return None
    drawn = rows
    for _ in range(1 + _TRIES):
        found = MARGIN * grown(drawn)
        if found <= nodes:
            return None if drawn == rows else drawn
        drawn = _draws(rows, _different(rows, drawn) * nodes / found)
    return _draws(rows, nodes / 2)


def _different(rows: int, drawn: int) -> float:
    return -rows * math.expm1(-drawn / rows)


def _draws(rows: int, different: float) -> int:
    return max(1, int(-rows * math.log1p(-different / rows)))


def _ungrown(given: Examples, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if given.task == "regression" else RandomForestClassifier
    return kind(random_state=seed, n_jobs=-1, warm_start=True)


def _sampled(rows: int, of: int) -> dict[str, Any]:
    """What is to be said of a forest that did not see every training row."""
    if rows == of:
        return {}
    told = f"a forest is grown on at most {ROWS:,} training rows, and {of:,} are there"
    return {"rows": rows, "rows_because": told}


def _bound(
    forest: Any, X: np.ndarray, y: np.ndarray, given: Examples, memory: float
) -> dict[str, str]:
    """Sets the forest's max_samples where it has to be bounded; what is to be said of it."""
    from sklearn.base import clone

    seen: list[int] = []

    def grown(drawn: int) -> int:
        one: Any = clone(forest)
        one.set_params(n_estimators=1, max_samples=drawn).fit(X, y, sample_weight=given.weights)
        seen.append(one.estimators_[0].tree_.node_count)
        return seen[-1]

    size = forest.n_estimators * (NODE_BYTES + 8 * _values_of_a_node(given)) / 2**30
    drawn = rows_to_draw(len(X), memory / size, grown)
    if drawn is None:
        return {}
    forest.set_params(max_samples=drawn)
    told = (
        f"each tree is grown on {drawn:,} rows drawn of {len(X):,}: on all of them the nodes of "
        f"{forest.n_estimators} trees would take about {seen[0] * size:.2g} GiB, and may take "
        f"{memory:g} GiB"
    )
    log.info("random_forest: %s", told)
    return {"max_samples_because": told}


def _values_of_a_node(given: Examples) -> int:
    return {"binary": 2, "multilabel": 2 * given.outputs}.get(given.task, given.outputs)


def _plain(forest: Any, given: Examples) -> RandomForest:
    about = About(
        names=given.matrix.names, task=given.task, outputs=given.outputs, units=given.units
    )
    grown, trees = forest.estimators_, []
    while grown:  # each is given up for its copy
        tree = grown.pop(0).tree_
        trees.append(plain_tree(tree, _said(tree.value, forest, given)))
    return RandomForest(trees=trees, about=about)


def _said(values: np.ndarray, forest: Any, given: Examples) -> np.ndarray:
    """What the nodes say, as this project has it: float64, shape (nodes, outputs)."""
    match given.task:
        case "binary":
            return values[:, 0, -1:]
        case "multilabel":
            return values[:, :, -1]
        case "regression":
            return values[:, 0, :]
        case "multiclass":  # a class without training rows keeps its column
            said = np.zeros((len(values), given.outputs))
            said[:, forest.classes_] = values[:, 0, :]
            return said
