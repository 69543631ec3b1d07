"""Training: from two sides of the split and a seed to a network with the best weights seen."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.leakage import require_side
from plumbline.network import feeding
from plumbline.network.diagnosis.diagnosis import Diagnosis, judged
from plumbline.network.diagnosis.gathering import Ended
from plumbline.network.diagnosis.shapes import require_shapes
from plumbline.network.examples import Examples
from plumbline.network.predictor import KerasPredictor
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective
from plumbline.network.trainer import Trainer
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import Rows, TrainRows, ValRows
from plumbline.worker import ALONE, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network and what is known of its training."""

    predictor: KerasPredictor
    val_scores: np.ndarray
    """Scores of the validation rows in order: float64, shape (n,) or (n, classes)."""
    history: dict[str, list[float]]
    """Per epoch: loss (with the weights' penalty), val_loss and the task's other metrics,
    learning_rate and seconds. Where columns were learned beside the label, loss is the sum that
    was minimized, main_loss the label's part, auxiliary_NAME_loss a column's before its weight
    (Keras' means: on TensorFlow a short last step weighs as much as the others)."""
    best_epoch: int
    """The epoch whose weights were kept; the first is 1."""
    smoke_test: dict[str, Any]
    hyperparameters: dict[str, Any]
    parameters: int
    """Weights (count)."""
    diagnosis: Diagnosis
    seconds: float
    """Wall time of the training, without loading the rows; of a resumed one, since then."""
    facts: dict[str, Any] = field(default_factory=dict)
    """`precision` where it is narrow, `range_test` where it was asked for, `resumed`, `devices`
    (count), `out_of_memory` (see `Shortage`), `feeding` (see `Feeding`), and `auxiliary` where
    columns were learned beside the label: `Auxiliary.record` by name."""


def fit(  # noqa: PLR0917
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    work: Path | None,
    worker: Worker = ALONE,
    memory: int | None = None,
) -> Fitted:
    """Train until the validation rows' metric stops getting better; the best epoch is kept.

    worker: of several, all of which call it with the same arguments and get the same weights.
    memory: as `feeding.loaded`.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
        SpecError: what `options` declare does not go with the rows.
    """
    require_sides(train, val)
    goal = goal_of(train, options)
    examples, watched, fed = feeding.loaded(train, val, normalization, options, work, memory)
    table = Table.of(examples.matrix, normalization)
    fitted = fit_examples(examples, watched, table, goal, options, work, worker=worker)
    return replace(fitted, facts={**fitted.facts, "feeding": fed.record()})


def require_sides(train: TrainRows, val: ValRows) -> None:
    """Raises LeakageError unless `train` is training rows and `val` validation rows."""
    require_side(train, TrainRows, "fitted by the network")
    require_side(val, ValRows, "watched by the network")


def goal_of(rows: Rows, options: NetworkSpec) -> Objective:
    """What is minimized for the labels of `rows`."""
    classes = rows.coding.classes
    return objective(rows.coding.task, len(classes), options, classes)


def fit_examples(  # noqa: PLR0917
    train: Examples,
    val: Examples,
    table: Table,
    goal: Objective,
    options: NetworkSpec,
    work: Path | None,
    extra: Sequence[Any] = (),
    worker: Worker = ALONE,
) -> Fitted:
    """`fit` on transformed rows; the caller answers for `train` being training rows.

    work: where the training's state is kept, and taken up from should this process die. None:
    nowhere. extra: Keras callbacks, which run after the training's own. worker: as `fit`.
    """
    started = time.perf_counter()
    require_shapes({"training": train, "validation": val}, table, goal)
    trainer = Trainer.of(train, val, table, goal, options, work, worker)
    facts = {"range_test": trainer.range_tested()} if options.range_test else {}
    watch = trainer.watch()
    trained = trainer.run(watch, work, extra)
    facts |= {**trainer.facts(), "resumed": trained.resumed}
    seconds = time.perf_counter() - started
    log.info(
        "network: %d epochs in %.0f s; the best is epoch %d with val_loss %.4f",
        *(len(trained.history["loss"]), seconds, trained.best_epoch),
        trained.history["val_loss"][trained.best_epoch - 1],
    )
    predictor = trainer.networks.predictor
    ended = Ended(
        history=trained.history,
        best_epoch=trained.best_epoch,
        val_scores=predictor.predict(val.matrix),
        smoke_test=trainer.smoke_test,
    )
    return Fitted(
        predictor=predictor,
        diagnosis=judged(watch, ended),
        hyperparameters=trainer.hyperparameters(),
        parameters=predictor.network.count_params(),
        seconds=seconds,
        facts=facts,
        **vars(ended),
    )
