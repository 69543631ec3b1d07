"""A baseline from training rows to an artifact, and back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from plumbline.baselines import boosted_trees, random_forest
from plumbline.baselines.auc import delong_interval
from plumbline.baselines.predictor import Predictor
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import BaselinesSpec
from plumbline.split.rows import TrainRows, ValRows

Kind = Literal["random_forest", "xgboost"]

_FIT = {"random_forest": random_forest.fit, "xgboost": boosted_trees.fit}
_LOAD = {
    "random_forest": random_forest.RandomForest.load,
    "xgboost": boosted_trees.BoostedTrees.load,
}
VAL_SCORES, IMPORTANCES, TRAINING = "val_scores.npy", "importances.json", "training.json"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A trained baseline and how it does on the validation rows."""

    kind: str
    model_version: str
    folder: Path
    training: dict[str, Any]
    """kind, rows, seconds, hyperparameters, confidence and val: {auc: {value, low, high}}."""

    def predictor(self) -> Predictor:
        """The model, read from the artifact.

        Raises:
            BundleError: its files are not a model.
        """
        return _LOAD[self.kind](self.folder)

    def val_scores(self) -> np.ndarray:
        """Scores of the validation rows in order: float64, shape (n,)."""
        return np.load(self.folder / VAL_SCORES, allow_pickle=False)

    def importances(self) -> list[dict[str, Any]]:
        """{feature, importance} of every column, the greatest first."""
        return json.loads((self.folder / IMPORTANCES).read_text("utf-8"))


def build(  # noqa: PLR0917
    kind: Kind,
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: BaselinesSpec,
    folder: Path,
) -> None:
    """Fit on the training rows, score the validation rows, write the artifact's files.

    Raises:
        LeakageError: `train` is anything but training rows.
        TrainingError: the training rows hold one label only.
        SplitError: the validation rows hold one label only.
    """
    fitted = _FIT[kind](train, normalization, options.seed)
    scores = fitted.predictor.predict(load_matrix(val, normalization))
    score = delong_interval(val.labels(), scores, options.confidence)
    fitted.predictor.save(folder)
    np.save(folder / VAL_SCORES, scores, allow_pickle=False)
    importances = [{"feature": k, "importance": v} for k, v in fitted.importances.items()]
    _write(folder / IMPORTANCES, importances)
    record = {
        "kind": kind,
        "rows": train.count,
        "seconds": fitted.seconds,
        "hyperparameters": fitted.hyperparameters,
        "confidence": options.confidence,
        "val": {"auc": asdict(score)},
    }
    _write(folder / TRAINING, record)


def load(folder: Path, model_version: str) -> Baseline:
    """The baseline whose artifact lies in `folder`."""
    training = json.loads((folder / TRAINING).read_text("utf-8"))
    return Baseline(
        kind=training["kind"], model_version=model_version, folder=folder, training=training
    )


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
