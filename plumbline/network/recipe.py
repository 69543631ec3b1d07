"""Every option of a network with a value: what the user declared, else the architecture's own."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from plumbline.environment import accelerator
from plumbline.network.optimisation.known import course, settled
from plumbline.network.table import Table
from plumbline.network.tasks import Objective
from plumbline.spec import BatchPhase, NetworkSpec, Scalar


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """As `NetworkSpec`, with nothing left open."""

    architecture: str
    widths: tuple[int, ...]
    dropout: tuple[float, ...]
    """A rate for each of `widths`."""
    numeric_embedding: str
    embedding_width: int
    bins: int
    category_embedding: str
    hidden_activation: str
    members: int
    batch_normalization: bool
    augmentation: tuple[str, ...]
    options: Mapping[str, Scalar]
    optimizer: str
    learning_rate: float
    momentum: float
    beta_2: float
    weight_decay: float
    l2: float
    clip_norm: float
    accumulation_steps: int
    schedule: str
    warmup: float
    batch_size: int | tuple[BatchPhase, ...]
    max_epochs: int
    patience: int
    monitor: str
    precision: str
    """As declared; in a training, the one that was chosen."""
    deterministic: bool
    seed: int

    def plain(self) -> dict[str, Any]:
        """Every option as JSON says it."""
        values = asdict(self)
        if not isinstance(self.batch_size, int):
            values["batch_size"] = [phase.model_dump() for phase in self.batch_size]
        return values


_COMMON: Mapping[str, Any] = MappingProxyType(
    {
        "widths": (256, 128),
        "dropout": 0.0,
        "numeric_embedding": "none",
        "embedding_width": 16,
        "bins": 48,
        "category_embedding": "learned",
        "hidden_activation": "relu",
        "members": 1,
        "batch_normalization": True,
        "augmentation": ("shift",),
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "l2": 0.0,
        "clip_norm": 0.0,
        "schedule": "plateau",
        "batch_size": 256,
        "max_epochs": 60,
        "monitor": "loss",
    }
)

_TABM: Mapping[str, Any] = MappingProxyType(
    {
        "widths": (256, 256),
        "dropout": 0.2,
        "numeric_embedding": "piecewise_linear",
        "category_embedding": "one_hot",
        "members": 8,
        "learning_rate": 2e-3,
        "weight_decay": 3e-4,
        "clip_norm": 1.0,
        "schedule": "cosine",
        "max_epochs": 15,
    }
)

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "dense": {
            "dropout": (0.3, 0.2),
            "l2": 1e-4,
            "optimizer": "adam",
            "learning_rate": 5e-4,
        },
        "linear": {
            "category_embedding": "one_hot",
            "learning_rate": 5e-3,
        },
        "resnet": {
            "widths": (192, 192, 192),
            "dropout": 0.2,
            "weight_decay": 1e-4,
        },
        "tabm": _TABM,
        "tabm_mini": _TABM,
        "realmlp": {
            "widths": (256, 256, 256),
            "dropout": 0.15,
            "numeric_embedding": "periodic",
            "embedding_width": 4,
            "hidden_activation": "selu",
            "learning_rate": 0.04,
            "beta_2": 0.95,
            "weight_decay": 0.02,
            "schedule": "coslog",
            "max_epochs": 96,
        },
    }
)
"""What each architecture does otherwise than `_COMMON`."""

_TABM_OF_NUMBERS: Mapping[str, Any] = MappingProxyType(
    {
        "widths": (256, 256, 256),
        "members": 16,
        "bins": 64,
        "batch_size": 128,
        "max_epochs": 60,
    }
)

OF_NUMBERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tabm": _TABM_OF_NUMBERS,
        "tabm_mini": _TABM_OF_NUMBERS,
        "realmlp": {"hidden_activation": "mish", "learning_rate": 0.2},
    }
)
"""What each does otherwise than its recipe where the label is a number."""


MANY_ROWS = 100_000
"""Training rows from which on a table has many (count)."""

_TABM_OF_MANY_ROWS: Mapping[str, Any] = MappingProxyType(
    {
        "widths": (512, 512, 512),
        "dropout": 0.0,
        "members": 2,
        "bins": 96,
        "batch_size": 512,
        "max_epochs": 14,
    }
)

OF_MANY_ROWS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "tabm": _TABM_OF_MANY_ROWS,
        "tabm_mini": _TABM_OF_MANY_ROWS,
    }
)
"""What each does otherwise from `MANY_ROWS` on, but for labels of two values: fewer passes, of
larger steps, and no dropout. A yes or no is seldom told by features so well that a wide network
without dropout does not learn its noise by heart: docs/network.md has the measurement."""


MOST_ROWS_ON_CPU = 1_000_000
"""Training rows up to which an ensemble's training ends within the hour on two cores."""


def resolve(options: NetworkSpec, table: Table, objective: Objective) -> Recipe:
    """The recipe of a declaration on a table."""
    name = options.architecture
    if name == "auto":
        name = chosen(table.rows, accelerator())
    declared = {key: value for key, value in options if value is not None}
    own = OF_NUMBERS.get(name, {}) if objective.task == "regression" else {}
    if table.rows >= MANY_ROWS and objective.task in ("multiclass", "regression"):
        own = {**own, **OF_MANY_ROWS.get(name, {})}
    architecture = {**_COMMON, **RECIPES.get(name, {}), **own}
    values = {**architecture, **declared, "architecture": name}
    values |= settled(values["optimizer"], declared, architecture)
    values |= course(declared, architecture)
    values = {key: values[key] for key in Recipe.__dataclass_fields__}
    values["widths"] = tuple(values["widths"])
    values["augmentation"] = tuple(values["augmentation"])
    values["dropout"] = _rates(values["dropout"], values["widths"])
    if values["batch_size"] == "auto":
        values["batch_size"] = batch_size(table.rows)
    elif isinstance(values["batch_size"], list):
        values["batch_size"] = tuple(values["batch_size"])
    return Recipe(**values)


def batch_size(rows: int) -> int:
    """A power of two, about a hundredth of the training rows, between 64 and 1024."""
    return min(1024, max(64, 2 ** round(math.log2(max(1, rows) / 100))))


def chosen(rows: int, device: str) -> str:
    """What `auto` stands for: see docs/network.md for what was measured.

    rows: of the training (count). device: gpu or cpu.
    """
    return "dense" if rows > MOST_ROWS_ON_CPU and device == "cpu" else "tabm_mini"


def _rates(dropout: float | list[float] | tuple[float, ...], widths: tuple[int, ...]):
    if isinstance(dropout, float | int):
        return (float(dropout),) * len(widths)
    rates = tuple(dropout)
    return rates if len(rates) == len(widths) else (rates[0],) * len(widths)
