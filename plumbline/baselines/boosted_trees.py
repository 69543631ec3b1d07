"""The gradient boosting baseline: XGBoost's defaults, and a fixed seed."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from plumbline.baselines.blocks import by_blocks, cores
from plumbline.baselines.fitted import Fitted, Progress, shares, training_rows
from plumbline.baselines.predictor import Predictor, require_columns
from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import TrainRows

log = logging.getLogger(__name__)

_FILE = "model.ubj"
_COLUMNS = "columns"
"""Booster attribute that holds the names; XGBoost's own field refuses some characters."""

_ONE_THREAD = {"nthread": 1}
"""For predicting: `by_blocks` brings the threads."""
_CELLS_PER_THREAD = 10_000_000
"""About three seconds of work for one thread. OpenMP's threads wait by spinning: on a busy
machine a second one made a small fit ten times slower. The trees are the same either way."""


@dataclass(frozen=True, kw_only=True)
class BoostedTrees(Predictor):
    """An XGBoost booster over numbers and native categories."""

    booster: Any

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(json.loads(self.booster.attr(_COLUMNS)))

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Computed by XGBoost in float32, returned as float64."""
        require_columns(matrix, self.names)
        return by_blocks(self.booster.inplace_predict, matrix.dense()).astype(np.float64)

    def save(self, folder: Path) -> None:
        self.booster.save_model(folder / _FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises BundleError where the file is not a model of Plumbline's."""
        import xgboost

        path = folder / _FILE
        try:
            booster = xgboost.Booster(_ONE_THREAD, model_file=path)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise _malformed(path, str(error).strip().splitlines()[0]) from error
        if booster.attr(_COLUMNS) is None:
            raise _malformed(path, "it does not name its columns")
        return cls(booster=booster)


def fit(train: TrainRows, normalization: Normalization, seed: int) -> Fitted:
    """Boosted trees of the library's default number and depth, on every training row."""
    return _fit(*training_rows(train, normalization), seed)


def _fit(matrix: Matrix, labels: np.ndarray, seed: int) -> Fitted:
    from xgboost import XGBClassifier

    X = matrix.dense()
    model = XGBClassifier(
        random_state=seed,
        n_jobs=min(cores(), 1 + X.size // _CELLS_PER_THREAD),
        enable_categorical=True,
        feature_types=["q"] * len(matrix.numeric_names) + ["c"] * len(matrix.category_names),
    )
    trees = model.get_num_boosting_rounds()
    progress = Progress(kind="xgboost", trees=trees, rows=len(labels), log=log)
    model.set_params(callbacks=[_said_by(progress)])
    model.fit(X, labels)
    seconds = progress.seconds
    booster = model.get_booster()
    booster.set_param(_ONE_THREAD)
    booster.set_attr(**{_COLUMNS: json.dumps(list(matrix.names))})
    return Fitted(
        predictor=BoostedTrees(booster=booster),
        importances=shares(matrix.names, model.feature_importances_),
        hyperparameters={"n_estimators": trees, "random_state": seed, **_resolved(booster)},
        seconds=seconds,
    )


def _said_by(progress: Progress) -> Any:
    from xgboost.callback import TrainingCallback

    class Said(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            progress.grown(epoch + 1)
            return False

    return Said()


def _resolved(booster: Any) -> dict[str, Any]:
    """The defaults that XGBoost chose, by its own names."""
    learner = json.loads(booster.save_config())["learner"]
    trees = learner["gradient_booster"]["tree_train_param"]
    chosen = {name: _number(value) for name, value in trees.items()}
    return {"objective": learner["objective"]["name"], **chosen}


def _number(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _malformed(path: Path, problem: str) -> BundleError:
    return BundleError(
        f"{path} is not a model that can be read: {problem}",
        expected="a file that BoostedTrees.save wrote",
        remedy="restore the artifact from a backup, or train the model again",
        path=str(path),
    )
