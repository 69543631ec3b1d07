"""Training: from two sides of the split and a seed to a network with the best weights seen."""

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import LeakageError
from plumbline.network import architectures, backend, heads
from plumbline.network.architectures import Network
from plumbline.network.callbacks import callbacks
from plumbline.network.examples import Examples, Units, arrays
from plumbline.network.loop import epochs
from plumbline.network.loop.feed import InMemory
from plumbline.network.loop.steps import steps
from plumbline.network.metrics import GREATER_IS_BETTER, measured
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.optimizer import optimizer
from plumbline.network.optimisation.schedules import rates
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.smoke import smoke_test
from plumbline.network.table import Table
from plumbline.network.tasks import Objective, objective
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import Rows, TrainRows, ValRows

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network and what is known of its training."""

    predictor: KerasPredictor
    val_scores: np.ndarray
    """Scores of the validation rows in order: float64, shape (n,) or (n, classes)."""
    history: dict[str, list[float]]
    """Per epoch: loss (with the weights' penalty), val_loss and the task's other metrics,
    learning_rate and seconds."""
    best_epoch: int
    """The epoch whose weights were kept; the first is 1."""
    smoke_test: dict[str, Any]
    hyperparameters: dict[str, Any]
    parameters: int
    """Weights (count)."""
    seconds: float
    """Wall time of the training, without loading the rows."""


def fit(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    work: Path,
) -> Fitted:
    """Train until the validation rows' metric stops getting better; the best epoch is kept.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
    """
    _require_side(train, TrainRows, "fitted")
    _require_side(val, ValRows, "watched")
    goal = objective(train.coding.task, len(train.coding.classes), options)
    examples = Examples.of(train, normalization)
    table = Table.of(examples.matrix, normalization)
    return fit_examples(examples, Examples.of(val, normalization), table, goal, options, work)


def _require_side(rows: Rows, side: type[Rows], use: str) -> None:
    if not isinstance(rows, side):
        raise LeakageError(
            f"{type(rows).__name__} were about to be {use} by the network",
            expected=side.__name__,
            remedy="take the rows from Split.train() and Split.validation()",
        )


def fit_examples(
    train: Examples,
    val: Examples,
    table: Table,
    goal: Objective,
    options: NetworkSpec,
    work: Path,
) -> Fitted:
    """`fit` on transformed rows; the caller answers for `train` being training rows."""
    started = time.perf_counter()
    recipe = resolve(options, table, goal)
    units = Units.of(train.labels, goal)
    training = compiled(table, goal, recipe)
    predictor = _predictor(heads.scoring(training, goal, units), train)
    smoke = smoke_test(predictor.network, table, goal, recipe.seed)
    best_epoch, history = _trained(training, predictor, train, val, goal, units, recipe, work)
    seconds = time.perf_counter() - started
    log.info(
        "network: %d epochs in %.0f s; the best is epoch %d with val_loss %.4f",
        *(len(history["loss"]), seconds, best_epoch, history["val_loss"][best_epoch - 1]),
    )
    return Fitted(
        predictor=predictor,
        val_scores=predictor.predict(val.matrix),
        history=history,
        best_epoch=best_epoch,
        smoke_test=smoke,
        hyperparameters=hyperparameters(recipe, goal),
        parameters=predictor.network.count_params(),
        seconds=seconds,
    )


def compiled(table: Table, goal: Objective, recipe: Recipe) -> Network:
    """A network with fresh weights, ready to train: raw outputs, loss and optimizer."""
    backend.seed(recipe.seed)
    network = architectures.untrained(table, goal.outputs, recipe)
    network.compile(
        optimizer=optimizer(recipe),
        loss=heads.loss(goal, members=len(network.output.shape) == 3),
        jit_compile=backend.jit_compile(),
    )
    return network


def _predictor(scoring: Network, train: Examples) -> KerasPredictor:
    scoring.jit_compile = backend.jit_compile()
    return KerasPredictor(network=scoring, names=train.matrix.names)


def _trained(
    training: Network,
    predictor: KerasPredictor,
    train: Examples,
    val: Examples,
    goal: Objective,
    units: Units,
    recipe: Recipe,
    work: Path,  # noqa: ARG001
) -> tuple[int, dict[str, list[float]]]:
    def validate() -> dict[str, float]:
        found = measured(goal, units, val.labels, predictor.predict(val.matrix))
        return {f"val_{name}": value for name, value in found.items()}

    stepping = steps(training)
    history = epochs.fit(
        training,
        stepping,
        InMemory(stepping, arrays(train, goal, units), len(train.matrix), recipe.seed),
        epochs=recipe.max_epochs,
        batch_size=batch_sizes(recipe),
        rates=rates(recipe),
        validate=validate,
        callbacks=callbacks(training, train.matrix, recipe, log),
    )
    watched = history[f"val_{recipe.monitor}"]
    best = max(watched) if recipe.monitor in GREATER_IS_BETTER else min(watched)
    return watched.index(best) + 1, {k: [float(v) for v in history[k]] for k in history}


def hyperparameters(recipe: Recipe, goal: Objective) -> dict[str, Any]:
    """What the network was made and trained with, as JSON types."""
    return {**asdict(recipe), **asdict(goal)}
