"""What trains one network: its networks, steps, rows and watch."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plumbline.network import feeding
from plumbline.network.architectures.own import is_own
from plumbline.network.assembly import Networks, assembled
from plumbline.network.callbacks import best_epoch, callbacks
from plumbline.network.diagnosis.diagnosis import watching
from plumbline.network.diagnosis.watch import Watch, Watched
from plumbline.network.examples import Examples, Units, weighed
from plumbline.network.loop import devices, epochs
from plumbline.network.loop.feed import Feed
from plumbline.network.loop.oom import Recovering, Shortage
from plumbline.network.loop.steps import Steps
from plumbline.network.optimisation import precision
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.range_test import range_test
from plumbline.network.optimisation.schedules import rates
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.resume import Resuming, identity
from plumbline.network.smoke import smoke_test
from plumbline.network.table import Table
from plumbline.network.tasks import Objective
from plumbline.spec import NetworkSpec
from plumbline.worker import ALONE, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a training went."""

    history: dict[str, list[float]]
    best_epoch: int
    resumed: list[dict[str, Any]]
    """See `Resuming.resumed`."""


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A network with fresh weights, and all that it takes to train it."""

    recipe: Recipe
    goal: Objective
    train: Examples
    """Weighed as they are in the loss."""
    val: Examples
    networks: Networks
    smoke_test: dict[str, Any]
    """What the untrained network answered."""
    steps: Steps
    feed: Feed
    worker: Worker = ALONE

    @classmethod
    def of(  # noqa: PLR0917
        cls,
        train: Examples,
        val: Examples,
        table: Table,
        goal: Objective,
        options: NetworkSpec,
        work: Path | None,
        worker: Worker = ALONE,
    ) -> "Trainer":
        """Of the training rows, which the caller answers for.

        Raises:
            SpecError, TrainingError: the network cannot be made, or fails its smoke test.
        """
        recipe = resolve(options, table, goal)
        recipe = replace(recipe, precision=precision.chosen(recipe.precision))
        train = weighed(train, goal)
        table = replace(table, auxiliary={one.name: one.goal.outputs for one in train.auxiliary})
        units = Units.of(train.labels, goal)
        networks = assembled(table, goal, units, recipe, options.devices, train.auxiliary, worker)
        answered = smoke_test(
            networks.predictor.network,
            *(table, goal, recipe.seed),
            strict=not is_own(recipe.architecture),
        )
        make = devices.steps_on(networks.devices, worker)
        # A worker that begins an epoch anew by itself would leave the others waiting.
        steps = Recovering(networks.training, make) if worker.alone else make(networks.training)
        feeder = feeding.Feeder(options.feeding, recipe.seed, work)
        return cls(
            recipe=recipe,
            goal=goal,
            train=train,
            val=val,
            networks=networks,
            smoke_test=answered,
            steps=steps,
            feed=feeder.feed(steps, train, goal, units),
            worker=worker,
        )

    def range_tested(self) -> dict[str, Any]:
        """What the loss does at rising learning rates; the weights are as before afterwards."""
        size = batch_sizes(self.recipe)(0)
        return range_test(self.networks.training, self.steps, self.feed, size)

    def watch(self) -> Watch:
        """A watch over the training. Ask for it before the first step."""
        watched = Watched(
            predictor=self.networks.predictor,
            train=self.train,
            val=self.val,
            goal=self.goal,
            units=self.networks.units,
            recipe=self.recipe,
        )
        return watching(
            *(watched, self.networks.training, self.steps, self.feed),
            batch_size=batch_sizes(self.recipe),
            rates=rates(self.recipe),
        )

    def run(self, watch: Watch, work: Path | None, extra: Sequence[Any]) -> Trained:
        """Train until the validation metric stops getting better.

        The networks then hold the weights of the best epoch. work, extra: as `fit_examples`.
        """
        listed = [
            watch.callback(),
            *callbacks(self.networks.training, len(self.train.matrix), self.recipe, log),
            *extra,
        ]
        resuming = self._resuming(work, extra) if work else None
        history = epochs.fit(
            *(self.networks.training, self.steps, self.feed),
            epochs=self.recipe.max_epochs,
            batch_size=batch_sizes(self.recipe),
            rates=rates(self.recipe),
            validate=self._validated,
            callbacks=listed,
            resuming=resuming,
            paced=self.worker.alone,
        )
        if resuming:
            resuming.finished()
        self.networks.settle()  # with the weights that early stopping brought back
        return Trained(
            history={name: [float(one) for one in values] for name, values in history.items()},
            best_epoch=best_epoch(listed),
            resumed=resuming.resumed if resuming else [],
        )

    def facts(self) -> dict[str, Any]:
        """Of the training that has ended: see `Fitted.facts`."""
        auxiliary = {one.name: one.record() for one in self.train.auxiliary}
        return {
            "devices": self.networks.devices,
            "out_of_memory": asdict(self._shortage),
            **self.networks.narrowed(self.val, self.recipe.precision),
            **({"auxiliary": auxiliary} if auxiliary else {}),
        }

    def hyperparameters(self) -> dict[str, Any]:
        """What the network was made and trained with, as JSON types."""
        return {**self.recipe.plain(), **asdict(self.goal)}

    @property
    def _shortage(self) -> Shortage:
        return self.steps.shortage if isinstance(self.steps, Recovering) else Shortage()

    def _validated(self) -> dict[str, float]:
        found = devices.agreed(lambda: self.networks.measured(self.val), self.worker)
        return {f"val_{name}": one for name, one in found.items()}

    def _resuming(self, work: Path, extra: Sequence[Any]) -> Resuming:
        return Resuming(work, self._identity(extra), self.worker, **self._kept())

    def _identity(self, extra: Sequence[Any]) -> str:
        return identity(self.recipe, self.goal, self.train, self.val, extra)

    def _kept(self) -> dict[str, Any]:
        return {"feed": type(self.feed).__name__, "shared_by": self.networks.devices}
