"""What a network's configuration may name: Keras' layers and Plumbline's, none that hold code.

Keras imports the modules that a `.keras` file names. Its safe mode refuses code, but lets a
file choose among several packages, and any class that a process has registered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.network import layers

KERAS = frozenset({"keras", "builtins"})
"""Packages that may be named; Keras looks `builtins` up among its own functions."""
PLUMBLINE = "plumbline"
"""Under which Plumbline's layers are registered with Keras."""
REFUSED = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
"""Keras' layers that hold code or open other files."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A class that a configuration names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def foreign(config: Any) -> Iterator[Named]:
    """What a configuration names that is neither Keras' nor Plumbline's, or holds code."""
    for one in _objects(config):
        named = Named(module=str(one.get("module") or "keras"), name=str(one["class_name"]))
        if not (_is_plumblines(named, one) or _is_keras(named, one)):
            yield named


def _is_keras(named: Named, one: Mapping[str, Any]) -> bool:
    package = named.module.split(".", maxsplit=1)[0]
    registered = ">" in str(one.get("registered_name") or "")
    return package in KERAS and named.name not in REFUSED and not registered


def _is_plumblines(named: Named, one: Mapping[str, Any]) -> bool:
    if not named.module.startswith(f"{layers.__name__}."):
        return False
    layers.register()
    import keras

    key = f"{PLUMBLINE}>{named.name}"
    found = keras.saving.get_registered_object(key)
    return one.get("registered_name") == key and getattr(found, "__module__", "") == named.module


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the configuration that names a class, however deep."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            pending += part.values()
        elif isinstance(part, list | tuple):
            pending += part
