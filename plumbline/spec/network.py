"""The Keras network: what it is made of, how it is trained, what is searched for."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from plumbline.spec.auxiliary import MAIN, AuxiliarySpec
from plumbline.spec.options import Options, Scalar
from plumbline.spec.search import Range, SearchSpec, first, placed

ARCHITECTURES = ("auto", "linear", "dense", "resnet", "tabm", "tabm_mini", "realmlp")
"""Built in; anything else is the user's own `module:function`."""

Augmentation = Literal["shift", "rotate", "flip_horizontal", "flip_vertical"]
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
OPTIMIZER_OPTIONS: Mapping[Optimizer, frozenset[str]] = MappingProxyType(
    {
        "adam": frozenset({"beta_2"}),
        "adamw": frozenset({"beta_2", "weight_decay"}),
        "sgd": frozenset({"momentum", "weight_decay"}),
        "rmsprop": frozenset({"momentum", "beta_2", "weight_decay"}),
        "nadam": frozenset({"beta_2", "weight_decay"}),
    }
)
"""What an optimizer reads besides learning_rate, clip_norm and accumulation_steps. adam takes no
weight decay: with a decoupled one it is adamw (Loshchilov and Hutter 2019)."""

Schedule = Literal[
    "constant", "plateau", "cosine", "cyclical", "one_cycle", "flat_cosine", "coslog"
]
Precision = Literal["float32", "bfloat16", "float16"]
Rate = Annotated[float, Field(ge=0, lt=1)]


class BatchPhase(Options):
    """A batch size, up to a share of the epochs."""

    until: float = Field(gt=0, le=1)
    """Share of `max_epochs` after which the next phase begins; 1 for the last one."""
    size: int = Field(ge=1)
    """Rows per step."""


class NetworkSpec(Options):
    """The Keras network and its training.

    What is left out follows from the architecture: see docs/network.md for each one's recipe.
    """

    architecture: str = "auto"
    """linear, dense, resnet, tabm, tabm_mini or realmlp; or `module:function`, a Python function
    of yours that returns a keras.Model. auto: tabm_mini, or dense for a table too large for it."""
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
    batch_normalization: bool | None = None
    """Normalize the sums of each hidden layer over the batch. Of dense only."""
    augmentation: list[Augmentation] | None = None
    """What is done to images at random in training, because it leaves the label as it is: shift
    (up to a tenth), rotate (up to 18 degrees). Without: shift. []: nothing."""
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
    auxiliary: dict[str, AuxiliarySpec] = {}
    """Columns under source.drop, each with a head of its own that helps to train and is not
    released: by name, a block of task and weight."""

    optimizer: Optimizer | None = None
    """How gradients become steps."""
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
    warmup: Rate | None = None
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
    """Devices of this machine that share each batch. all: every GPU; on a CPU, with JAX, two
    replicas where that pays."""
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

    @field_validator("class_weights", mode="before")
    @classmethod
    def _named_as_yaml_reads_them(cls, weights: Any) -> Any:
        if not isinstance(weights, dict):
            return weights
        names = [int(name) if isinstance(name, bool) else name for name in weights]
        return dict(zip(map(str, names), weights.values(), strict=True))

    @field_validator("auxiliary")
    @classmethod
    def _main_is_the_labels(cls, auxiliary: dict[str, AuxiliarySpec]) -> dict[str, AuxiliarySpec]:
        if MAIN in auxiliary:
            raise ValueError(f"{MAIN!r} names the label's head; rename the column in the SQL")
        return auxiliary

    @field_validator("batch_size")
    @classmethod
    def _phases_reach_the_end(cls, size: object) -> object:
        if isinstance(size, list):
            ends = [phase.until for phase in size]
            if ends != sorted(set(ends)) or not ends or ends[-1] != 1:
                raise ValueError(f"phases end at {ends}; give rising shares, the last one 1")
        return size

    @model_validator(mode="after")
    def _optimizer_reads_its_options(self) -> "NetworkSpec":
        if self.optimizer is not None:
            for name in unread(self.optimizer, dict(self)):
                raise ValueError(unread_message(self.optimizer, name))
        return self

    @model_validator(mode="after")
    def _label_and_auxiliary_share_a_layer(self) -> "NetworkSpec":
        if self.auxiliary and self.architecture == "linear":
            raise ValueError(
                "auxiliary is declared, and architecture linear has no layer that the label and "
                "other columns could share; choose another, or leave auxiliary out"
            )
        return self

    @model_validator(mode="after")
    def _space_holds_values_of_its_options(self) -> "NetworkSpec":
        declared = self.model_dump(exclude_unset=True, exclude={"search"})
        for name, values in (self.search.space if self.search else {}).items():
            for value in [values.low, values.high] if isinstance(values, Range) else values:
                try:
                    type(self).model_validate(placed(declared, name, value))
                except ValidationError as error:
                    told = f"search.space.{name} holds {value!r}: {first(error)}"
                    raise ValueError(told) from None
        return self

    @model_validator(mode="after")
    def _one_rate_per_layer(self) -> "NetworkSpec":
        rates, widths = self.dropout, self.widths
        if isinstance(rates, list) and widths is not None and len(rates) != len(widths):
            raise ValueError(
                f"{len(rates)} dropout rates for {len(widths)} widths; give one rate per layer"
            )
        return self


def unread(optimizer: Optimizer, options: Mapping[str, object]) -> list[str]:
    """Names of options that ask for something and that `optimizer` does not read."""
    every = frozenset().union(*OPTIMIZER_OPTIONS.values())
    return sorted(name for name in every - OPTIMIZER_OPTIONS[optimizer] if options.get(name))


def unread_message(optimizer: Optimizer, name: str) -> str:
    """Says that `optimizer` does not read `name`, what it reads, and who reads it."""
    reads = ", ".join(sorted(OPTIMIZER_OPTIONS[optimizer]))
    others = ", ".join(other for other in OPTIMIZER_OPTIONS if name in OPTIMIZER_OPTIONS[other])
    return (
        f"{name} is declared, and optimizer {optimizer} reads only {reads}; "
        f"leave {name} out, or choose optimizer {others}"
    )
