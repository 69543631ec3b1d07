"""A look at a network's file before Keras opens it: does it name anything but Keras' own?

Keras imports the modules that a `.keras` file names. Its safe mode refuses code, but lets a
file choose among several packages; a bundle's may name Keras only.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plumbline.errors import BundleError

OWN = frozenset({"keras", "builtins"})
"""Packages that may be named; Keras looks `builtins` up among its own functions."""
REFUSED = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
"""Keras' layers that hold code or open other files."""


def require_own_layers(folder: Path) -> None:
    """Refuse networks in `folder` that name other packages, or layers that hold code.

    Raises:
        BundleError: a file cannot be read, or names something else.
    """
    for path in sorted(folder.glob("*.keras")):
        for named in _objects(_config(path)):
            module, name = str(named.get("module") or "keras"), named["class_name"]
            custom = ">" in str(named.get("registered_name") or "")
            if module.split(".", maxsplit=1)[0] not in OWN or name in REFUSED or custom:
                raise BundleError(
                    f"{path} names {module}.{name}",
                    expected="layers of Keras that hold no code",
                    remedy="do not use this bundle; release the model again",
                    module=module,
                    name=name,
                )


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path} is not a network: {error}",
            expected="a .keras file",
            remedy="fetch the bundle again from where it was released",
        ) from error


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the configuration that names a class, however deep."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            pending += part.values()
        elif isinstance(part, list):
            pending += part
