"""A baseline from training rows to an artifact, and back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from plumbline.baselines import boosted_trees, cost, dummy, early_stopping, linear, random_forest
from plumbline.baselines.examples import Examples
from plumbline.baselines.feeding import Feeding, Room, loaded
from plumbline.baselines.fitted import Fitted
from plumbline.baselines.importances import Sample, importances
from plumbline.baselines.predictor import Predictor
from plumbline.baselines.score import validated
from plumbline.normalization.parameters import Normalization
from plumbline.spec import BaselinesSpec
from plumbline.split.rows import TrainRows, ValRows
from plumbline.store import workplace

Kind = Literal["random_forest", "xgboost", "dummy", "linear"]

FLOOR: tuple[Kind, ...] = ("dummy", "linear")
"""What anything has to beat: reported, and in one artifact."""

_LOAD: dict[str, Callable[[Path], Predictor]] = {
    "random_forest": random_forest.RandomForest.load,
    "xgboost": boosted_trees.BoostedTrees.load,
    "dummy": dummy.Dummy.load,
    "linear": linear.Linear.load,
}
VAL_SCORES, IMPORTANCES, TRAINING = "val_scores.npy", "importances.json", "training.json"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A trained baseline and how it does on the validation rows."""

    kind: str
    model_version: str
    folder: Path
    training: dict[str, Any]
    """kind, rows, seconds, hyperparameters, confidence, bytes (of the model's files), latency
    (microseconds: see `cost.latency`), feeding (see `Feeding`), val (see `score.validated`), of
    a linear model iterations and converged, and early_stopping where it was asked for (see
    `early_stopping.measured`)."""

    def predictor(self) -> Predictor:
        """The model, read from the artifact.

        Raises:
            BundleError: its files are not a model.
        """
        return _LOAD[self.kind](self.folder)

    def val_scores(self) -> np.ndarray:
        """Scores of the validation rows in order: float64, shape (n,) or (n, outputs)."""
        return np.load(self.folder / VAL_SCORES, allow_pickle=False)

    def importances(self) -> list[dict[str, Any]]:
        """{feature, importance, permutation, shap} of every column, the greatest gain first."""
        return json.loads((self.folder / IMPORTANCES).read_text("utf-8"))


def build(  # noqa: PLR0917
    kind: Kind,
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: BaselinesSpec,
    folder: Path,
    *,
    memory: int | None = None,
) -> None:
    """Fit on the training rows, score the validation rows, write the artifact's files.

    memory: that may be held meanwhile (bytes); None: not known. It changes no number.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the training rows hold nothing to tell apart.
        SplitError: the validation rows hold one label only.
        StoreUnwritable: rows are to lie in files, and the disk has no room for them.
    """
    sides = loaded(train, val, normalization, Room(memory, workplace(folder)))
    fit_and_write(kind, *sides, options, folder)


def build_floor(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: BaselinesSpec,
    folder: Path,
    *,
    memory: int | None = None,
) -> None:
    """As `build`, each of the floor's models in a folder of its own.

    Raises:
        LeakageError, TrainingError, SplitError, StoreUnwritable: as `build`.
    """
    sides = loaded(train, val, normalization, Room(memory, workplace(folder)))
    for kind in FLOOR:
        (folder / kind).mkdir()
        fit_and_write(kind, *sides, options, folder / kind)


def load(folder: Path, model_version: str) -> Baseline:
    """The baseline whose artifact lies in `folder`."""
    training = json.loads((folder / TRAINING).read_text("utf-8"))
    return Baseline(
        kind=training["kind"], model_version=model_version, folder=folder, training=training
    )


def fit_and_write(  # noqa: PLR0917
    kind: Kind,
    given: Examples,
    beside: Examples,
    feeding: Feeding,
    options: BaselinesSpec,
    folder: Path,
    *,
    rows: int | None = None,
) -> None:
    """`build` on transformed rows; the caller answers for `given` being training rows.

    rows: that the model is fitted on, where other workers bring some, too (count).
    """
    fitted = fit(kind, given, options)
    fitted.predictor.save(folder)
    record = {
        "kind": kind,
        "rows": rows or len(given.labels),
        "seconds": fitted.seconds,
        "hyperparameters": fitted.hyperparameters,
        **fitted.facts,
        "confidence": options.confidence,
        "bytes": cost.size(folder),
        "latency": cost.latency(fitted.predictor, beside.matrix),
        "feeding": feeding.record(),
    }
    scores = fitted.predictor.predict(beside.matrix)
    np.save(folder / VAL_SCORES, scores, allow_pickle=False)
    val = validated(
        *(given.task, beside.labels, scores, beside.weights),
        *(options.confidence, options.seed),
    )
    _write(folder / IMPORTANCES, _importances(fitted, given, beside, options.seed))
    if kind == "xgboost" and options.early_stopping:
        record["early_stopping"] = early_stopping.measured(given, beside, options)
    _write(folder / TRAINING, {**record, "val": val})


def fit(kind: Kind, given: Examples, options: BaselinesSpec) -> Fitted:
    """A model of a kind; the caller answers for `given` being training rows."""
    match kind:
        case "random_forest":
            return random_forest.fit_examples(given, options.seed, memory=options.forest_gib)
        case "xgboost":
            return boosted_trees.fit_examples(given, options.seed)
        case "dummy":
            return dummy.fit_examples(given)
        case "linear":
            return linear.fit_examples(given)


def _importances(
    fitted: Fitted, given: Examples, beside: Examples, seed: int
) -> list[dict[str, Any]]:
    val = Sample(
        matrix=beside.matrix, labels=beside.labels, weights=beside.weights, task=given.task
    )
    return importances(fitted.predictor, fitted.importances, val, given.nulls, seed)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), "utf-8")
