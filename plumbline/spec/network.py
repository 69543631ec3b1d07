"""The Keras network: what it is made of, how it is trained, what is searched for."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from plumbline.spec.options import Fraction, Options, Scalar

ARCHITECTURES = ("auto", "linear", "dense", "resnet", "tabm", "tabm_mini", "realmlp")
"""Built in; anything else is the user's own `module:function`."""

Activation = Literal["sigmoid", "softmax", "linear"]
Loss = Literal[
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
]
Optimizer = Literal["adam", "adamw", "sgd", "rmsprop", "nadam"]
Schedule = Literal["constant", "plateau", "cosine", "cyclical", "one_cycle", "flat_cosine", "coslog"]
Precision = Literal["float32", "bfloat16", "float16"]
Rate = Annotated[float, Field(ge=0, lt=1)]


class BatchPhase(Options):
    """A batch size, up to a share of the epochs."""

    until: float = Field(gt=0, le=1)
    """Share of `max_epochs` after which the next phase begins; 1 for the last one."""
    size: int = Field(ge=1)
    """Rows per step."""


class SearchSpec(Options):
    """A hyperparameter search before the training. It sees training and validation rows only."""

    trials: int = Field(ge=1, le=10_000)
    """Networks to train (count); the budget."""
    seed: int = Field(default=0, ge=0)
    """Seeds the sampler."""
    max_epochs: int | None = Field(default=None, ge=1)
    """Passes over the training rows per trial at most. Unset: `network.max_epochs`."""
    prune: bool = True
    """Give a trial up early whose validation metric lags behind the others'."""
    space: dict[str, list[Scalar] | tuple[float, float]] = {}
    """What is varied: a list of values by the name of an option of `network`, or a pair [low,
    high] of numbers, searched on a logarithmic scale. Empty: the architecture's own space."""


class NetworkSpec(Options):
    """The Keras network and its training.

    What is left out follows from the architecture: see docs/network.md for each one's recipe.
    """

    architecture: str = "auto"
    """linear, dense, resnet, tabm, tabm_mini or realmlp; or `module:function`, a Python function
    of yours that returns a keras.Model. auto: chosen by the size of the table."""
    widths: list[Annotated[int, Field(ge=1)]] | None = Field(default=None, min_length=1)
    """Units of each hidden layer, or of each block."""
    dropout: Rate | list[Rate] | None = None
    """Dropout rate after the hidden layers: one for all, or one each."""
    numeric_embedding: Literal["none", "piecewise_linear", "periodic"] | None = None
    """What becomes of a number before the first layer."""
    embedding_width: int | None = Field(default=None, ge=1, le=1024)
    """Columns that a number is embedded in."""
    bins: int | None = Field(default=None, ge=2, le=512)
    """Intervals of a piecewise-linear embedding: quantiles of the training rows (count)."""
    category_embedding: Literal["one_hot", "learned"] | None = None
    """What becomes of a category before the first layer."""
    members: int | None = Field(default=None, ge=1, le=256)
    """Members of a TabM ensemble (count)."""
    options: dict[str, Scalar] = {}
    """Handed to your own architecture as they are."""

    activation: Activation | None = None
    """Last activation. Follows from the task; a declared one has to agree with it."""
    loss: Loss | None = None
    """Follows from the task; a declared one has to agree with it."""
    label_format: Literal["integer", "one_hot"] | None = None
    """How a multiclass label is handed to the loss."""
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Weight of each class in the loss, by its name; balanced: inverse to its training rows."""
    label_smoothing: Rate = 0.0
    """Share of each label's weight that is spread over all classes."""

    optimizer: Optimizer | None = None
    learning_rate: float | None = Field(default=None, gt=0)
    """Step size at the schedule's height."""
    momentum: Rate | None = None
    """Of sgd and rmsprop."""
    beta_2: Rate | None = None
    """Decay of the squared gradients: adam, adamw, nadam; rho of rmsprop."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Decoupled decay of the kernels; none on biases, scales and embeddings of numbers."""
    l2: float | None = Field(default=None, ge=0)
    """L2 penalty on the hidden kernels."""
    clip_norm: float | None = Field(default=None, ge=0)
    """Bound on the norm of all gradients together; 0 for none."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before the weights move (count)."""
    schedule: Schedule | None = None
    """Course of the learning rate. plateau: reduced when the validation loss stays."""
    warmup: Fraction | None = None
    """Share of the steps over which the learning rate rises from 0 (cosine, one_cycle)."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] | list[BatchPhase] | None = None
    """Rows per step; auto: by the number of training rows; or a list of phases."""
    max_epochs: int | None = Field(default=None, ge=1)
    """Upper bound on passes over the training rows."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a better validation metric before training stops."""
    monitor: str | None = None
    """Metric of the validation rows that training is stopped by: loss, or one of the task's."""

    precision: Literal["auto"] | Precision = "auto"
    """Of the arithmetic; weights stay float32. auto: bfloat16 on a GPU that has it."""
    feeding: Literal["auto", "memory", "stream"] = "auto"
    """memory: all rows on the device. stream: from disk, in bounded memory. auto: memory where
    they fit."""
    devices: Annotated[int, Field(ge=1)] | Literal["all"] = "all"
    """GPUs of this machine that share each batch."""
    deterministic: bool = True
    """Equal seeds give equal bits on the same machine and backend."""
    range_test: bool = False
    """Try learning rates from 1e-7 to 10 before training, and draw what the loss does."""
    search: SearchSpec | None = None
    """Leave out for none."""
    seed: int = Field(default=0, ge=0)
    """Seeds initial weights, dropout and shuffling."""

    @field_validator("architecture")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ARCHITECTURES and not re.fullmatch(r"[\w.]+:\w+", name):
            raise ValueError(
                f"{name!r} is no architecture; choose among {', '.join(ARCHITECTURES)}, "
                "or name a function of your own as module:function"
            )
        return name

    @field_validator("batch_size")
    @classmethod
    def _phases_reach_the_end(cls, size: object) -> object:
        if isinstance(size, list):
            ends = [phase.until for phase in size]
            if ends != sorted(set(ends)) or not ends or ends[-1] != 1:
                raise ValueError(f"phases end at {ends}; give rising shares, the last one 1")
        return size

    @model_validator(mode="after")
    def _one_rate_per_layer(self) -> "NetworkSpec":
        rates, widths = self.dropout, self.widths
        if isinstance(rates, list) and widths is not None and len(rates) != len(widths):
            raise ValueError(
                f"{len(rates)} dropout rates for {len(widths)} widths; give one rate per layer"
            )
        return self
