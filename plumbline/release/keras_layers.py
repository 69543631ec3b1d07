"""A look at a network's file before Keras opens it: does it name only layers we know?"""

import json
import zipfile
from pathlib import Path
from typing import Any

from plumbline.errors import BundleError
from plumbline.network.serialized import foreign

MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
"""What Keras writes into a `.keras` file. It would read NumPy arrays in the place of the weights,
and files that layers bring with them."""


def require_own_layers(folder: Path) -> None:
    """Refuse networks in `folder` that name other packages, or layers that hold code.

    Raises:
        BundleError: a file cannot be read, holds other files than a network has, or names
            something else.
    """
    for path in sorted(folder.glob("*.keras")):
        for named in foreign(_config(path)):
            raise BundleError(
                f"{path} names {named}",
                expected="layers of Keras or of Plumbline that hold no code",
                remedy="do not use this bundle; release the model again",
                module=named.module,
                name=named.name,
            )


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            _require_members(archive, path)
            return json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path} is not a network: {error}",
            expected="a .keras file",
            remedy="fetch the bundle again from where it was released",
        ) from error


def _require_members(archive: zipfile.ZipFile, path: Path) -> None:
    for name in archive.namelist():
        if name not in MEMBERS:
            raise BundleError(
                f"{path} holds the file {name!r}",
                expected=f"nothing but {', '.join(sorted(MEMBERS))}",
                remedy="do not use this bundle; release the model again",
                name=name,
            )
