"""What is varied, and how a draw becomes options of a network."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plumbline.network.recipe import Recipe
from plumbline.spec import NetworkSpec, Range, SearchSpec
from plumbline.spec.network import unread
from plumbline.spec.search import SEARCHED_COUNTS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Dimension = Range | list[Any]
"""Numbers between two ends, or a list of values."""

Space = Mapping[str, Dimension]
"""By the name of an option, or `width` and `blocks`."""

_SHAPE: Space = {
    "width": Range(low=64, high=512),
    "blocks": Range(low=1, high=4, scale="linear"),
    "dropout": Range(low=0, high=0.5, scale="linear"),
}
_EMBEDDED: Space = {
    "embedding_width": Range(low=8, high=32, scale="linear"),
    "bins": Range(low=2, high=128),
}
_TABM: Space = {
    **_SHAPE,
    **_EMBEDDED,
    "learning_rate": Range(low=1e-4, high=5e-3),
    "weight_decay": Range(low=1e-4, high=1e-1),
}
OWN: Space = {"learning_rate": Range(low=1e-5, high=1e-2)}
"""Of a user's architecture, of which nothing else is known."""

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "linear": {
            "learning_rate": Range(low=1e-4, high=1e-1),
            "batch_size": [64, 128, 256, 512, 1024],
        },
        "dense": {
            **_SHAPE,
            "learning_rate": Range(low=3e-5, high=1e-2),
            "l2": Range(low=1e-6, high=1e-2),
        },
        "resnet": {
            **_SHAPE,
            "blocks": Range(low=1, high=8, scale="linear"),
            "learning_rate": Range(low=1e-5, high=1e-2),
            "weight_decay": Range(low=1e-6, high=1e-3),
        },
        "tabm": _TABM,
        "tabm_mini": _TABM,
        "realmlp": {
            "widths": [[256, 256, 256], [64, 64, 64, 64, 64], [512]],
            "dropout": [0.0, 0.15, 0.3],
            "learning_rate": Range(low=2e-2, high=3e-1),
            "weight_decay": [0.0, 2e-2],
        },
    }
)
"""Where nothing else is declared. After the spaces that the published results were tuned in:
Gorishniy et al. 2021 (resnet, dense) and 2024 (tabm), Holzmüller et al. 2024 (realmlp, which is
theirs); widths end at 512, which is slow enough on a CPU, and no weight decay of exactly 0 is
drawn where it has a range. The members of an ensemble stay."""


def space(options: NetworkSpec, declared: SearchSpec, recipe: Recipe) -> Space:
    """The declared space; else the architecture's own, without what `options` declare."""
    if declared.space:
        return declared.space
    settled = {name for name, value in options if value is not None}
    if "widths" in settled:
        settled |= {"width", "blocks"}
    if isinstance(options.dropout, list):
        settled |= {"blocks"}  # its rates are one per layer
    own = SPACES.get(recipe.architecture, OWN)
    return {name: values for name, values in own.items() if name not in settled}


def distributions(searched: Space) -> dict[str, "BaseDistribution"]:
    """The space in Optuna's terms. Lists of lists are JSON there, which stores scalars only."""
    from optuna import distributions as optuna

    made: dict[str, BaseDistribution] = {}
    for name, values in searched.items():
        if not isinstance(values, Range):
            made[name] = optuna.CategoricalDistribution([stored(value) for value in values])
            continue
        log = values.scale == "log"
        if name in SEARCHED_COUNTS:
            made[name] = optuna.IntDistribution(int(values.low), int(values.high), log=log)
        else:
            made[name] = optuna.FloatDistribution(values.low, values.high, log=log)
    return made


def stored(value: Any) -> Any:
    """A value as Optuna stores it."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def restored(searched: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Drawn values as they stand in the space, in its order."""
    found = {}
    for name, values in searched.items():
        if isinstance(values, Range):
            found[name] = drawn[name]
        else:
            found[name] = next(value for value in values if stored(value) == drawn[name])
    return found


def start(searched: Space, options: NetworkSpec, recipe: Recipe) -> dict[str, Any]:
    """What the search begins with: the recipe, or what the space has nearest to it."""
    return {
        name: _nearest(values, _of_recipe(name, options, recipe), whole=name in SEARCHED_COUNTS)
        for name, values in searched.items()
    }


def _of_recipe(name: str, options: NetworkSpec, recipe: Recipe) -> Any:
    match name:
        case "width":
            return max(recipe.widths)
        case "blocks":
            return len(recipe.widths)
        case "widths":
            return list(recipe.widths)
        case "dropout":
            return sum(recipe.dropout) / max(1, len(recipe.dropout))
        case _:
            return getattr(recipe, name, getattr(options, name))


def _nearest(values: Dimension, wanted: Any, *, whole: bool) -> Any:
    if isinstance(values, Range):
        number = wanted if _is_number(wanted) else values.low
        held = min(max(number, values.low), values.high)
        return int(held) if whole else float(held)
    if wanted in values:
        return wanted
    if _is_number(wanted) and all(map(_is_number, values)):
        return min(values, key=lambda value: abs(value - wanted))
    return values[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def applied(values: Mapping[str, Any], options: NetworkSpec, recipe: Recipe) -> dict[str, Any]:
    """A draw as options of a network: `width` and `blocks` become `widths`.

    Options that a drawn optimizer does not read are left out.
    """
    chosen = dict(values)
    if {"width", "blocks"} & chosen.keys():
        rates = options.dropout if "dropout" not in chosen else None
        layers = len(rates) if isinstance(rates, list) else len(recipe.widths)
        width = chosen.pop("width", max(recipe.widths))
        chosen["widths"] = [width] * chosen.pop("blocks", layers)
    if "optimizer" in chosen:
        for name in unread(chosen["optimizer"], chosen):
            del chosen[name]
    return chosen


def merged(options: NetworkSpec, chosen: Mapping[str, Any]) -> NetworkSpec:
    """What is declared, with `chosen` in place, and nothing left to search.

    Raises:
        ValidationError: the two do not go together.
    """
    declared = options.model_dump(exclude_unset=True, exclude={"search"})
    return NetworkSpec.model_validate({**declared, **chosen})
