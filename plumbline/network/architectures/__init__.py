"""What a network is made of: from normalized rows to raw outputs."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from plumbline.network import backend
from plumbline.network.architectures.outputs import with_auxiliary
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table

Network = Any
"""A `keras.Model`. Keras ships no types, and those inferred from its defaults are wrong."""

_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "dense": "dense",
        "linear": "linear",
        "resnet": "resnet",
        "tabm": "tabm",
        "tabm_mini": "tabm",
        "realmlp": "realmlp",
    }
)


def untrained(table: Table, outputs: int, recipe: Recipe) -> Network:
    """A network with fresh weights: a Functional model.

    Its inputs are named as `inputs.arrays` gives them: numeric (n, d) float32 and codes (n, c)
    int32. Its output is raw, without activation: (n, outputs), or (n, members, outputs) where
    an ensemble's members answer each, or several heads of your own architecture. Where columns
    are learned beside the label its outputs are a dict by the heads' names.
    """
    backend.prepare()
    module = import_module(f"{__name__}.{_MODULES.get(recipe.architecture, 'own')}")
    made = module.untrained(table, outputs, recipe)
    if table.auxiliary and recipe.architecture in _MODULES:
        return with_auxiliary(made, table)
    return made
