"""Training: from two sides of the split and a seed to a network with the best weights seen."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.errors import LeakageError
from plumbline.network import feeding
from plumbline.network.architectures.own import is_own
from plumbline.network.assembly import Networks, assembled
from plumbline.network.callbacks import best_epoch, callbacks
from plumbline.network.diagnosis.diagnosis import Diagnosis, judged, watching
from plumbline.network.diagnosis.gathering import Ended
from plumbline.network.diagnosis.shapes import require_shapes
from plumbline.network.diagnosis.watch import Watch, Watched
from plumbline.network.examples import Examples, Units, weighed
from plumbline.network.loop import devices, epochs
from plumbline.network.loop.feed import Feed
from plumbline.network.loop.oom import Recovering
from plumbline.network.loop.steps import Steps
from plumbline.network.optimisation import precision
from plumbline.network.optimisation.batches import batch_sizes
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


def fit_examples(  # noqa: PLR0917
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
    train = weighed(train, goal)
    networks = assembled(table, goal, Units.of(train.labels, goal), recipe, options.devices)
    smoke = smoke_test(
        networks.predictor.network,
        *(table, goal, recipe.seed),
        strict=not is_own(recipe.architecture),
    )
    stepping = Recovering(networks.training, devices.steps_on(networks.devices))
    feeder = feeding.Feeder(options.feeding, recipe.seed, work)
    feed = feeder.feed(stepping, train, goal, networks.units)
    facts = _range_tested(networks, stepping, feed, recipe) if options.range_test else {}
    watch = _watch(networks, stepping, feed, train, val, recipe)
    named = identity(recipe, goal, train, val, extra)
    kept = {"feed": type(feed).__name__, "shared_by": networks.devices}
    trained = _trained(
        *(networks, stepping, feed, val, recipe),
        callbacks=[
            watch.callback(),
            *callbacks(networks.training, len(train.matrix), recipe, log),
            *extra,
        ],
        resuming=Resuming(work, named, **kept) if work else None,
    )
    facts |= {"devices": networks.devices, "out_of_memory": asdict(stepping.shortage)}
    networks.settle()  # with the weights that early stopping brought back
    facts |= {"resumed": trained.resumed, **networks.narrowed(val, recipe.precision)}
    seconds = time.perf_counter() - started
    log.info(
        "network: %d epochs in %.0f s; the best is epoch %d with val_loss %.4f",
        *(len(trained.history["loss"]), seconds, trained.best_epoch),
        trained.history["val_loss"][trained.best_epoch - 1],
    )
    scores = networks.predictor.predict(val.matrix)
    ended = Ended(
        history=trained.history,
        best_epoch=trained.best_epoch,
        val_scores=scores,
        smoke_test=smoke,
    )
    return Fitted(
        predictor=networks.predictor,
        val_scores=scores,
        diagnosis=judged(watch, ended),
        history=trained.history,
        best_epoch=trained.best_epoch,
        smoke_test=smoke,
        hyperparameters=hyperparameters(recipe, goal),
        parameters=networks.predictor.network.count_params(),
        seconds=seconds,
        facts=facts,
    )


def _range_tested(
    networks: Networks, stepping: Steps, feed: Feed, recipe: Recipe
) -> dict[str, Any]:
    size = batch_sizes(recipe)(0)
    return {"range_test": range_test(networks.training, stepping, feed, size)}


def _watch(  # noqa: PLR0917
    networks: Networks,
    stepping: Steps,
    feed: Feed,
    train: Examples,
    val: Examples,
    recipe: Recipe,
) -> Watch:
    watched = Watched(
        predictor=networks.predictor,
        train=train,
        val=val,
        goal=networks.goal,
        units=networks.units,
        recipe=recipe,
    )
    return watching(
        *(watched, networks.training, stepping, feed),
        batch_size=batch_sizes(recipe),
        rates=rates(recipe),
    )


@dataclass(frozen=True, kw_only=True)
class _Trained:
    best_epoch: int
    history: dict[str, list[float]]
    resumed: list[dict[str, Any]]


def _trained(
    networks: Networks,
    stepping: Steps,
    feed: Feed,
    val: Examples,
    recipe: Recipe,
    *,
    callbacks: Sequence[Any],
    resuming: Resuming | None,
) -> _Trained:
    history = epochs.fit(
        networks.training,
        stepping,
        feed,
        epochs=recipe.max_epochs,
        batch_size=batch_sizes(recipe),
        rates=rates(recipe),
        validate=lambda: {f"val_{name}": one for name, one in networks.measured(val).items()},
        callbacks=callbacks,
        resuming=resuming,
    )
    if resuming:
        resuming.finished()
    return _Trained(
        best_epoch=best_epoch(callbacks),
        history={name: [float(one) for one in values] for name, values in history.items()},
        resumed=resuming.resumed if resuming else [],
    )


def hyperparameters(recipe: Recipe, goal: Objective) -> dict[str, Any]:
    """What the network was made and trained with, as JSON types."""
    return {**recipe.plain(), **asdict(goal)}
