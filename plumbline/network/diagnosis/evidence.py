"""What a diagnosis judges by: plain numbers, whichever network and backend they are from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.spec import Task


@dataclass(frozen=True, kw_only=True)
class Column:
    """A number of the training rows, as the network reads it."""

    name: str
    low: float
    high: float
    rms: float
    """Root mean square; 1 after standardization."""

    @property
    def constant(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer with weights, or with units that can die."""

    name: str
    dead: float | None = None
    """Share of its units that are 0 for every probed training row; None: they cannot die."""
    weights: tuple[float, float] | None = None
    """Norm of its trainable weights before training and of those that were kept."""
    gradients: tuple[float, float] | None = None
    """Norm of the loss's gradient by them, over the probed rows, before and after."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How well one side's rows are answered, by whom."""

    loss: float
    trivial_loss: float
    """Of the best constant answer, the training rows' mean."""
    gain_error: float
    """Standard error of the difference between the two."""
    skill: float
    """AUC, mean AUC of several labels, accuracy of several classes, or R²."""
    linear_skill: float
    """Of least squares on the same columns."""
    chance: float
    """Skill of a constant answer."""
    error: float
    """Standard error of the skill, at most."""
    rows: int


@dataclass(frozen=True, kw_only=True)
class Label:
    """The label, and what the kept network says of the validation rows."""

    shares: tuple[float, ...]
    """Of each class among the training rows; of each label's positives; empty: regression."""
    predicted: tuple[float, ...]
    """Of each class among the decisions (the likeliest class) on the validation rows."""
    spread: float
    """Standard deviation of the predictions, as a share of that of the labels: the largest of
    all outputs."""


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """The untrained network on random rows."""

    loss: float
    expected: float
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is judged."""

    task: Task
    hyperparameters: Mapping[str, Any]
    """Of the recipe."""
    loss: Sequence[float]
    """Training loss per epoch as Keras reports it: while the weights move, with dropout and
    penalties."""
    train_loss: Sequence[float]
    """Loss on a fixed sample of the training rows after each epoch, as the network predicts."""
    val_loss: Sequence[float]
    rates: Sequence[float]
    """Mean learning rate of each epoch's steps."""
    moved: Sequence[float]
    """How far all weights lie from where they began, as a share of their initial norm, after
    each epoch."""
    best_epoch: int
    """The first is 1."""
    train: Fit
    """The kept network on the sample of the training rows."""
    val: Fit
    label: Label
    columns: tuple[Column, ...]
    """Numbers, in the matrix's order."""
    layers: tuple[Layer, ...]
    smoke: Smoke | None = None
    waited: float = 0.0
    """Seconds that steps waited for rows."""
    stepped: float = 0.0
    """Seconds of all epochs."""
    unused_gpu: str = ""
    """Name of a GPU that is there and was not used."""

    @property
    def epochs(self) -> int:
        return len(self.loss)

    @property
    def stopped_early(self) -> bool:
        return self.epochs < self.hyperparameters["max_epochs"]
