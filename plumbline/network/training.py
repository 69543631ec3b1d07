"""The network from training rows to an artifact, and back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines import cost
from plumbline.metrics.delong import delong_interval
from plumbline.metrics.measured import per_class
from plumbline.network import backend, hardware
from plumbline.network.diagnosis import report
from plumbline.network.diagnosis.findings import Finding
from plumbline.network.examples import class_weights
from plumbline.network.fitting import Fitted, fit, goal_of
from plumbline.network.loop import devices
from plumbline.network.predictor import KerasPredictor
from plumbline.normalization.apply import transform
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import TrainRows, ValRows
from plumbline.store import workplace
from plumbline.worker import ALONE, Worker

VAL_SCORES, HISTORY, TRAINING = "val_scores.npy", "history.json", "training.json"


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A trained network and how its training went."""

    model_version: str
    folder: Path
    history: dict[str, list[float]]
    """Per epoch: loss (with the weights' penalty, of weighed rows), val_loss and the task's
    other metrics with val_ before their names, learning_rate and seconds."""
    training: dict[str, Any]
    """As a baseline's, with bytes and latency, and smoke_test, backend, best_epoch (the first
    epoch is 1), epochs, parameters (count of weights), weights_sha256 and weights (of rows and
    classes). val holds the metrics of the best epoch, and what is known of each class; auc with
    its interval only for the binary task."""
    findings: tuple[Finding, ...]
    """What its diagnosis found."""

    @property
    def metric(self) -> str:
        """What training was stopped by; where that is the loss, the task's first metric."""
        named = self.training["hyperparameters"]
        return named["metrics"][0] if named["monitor"] == "loss" else named["monitor"]

    def predictor(self) -> KerasPredictor:
        """The network, read from the artifact.

        Raises:
            BundleError: its files are not a network.
        """
        return KerasPredictor.load(self.folder)

    def val_scores(self) -> np.ndarray:
        """Scores of the validation rows in order: float64, shape (n,) or (n, outputs)."""
        return np.load(self.folder / VAL_SCORES, allow_pickle=False)


def build(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    folder: Path,
    *,
    confidence: float = 0.95,
    worker: Worker = ALONE,
    memory: int | None = None,
) -> None:
    """Train on the training rows, stop by the validation rows, write the artifact's files.

    The training's state lies beside `folder` while it goes on, and is taken up from there by
    the next process that trains the same network, should this one die. worker: of several, all
    of which call it with the same arguments; the first one writes. memory: as `feeding.loaded`.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
        SpecError: what `options` declare does not go with the task, or names unknown classes.
    """
    with hardware.Watch() as watch:
        fitted = fit(train, val, normalization, options, workplace(folder), worker, memory)
    if worker.first:
        record = {
            "hardware": {**hardware.facts(), **watch.record()},
            "rows": train.count,
            "weights": {"column": train.weight, "classes": _class_weights(train, options)},
            "confidence": confidence,
            "val": _validated(val, fitted, confidence),
        }
        _publish(fitted, record, val, normalization, folder)
    devices.agreed(lambda: None, worker)  # until all is written: others see one that leaves


def _publish(
    fitted: Fitted,
    further: dict[str, Any],
    val: ValRows,
    normalization: Normalization,
    folder: Path,
) -> None:
    """Write the artifact's files; further: what its record says beside what `fitted` does."""
    saved = _saved(fitted.predictor, folder)
    record = {
        **_record(fitted),
        **saved,
        "latency": _latency(fitted.predictor, val, normalization),
        **further,
    }
    fitted.diagnosis.log()
    fitted.diagnosis.write(folder)
    np.save(folder / VAL_SCORES, fitted.val_scores, allow_pickle=False)
    _write(folder / HISTORY, fitted.history)
    _write(folder / TRAINING, record)


def _saved(predictor: KerasPredictor, folder: Path) -> dict[str, int]:
    """Write the network; bytes: of its files."""
    before = cost.size(folder)
    predictor.save(folder)
    return {"bytes": cost.size(folder) - before}


def _latency(
    predictor: KerasPredictor, val: ValRows, normalization: Normalization
) -> dict[str, float]:
    """As `cost.latency`, in the calls of the evaluation; of the first validation rows."""
    rows = next(val.batches(normalization.columns, cost.BULK_ROWS))
    return cost.latency(predictor, transform(normalization, rows))


def _validated(val: ValRows, fitted: Fitted, confidence: float) -> dict[str, Any]:
    """What the kept network does on the validation rows, as JSON types.

    The AUC's interval counts every row alike, as the baselines' do.
    """
    labels, scores = val.labels(), fitted.val_scores
    found: dict[str, Any] = {
        "metrics": {
            name.removeprefix("val_"): values[fitted.best_epoch - 1]
            for name, values in fitted.history.items()
            if name.startswith("val_")
        }
    }
    if val.coding.task == "binary":
        found["auc"] = asdict(delong_interval(labels, scores, confidence))
    if val.coding.task != "regression":
        found["classes"] = _by_class(val, labels, scores)
    return found


def _by_class(val: ValRows, labels: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    names = val.coding.classes[1:] if val.coding.task == "binary" else val.coding.classes
    told = per_class(labels, scores, val.weights())
    return [{"class": name, **one} for name, one in zip(names, told, strict=True)]


def _class_weights(train: TrainRows, options: NetworkSpec) -> dict[str, float] | None:
    goal = goal_of(train, options)
    if goal.class_weights is None:
        return None
    weights = class_weights(train.labels(), goal)
    return dict(zip(train.coding.classes, weights.tolist(), strict=True))


def load(folder: Path, model_version: str) -> TrainedNetwork:
    """The network whose artifact lies in `folder`."""
    return TrainedNetwork(
        model_version=model_version,
        folder=folder,
        history=json.loads((folder / HISTORY).read_text("utf-8")),
        training=json.loads((folder / TRAINING).read_text("utf-8")),
        findings=report.read(folder),
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
        **fitted.facts,
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
