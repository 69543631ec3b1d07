"""The network that trains, and the one that scores with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from plumbline.network import architectures, backend, heads
from plumbline.network.architectures import Network
from plumbline.network.auxiliary import Auxiliary
from plumbline.network.compiling import jit_compile
from plumbline.network.examples import Examples, Units
from plumbline.network.loop import devices
from plumbline.network.metrics import measured
from plumbline.network.optimisation import precision
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.optimisation.optimizer import optimizer
from plumbline.network.predictor import KerasPredictor
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table
from plumbline.network.tasks import Objective
from plumbline.worker import ALONE, Worker


@dataclass(frozen=True, kw_only=True)
class Networks:
    """One set of weights, trained by one network and judged by another."""

    training: Network
    """Compiled; its outputs are raw."""
    float32: Network
    """`training` itself, or its twin in float32 where that trains in less."""
    predictor: KerasPredictor
    """What is released."""
    goal: Objective
    units: Units
    devices: int
    """That share each batch (count)."""

    def settle(self) -> None:
        """Let the network that scores have the weights of the moment."""
        precision.follow(self.float32, self.training)

    def measured(self, val: Examples) -> dict[str, float]:
        """The metrics of the weights of the moment, as they will be released."""
        self.settle()
        return self._judged(self.predictor, val)

    def narrowed(self, val: Examples, kind: str) -> dict[str, object]:
        """What scoring in the training's precision would change; empty for float32."""
        if self.float32 is self.training:
            return {}
        scoring = heads.scoring(self.training, self.goal, self.units)
        narrow = self._judged(_predictor(scoring, self.predictor.names), val)
        return {"precision": precision.checked(kind, self.measured(val), narrow)}

    def _judged(self, by: KerasPredictor, val: Examples) -> dict[str, float]:
        scores = by.predict(val.matrix)
        return measured(self.goal, self.units, val.labels, scores, val.weights)


def assembled(  # noqa: PLR0917
    table: Table,
    goal: Objective,
    units: Units,
    recipe: Recipe,
    shared_by: int | Literal["all"],
    auxiliary: Sequence[Auxiliary] = (),
    worker: Worker = ALONE,
) -> Networks:
    """The networks of a recipe, with fresh weights.

    shared_by: devices that are to share each batch, as `network.devices` declares them.
    auxiliary: what is learned beside the label; `table` knows their outputs. worker: that
    trains them with others.
    """
    sizes = [*map(batch_sizes(recipe), range(recipe.max_epochs))]
    count = devices.chosen(shared_by, sizes, worker)
    with devices.scope(count, worker):
        training = compiled(table, goal, recipe, auxiliary)
    count = devices.settled(training, count, shared_by, sizes)
    float32 = _float32(training, table, goal, recipe)
    return Networks(
        training=training,
        float32=float32,
        predictor=_predictor(
            heads.scoring(float32, goal, units), (*table.numeric_names, *table.category_names)
        ),
        goal=goal,
        units=units,
        devices=count,
    )


def compiled(
    table: Table, goal: Objective, recipe: Recipe, auxiliary: Sequence[Auxiliary] = ()
) -> Network:
    """A network with fresh weights, ready to train: raw outputs, loss and optimizer."""
    backend.seed(recipe.seed, deterministic=recipe.deterministic)
    with precision.policy(recipe.precision):
        network = architectures.untrained(table, goal.outputs, recipe)
        network.compile(
            optimizer=optimizer(recipe, network),
            **heads.losses(network, goal, auxiliary),
            jit_compile=jit_compile(network),
        )
        # Here, where the devices that share the network are known.
        network.optimizer.build(network.trainable_variables)
        if auxiliary:  # each head's loss has variables of its own, which count rows
            network._compile_loss.build(network.output, network.output)
    return network


def _float32(training: Network, table: Table, goal: Objective, recipe: Recipe) -> Network:
    if recipe.precision == "float32":
        return training
    return precision.follow(architectures.untrained(table, goal.outputs, recipe), training)


def _predictor(scoring: Network, names: tuple[str, ...]) -> KerasPredictor:
    scoring.jit_compile = jit_compile(scoring)
    return KerasPredictor(network=scoring, names=names)
