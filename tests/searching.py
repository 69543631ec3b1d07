"""A search whose networks are not trained: what a trial reaches is a formula of its options.

The formula is a valley with its bottom at a learning rate of 0.01; rates above `DIVERGES` fail.
"""

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.examples import Examples
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.search import trial
from plumbline.search.problem import Problem
from plumbline.spec import NetworkSpec

DIVERGES = 0.5
EPOCHS = 8
SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1.0},
    "width": {"low": 4, "high": 64},
    "optimizer": ["adam", "adamw"],
}


def examples(rows: int = 64, seed: int = 0) -> Examples:
    """A label that follows the first of three numbers."""
    draw = np.random.default_rng(seed)
    numeric = draw.standard_normal((rows, 3), dtype=np.float32)
    matrix = Matrix(
        numeric=numeric,
        codes=np.zeros((rows, 0), dtype=np.int32),
        numeric_names=("a", "b", "c"),
        category_names=(),
    )
    return Examples(matrix=matrix, labels=(numeric[:, 0] > 0).astype(np.int8))


def problem(search: dict[str, Any], **options: Any) -> Problem:
    declared = NetworkSpec.model_validate(
        {"architecture": "dense", "max_epochs": EPOCHS, "batch_size": 32, **options}
        | {"search": {"space": SPACE, **search}}
    )
    assert declared.search
    train = examples()
    return Problem(
        train=train,
        val=examples(seed=1),
        table=Table.described(train.matrix, ()),
        goal=lambda chosen: objective("binary", 2, chosen),
        options=declared,
        budget=declared.search,
    )


class Untrained:
    """Stands in for `fit_examples`; `before` is called ahead of each epoch and may raise."""

    def __init__(self, before: Callable[[int, int], None] = lambda _trial, _epoch: None):
        self.before = before
        self.trials = 0
        self.specs: list[NetworkSpec] = []

    def __call__(
        self, *given: Any, work: None, extra: Sequence[Any]
    ) -> Any:  # as `fit_examples`, whose options come last
        spec: NetworkSpec = given[-1]
        self.trials += 1
        self.specs.append(spec)
        curve = []
        for epoch in range(spec.max_epochs or 0):
            self.before(self.trials, epoch)
            curve.append(reached(spec, epoch))
            for callback in extra:
                callback.on_epoch_end(epoch, {"val_loss": curve[-1]})
        return SimpleNamespace(history={"val_loss": curve}, best_epoch=int(np.argmin(curve)) + 1)


def reached(spec: NetworkSpec, epoch: int) -> float:
    """The validation loss after an epoch."""
    rate, width = spec.learning_rate or 0.0, (spec.widths or [1])[0]
    if rate > DIVERGES:
        raise TrainingError(f"the network's loss is nan at a rate of {rate:.3g}")
    return math.log10(rate / 0.01) ** 2 + abs(width - 32) / 64 + 1 / (epoch + 1)


def stand_in(patch: Any, before: Callable[[int, int], None] = lambda _trial, _epoch: None):
    """Put an `Untrained` in the place of the training."""
    instead = Untrained(before)
    patch.setattr(trial, "fit_examples", instead)
    return instead
