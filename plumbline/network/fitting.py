"""Training: from two matrices and a seed to a network with the best weights seen."""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines.auc import auc
from plumbline.errors import LeakageError
from plumbline.network import backend
from plumbline.network.architecture import Network, embedding_width, inputs, untrained
from plumbline.network.callbacks import SLOWDOWN, callbacks, plateau_patience
from plumbline.network.predictor import KerasPredictor
from plumbline.network.smoke import smoke_test
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import FIRST_VALUE, Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import Rows, TrainRows, ValRows

log = logging.getLogger(__name__)

VAL_BATCH_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Examples:
    """One side of the split, transformed."""

    matrix: Matrix
    labels: np.ndarray
    """0 and 1: int8, shape (len(matrix),)."""

    @classmethod
    def of(cls, rows: Rows, normalization: Normalization) -> "Examples":
        return cls(matrix=load_matrix(rows, normalization), labels=rows.labels())

    @property
    def targets(self) -> np.ndarray:
        """Labels in the shape of the network's output."""
        return self.labels.astype(np.float32)[:, None]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network and what is known of its training."""

    predictor: KerasPredictor
    val_scores: np.ndarray
    """Scores of the validation rows in order: float64, shape (n,)."""
    history: dict[str, list[float]]
    """Per epoch: loss, val_loss (both with the weights' penalty), val_auc, learning_rate and
    seconds."""
    best_epoch: int
    """The epoch whose weights were kept; the first is 1."""
    smoke_test: dict[str, Any]
    hyperparameters: dict[str, Any]
    parameters: int
    """Weights (count)."""
    seconds: float
    """Wall time of the training, without loading the rows."""


def cardinalities(normalization: Normalization) -> tuple[int, ...]:
    """Codes per category column, unknown and missing included."""
    return tuple(FIRST_VALUE + len(one.values) for one in normalization.categories)


def fit(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    work: Path,
) -> Fitted:
    """Train until the validation loss stops falling; the best epoch's weights are kept.

    `work` is made, holds the best weights meanwhile, and is removed.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
    """
    _require_side(train, TrainRows, "fitted")
    _require_side(val, ValRows, "watched")
    return _fit(
        Examples.of(train, normalization),
        Examples.of(val, normalization),
        cardinalities(normalization),
        options,
        work,
    )


def _require_side(rows: Rows, side: type[Rows], use: str) -> None:
    if not isinstance(rows, side):
        raise LeakageError(
            f"{type(rows).__name__} were about to be {use} by the network",
            expected=side.__name__,
            remedy="take the rows from Split.train() and Split.validation()",
        )


def _fit(
    train: Examples,
    val: Examples,
    codes: Sequence[int],
    options: NetworkSpec,
    work: Path,
) -> Fitted:
    started = time.perf_counter()
    network = _compiled(train.matrix, codes, options)
    smoke = smoke_test(network, train.matrix.numeric.shape[1], codes, options.seed)
    best_epoch, history = _trained(network, train, val, options, work)
    predictor = _predictor(network, train.matrix)
    seconds = time.perf_counter() - started
    log.info(
        "network: %d epochs in %.0f s; the best is epoch %d with val_loss %.4f, val AUC %.4f",
        *(len(history["loss"]), seconds, best_epoch),
        *(history[name][best_epoch - 1] for name in ("val_loss", "val_auc")),
    )
    return Fitted(
        predictor=predictor,
        val_scores=predictor.predict(val.matrix),
        history=history,
        best_epoch=best_epoch,
        smoke_test=smoke,
        hyperparameters=_hyperparameters(train.matrix, codes, options),
        parameters=network.count_params(),
        seconds=seconds,
    )


def _compiled(train: Matrix, codes: Sequence[int], options: NetworkSpec) -> Network:
    backend.seed(options.seed)
    import keras

    network = untrained(train.numeric.shape[1], codes, options)
    network.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate),
        loss=keras.losses.BinaryCrossentropy(),
        **backend.compilation(),
    )
    return network


def _trained(
    network: Network, train: Examples, val: Examples, options: NetworkSpec, work: Path
) -> tuple[int, dict[str, list[float]]]:
    watched = KerasPredictor(network=network, names=train.matrix.names)
    work.mkdir(parents=True)
    try:
        history = network.fit(
            inputs(train.matrix),
            train.targets,
            batch_size=options.batch_size,
            epochs=options.max_epochs,
            verbose=0,
            validation_data=(inputs(val.matrix), val.targets),
            validation_batch_size=VAL_BATCH_ROWS,
            callbacks=callbacks(
                network,
                train.matrix,
                options,
                val_auc=lambda: auc(val.labels, watched.predict(val.matrix)),
                best_weights=work / "best.weights.h5",
                log=log,
            ),
        ).history
    finally:
        shutil.rmtree(work, ignore_errors=True)
    losses = history["val_loss"]
    return losses.index(min(losses)) + 1, {k: [float(v) for v in history[k]] for k in history}


def _predictor(network: Network, train: Matrix) -> KerasPredictor:
    """The network alone: a compiled one would be saved with its optimizer, twice its size."""
    import keras

    alone: Network = keras.Model(network.input, network.output, name=network.name)
    alone.jit_compile = backend.compilation()["jit_compile"]
    return KerasPredictor(network=alone, names=train.names)


def _hyperparameters(train: Matrix, codes: Sequence[int], options: NetworkSpec) -> dict[str, Any]:
    widths = map(embedding_width, codes)
    return {
        **options.model_dump(mode="json"),
        "optimizer": "adam",
        "loss": "binary_crossentropy",
        "embedding_widths": dict(zip(train.category_names, widths, strict=True)),
        "plateau_patience": plateau_patience(options),
        "plateau_factor": SLOWDOWN,
    }
