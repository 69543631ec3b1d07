"""The network from training rows to an artifact, and back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines.auc import delong_interval
from plumbline.network import backend
from plumbline.network.fitting import Fitted, fit
from plumbline.network.predictor import KerasPredictor
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import TrainRows, ValRows

VAL_SCORES, HISTORY, TRAINING = "val_scores.npy", "history.json", "training.json"


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A trained network and how its training went."""

    model_version: str
    folder: Path
    history: dict[str, list[float]]
    """Per epoch: loss, val_loss (both with the weights' penalty), val_auc, learning_rate and
    seconds."""
    training: dict[str, Any]
    """As a baseline's, and smoke_test, backend, best_epoch (the first epoch is 1), epochs,
    parameters (count of weights) and weights_sha256."""

    def predictor(self) -> KerasPredictor:
        """The network, read from the artifact.

        Raises:
            BundleError: its files are not a network.
        """
        return KerasPredictor.load(self.folder)

    def val_scores(self) -> np.ndarray:
        """Scores of the validation rows in order: float64, shape (n,)."""
        return np.load(self.folder / VAL_SCORES, allow_pickle=False)


def build(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    folder: Path,
    *,
    confidence: float = 0.95,
) -> None:
    """Train on the training rows, stop by the validation rows, write the artifact's files.

    The best weights so far lie beside `folder` while training goes on.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
    """
    # Named after the draft, so that the store sweeps both away should this process die.
    work = folder.with_name(f"{folder.name}.checkpoints")
    fitted = fit(train, val, normalization, options, work)
    score = delong_interval(val.labels(), fitted.val_scores, confidence)
    record = {
        **_record(fitted),
        "rows": train.count,
        "confidence": confidence,
        "val": {"auc": asdict(score)},
    }
    fitted.predictor.save(folder)
    np.save(folder / VAL_SCORES, fitted.val_scores, allow_pickle=False)
    _write(folder / HISTORY, fitted.history)
    _write(folder / TRAINING, record)


def load(folder: Path, model_version: str) -> TrainedNetwork:
    """The network whose artifact lies in `folder`."""
    return TrainedNetwork(
        model_version=model_version,
        folder=folder,
        history=json.loads((folder / HISTORY).read_text("utf-8")),
        training=json.loads((folder / TRAINING).read_text("utf-8")),
    )


def _record(fitted: Fitted) -> dict[str, Any]:
    return {
        "kind": "network",
        "backend": backend.name(),
        "seconds": fitted.seconds,
        "hyperparameters": fitted.hyperparameters,
        "epochs": len(fitted.history["loss"]),
        "best_epoch": fitted.best_epoch,
        "parameters": fitted.parameters,
        "weights_sha256": fitted.predictor.weights_sha256(),
        "smoke_test": fitted.smoke_test,
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
