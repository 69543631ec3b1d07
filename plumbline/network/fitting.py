"""Training: from two sides of the split and a seed to a network with the best weights seen."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import LeakageError
from plumbline.network import architectures, backend, feeding, heads
from plumbline.network.architectures import Network
from plumbline.network.architectures.own import is_own
from plumbline.network.callbacks import best_epoch, callbacks
from plumbline.network.diagnosis.diagnosis import Diagnosis, judged, watching
from plumbline.network.diagnosis.gathering import Ended
from plumbline.network.diagnosis.shapes import require_shapes
from plumbline.network.diagnosis.watch import Watched
from plumbline.network.examples import Examples, Units, weighed
from plumbline.network.loop import devices, epochs
from plumbline.network.loop.feed import Feed
from plumbline.network.loop.oom import Recovering
from plumbline.network.loop.steps import Steps
from plumbline.network.metrics import measured
from plumbline.network.optimisation import precision
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.optimizer import optimizer
from plumbline.network.optimisation.range_test import range_test
from plumbline.network.optimisation.schedules import rates
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.resume import Resuming, identity
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
    diagnosis: Diagnosis
    seconds: float
    """Wall time of the training, without loading the rows; of a resumed one, since then."""
    facts: dict[str, Any] = field(default_factory=dict)
    """`precision` where it is narrow, `range_test` where it was asked for, `resumed`, `devices`
    (count), `out_of_memory` (see `Shortage`), and `feeding` (see `Feeding`)."""


def fit(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    work: Path | None,
) -> Fitted:
    """Train until the validation rows' metric stops getting better; the best epoch is kept.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: the smoke test failed, or the loss or a weight became NaN or infinite.
        SplitError: the validation rows hold one label only.
    """
    require_sides(train, val)
    goal = goal_of(train, options)
    examples, watched, fed = feeding.loaded(train, val, normalization, options, work)
    table = Table.of(examples.matrix, normalization)
    fitted = fit_examples(examples, watched, table, goal, options, work)
    return replace(fitted, facts={**fitted.facts, "feeding": fed.record()})


def require_sides(train: TrainRows, val: ValRows) -> None:
    """Raises LeakageError unless `train` is training rows and `val` validation rows."""
    _require_side(train, TrainRows, "fitted")
    _require_side(val, ValRows, "watched")


def goal_of(rows: Rows, options: NetworkSpec) -> Objective:
    """What is minimized for the labels of `rows`."""
    classes = rows.coding.classes
    return objective(rows.coding.task, len(classes), options, classes)


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
    work: Path | None,
    extra: Sequence[Any] = (),
) -> Fitted:
    """`fit` on transformed rows; the caller answers for `train` being training rows.

    work: where the training's state is kept, and taken up from should this process die. None:
    nowhere. extra: Keras callbacks, which run after the training's own.
    """
    started = time.perf_counter()
    require_shapes({"training": train, "validation": val}, table, goal)
    recipe = resolve(options, table, goal)
    recipe = replace(recipe, precision=precision.chosen(recipe.precision))
    units = Units.of(train.labels, goal)
    train = weighed(train, goal)
    count = devices.chosen(options.devices, map(batch_sizes(recipe), range(recipe.max_epochs)))
    with devices.scope(count):
        training = compiled(table, goal, recipe)
        training.optimizer.build(training.trainable_variables)
    released = _released(training, table, goal, recipe)
    predictor = _predictor(heads.scoring(released, goal, units), train)
    smoke = smoke_test(
        *(predictor.network, table, goal, recipe.seed), strict=not is_own(recipe.architecture)
    )
    facts: dict[str, Any] = {}

    def validate(by: KerasPredictor = predictor) -> dict[str, float]:
        precision.follow(released, training)
        return measured(goal, units, val.labels, by.predict(val.matrix), val.weights)

    stepping = Recovering(training, devices.steps_on(count))
    feed = feeding.Feeder(options.feeding, recipe.seed, work).feed(stepping, train, goal, units)
    if options.range_test:
        facts["range_test"] = range_test(training, stepping, feed, batch_sizes(recipe)(0))
    watched = Watched(
        predictor=predictor, train=train, val=val, goal=goal, units=units, recipe=recipe
    )
    watch = watching(
        *(watched, training, stepping, feed), batch_size=batch_sizes(recipe), rates=rates(recipe)
    )
    named = identity(recipe, goal, train, val, extra)
    best, history, facts["resumed"] = _trained(
        *(training, stepping, feed, recipe, validate),
        callbacks=[watch.callback(), *callbacks(training, len(train.matrix), recipe, log), *extra],
        resuming=Resuming(work, named, feed=type(feed).__name__, shared_by=count) if work else None,
    )
    facts |= {"devices": count, "out_of_memory": asdict(stepping.shortage)}
    kept = validate()
    if released is not training:
        narrow = validate(_predictor(heads.scoring(training, goal, units), train))
        facts["precision"] = precision.checked(recipe.precision, kept, narrow)
    seconds = time.perf_counter() - started
    log.info(
        "network: %d epochs in %.0f s; the best is epoch %d with val_loss %.4f",
        *(len(history["loss"]), seconds, best, history["val_loss"][best - 1]),
    )
    scores = predictor.predict(val.matrix)
    ended = Ended(history=history, best_epoch=best, val_scores=scores, smoke_test=smoke)
    return Fitted(
        predictor=predictor,
        val_scores=scores,
        diagnosis=judged(watch, ended),
        history=history,
        best_epoch=best,
        smoke_test=smoke,
        hyperparameters=hyperparameters(recipe, goal),
        parameters=predictor.network.count_params(),
        seconds=seconds,
        facts=facts,
    )


def compiled(table: Table, goal: Objective, recipe: Recipe) -> Network:
    """A network with fresh weights, ready to train: raw outputs, loss and optimizer."""
    backend.seed(recipe.seed, deterministic=recipe.deterministic)
    with precision.policy(recipe.precision):
        network = architectures.untrained(table, goal.outputs, recipe)
        network.compile(
            optimizer=optimizer(recipe, network),
            loss=heads.loss(
                goal, members=len(network.output.shape) == 3, raw=heads.is_raw(network, goal)
            ),
            jit_compile=backend.jit_compile(),
        )
        # Here, where the devices that share the network are known.
        network.optimizer.build(network.trainable_variables)
    return network


def _released(training: Network, table: Table, goal: Objective, recipe: Recipe) -> Network:
    """The network that scores: in float32, so a twin of one that trains in less."""
    if recipe.precision == "float32":
        return training
    return precision.follow(architectures.untrained(table, goal.outputs, recipe), training)


def _predictor(scoring: Network, train: Examples) -> KerasPredictor:
    scoring.jit_compile = backend.jit_compile()
    return KerasPredictor(network=scoring, names=train.matrix.names)


def _trained(
    training: Network,
    stepping: Steps,
    feed: Feed,
    recipe: Recipe,
    validate: Callable[[], dict[str, float]],
    *,
    callbacks: Sequence[Any],
    resuming: Resuming | None,
) -> tuple[int, dict[str, list[float]], list[dict[str, Any]]]:
    """The best epoch (the first is 1), the history, and when it was taken up again."""
    history = epochs.fit(
        training,
        stepping,
        feed,
        epochs=recipe.max_epochs,
        batch_size=batch_sizes(recipe),
        rates=rates(recipe),
        validate=lambda: {f"val_{name}": value for name, value in validate().items()},
        callbacks=callbacks,
        resuming=resuming,
    )
    if resuming:
        resuming.finished()
    numbers = {name: [float(value) for value in values] for name, values in history.items()}
    return best_epoch(callbacks), numbers, resuming.resumed if resuming else []


def hyperparameters(recipe: Recipe, goal: Objective) -> dict[str, Any]:
    """What the network was made and trained with, as JSON types."""
    return {**recipe.plain(), **asdict(goal)}
