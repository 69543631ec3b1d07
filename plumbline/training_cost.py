"""What training a network will cost, told before it is trained: a figure good to a factor of two.

    seconds = trainings · epochs · rows · 6 · parameters · members / rate

A weight that a row meets takes six operations: a product and a sum forward, and twice that
back. Members of an ensemble meet the weights that they share once each.
"""

from itertools import pairwise

import numpy as np

from plumbline.baselines.gate import Cost
from plumbline.environment import accelerator
from plumbline.network.architectures.features import embedding_width
from plumbline.network.architectures.own import is_own
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.table import Table, cardinalities
from plumbline.network.tasks import objective
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import Rows

RATE = {"cpu": 6e10}
"""Operations a second, by device: the middle of what was measured on two cores, see
docs/baselines.md. A GPU's was not measured."""

OPERATIONS = 6
"""Of a weight and a row, forward and back (count)."""


def estimated(
    train: Rows, normalization: Normalization, options: NetworkSpec, *, seeds: int = 1
) -> Cost:
    """The cost of the declared network with each of its seeds, and of the search for its options
    where there is one.

    A search's trials are counted as trainings of the declared network, each to its last epoch.
    """
    device = accelerator()
    if is_own(options.architecture):
        return Cost(seconds=None, told=f"{options.architecture} is not one of Plumbline's own")
    if normalization.images:
        return Cost(seconds=None, told="the cost of images is not known")
    if device not in RATE:
        return Cost(seconds=None, told=f"no rate was measured for a {device}")
    classes = train.coding.classes
    goal = objective(train.coding.task, len(classes), options, classes)
    table = _table(train, normalization)
    recipe = resolve(options, table, goal)
    facts = {
        "trainings": seeds + (options.search.trials if options.search else 0),
        "epochs": recipe.max_epochs,
        "rows": table.rows,
        "parameters": parameters(recipe, table, goal.outputs),
        "members": recipe.members,
    }
    seconds = float(np.prod([float(one) for one in facts.values()])) * OPERATIONS / RATE[device]
    told = " · ".join(f"{value:,} {name}" for name, value in facts.items())
    return Cost(
        seconds=seconds,
        told=f"{told} · {OPERATIONS} / {RATE[device]:.0e} a second on {device}",
        facts={**facts, "operations": OPERATIONS, "rate": RATE[device], "device": device},
    )


def parameters(recipe: Recipe, table: Table, outputs: int) -> int:
    """Weights of the network, near enough: those of its products, without biases and scales."""
    numbers = len(table.numeric_names)
    embedded = recipe.numeric_embedding != "none"
    one_hot = recipe.category_embedding == "one_hot"
    sizes = table.cardinalities
    columns = numbers * (recipe.embedding_width if embedded else 1)
    columns += sum(one if one_hot else embedding_width(one) for one in sizes)
    widths = _widths(recipe)
    chain = [columns, *widths, outputs * (recipe.members if widths else 1)]
    products = sum(a * b for a, b in pairwise(chain))
    vectors = 0 if one_hot else sum(one * embedding_width(one) for one in sizes)
    bins = recipe.bins if recipe.numeric_embedding == "piecewise_linear" else 1
    return products + vectors + (numbers * bins * recipe.embedding_width if embedded else 0)


def _widths(recipe: Recipe) -> list[int]:
    """Columns between the layers, from the first hidden one on."""
    if recipe.architecture == "linear":
        return []
    if recipe.architecture == "resnet":
        first = recipe.widths[0]
        return [first, *(one for width in recipe.widths for one in (2 * width, first))]
    return list(recipe.widths)


def _table(train: Rows, normalization: Normalization) -> Table:
    """Without quantiles, which say nothing of its size."""
    return Table(
        rows=train.count,
        numeric_names=normalization.numeric_names,
        category_names=normalization.category_names,
        cardinalities=cardinalities(normalization),
        quantiles=np.empty((0, 0), dtype=np.float32),
    )
