"""What an optimizer's options are where nobody declared them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from plumbline.errors import SpecError
from plumbline.spec.network import OPTIMIZER_OPTIONS, Optimizer, unread, unread_message

USUAL: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "momentum": {"sgd": 0.9, "rmsprop": 0.0},
        "beta_2": {"adam": 0.999, "adamw": 0.999, "nadam": 0.999, "rmsprop": 0.9},
    }
)
"""An option's usual value, by optimizer: Keras' own, but for sgd's momentum."""


def settled(
    optimizer: Optimizer, declared: Mapping[str, Any], architecture: Mapping[str, Any]
) -> dict[str, float]:
    """momentum, beta_2 and weight_decay: the declared one, else the architecture's, else usual.

    An option that the optimizer does not read is 0. An architecture's momentum and beta_2 are
    meant for its own optimizer, and kept for no other.

    Raises:
        SpecError: an option is declared that the optimizer does not read.
    """
    for name in unread(optimizer, declared):
        raise SpecError("network." + unread_message(optimizer, name), option=name)
    usual = {name: values.get(optimizer, 0.0) for name, values in USUAL.items()}
    own = usual if architecture["optimizer"] != optimizer else {**usual, **architecture}
    decay = {"weight_decay": architecture.get("weight_decay", 0.0)}
    values = {**own, **decay, **declared}
    return {
        name: float(values[name]) if name in OPTIMIZER_OPTIONS[optimizer] else 0.0
        for name in (*USUAL, "weight_decay")
    }


FINITE = frozenset({"cosine", "one_cycle", "flat_cosine", "coslog"})
"""Schedules that end with `max_epochs`, most of them at their lowest rate."""

WARMUP: Mapping[str, float] = MappingProxyType({"cosine": 0.05, "one_cycle": 0.25})
"""Share of the steps; one_cycle's is fastai's."""

PATIENCE = 6
"""Epochs, for a schedule that does not end (count)."""


def course(declared: Mapping[str, Any], architecture: Mapping[str, Any]) -> dict[str, Any]:
    """warmup and patience: the declared one, else the architecture's, else what suits.

    A schedule that ends is let run to its end, where the best epochs are: its patience is
    `max_epochs`, unless it is declared, or the architecture's own for its own schedule.
    """
    schedule = declared.get("schedule", architecture["schedule"])
    usual = {"warmup": WARMUP.get(schedule, 0.0), "patience": PATIENCE}
    if schedule in FINITE:
        usual["patience"] = declared.get("max_epochs", architecture["max_epochs"])
    own = architecture if schedule == architecture["schedule"] or schedule not in FINITE else {}
    values = {**usual, **own, **declared}
    return {name: values[name] for name in usual}
