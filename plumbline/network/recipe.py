"""Every option of a network with a value: what the user declared, else the architecture's own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

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
    members: int
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
    seed: int


_COMMON: Mapping[str, Any] = MappingProxyType(
    {
        "widths": (256, 128),
        "dropout": 0.0,
        "numeric_embedding": "none",
        "embedding_width": 16,
        "bins": 48,
        "category_embedding": "learned",
        "members": 1,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "beta_2": 0.999,
        "weight_decay": 0.0,
        "l2": 0.0,
        "clip_norm": 0.0,
        "schedule": "plateau",
        "warmup": 0.05,
        "batch_size": 256,
        "max_epochs": 60,
        "patience": 6,
        "monitor": "loss",
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
    }
)
"""What each architecture does otherwise than `_COMMON`."""


def resolve(options: NetworkSpec, table: Table, objective: Objective) -> Recipe:
    """The recipe of a declaration on a table."""
    name = options.architecture if options.architecture != "auto" else _chosen(table, objective)
    declared = {key: value for key, value in options if value is not None}
    values = {**_COMMON, **RECIPES.get(name, {}), **declared, "architecture": name}
    values = {key: values[key] for key in Recipe.__dataclass_fields__}
    values["widths"] = tuple(values["widths"])
    values["dropout"] = _rates(values["dropout"], values["widths"])
    if values["batch_size"] == "auto":
        values["batch_size"] = batch_size(table.rows)
    elif isinstance(values["batch_size"], list):
        values["batch_size"] = tuple(values["batch_size"])
    return Recipe(**values)


def batch_size(rows: int) -> int:
    """A power of two, about a hundredth of the training rows, between 64 and 1024."""
    return min(1024, max(64, 2 ** round(math.log2(max(1, rows) / 100))))


def _chosen(table: Table, objective: Objective) -> str:  # noqa: ARG001
    return "dense"


def _rates(dropout: float | list[float] | tuple[float, ...], widths: tuple[int, ...]):
    if isinstance(dropout, float | int):
        return (float(dropout),) * len(widths)
    rates = tuple(dropout)
    return rates if len(rates) == len(widths) else (rates[0],) * len(widths)
