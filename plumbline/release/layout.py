"""Which files a bundle has: these and no others, whatever its manifest lists."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from plumbline.decision.decision import FILE as DECISION
from plumbline.errors import BundleError
from plumbline.normalization.apply import PARAMETERS
from plumbline.release.golden import EXPECTED, GOLDEN
from plumbline.release.manifest import Kind, Manifest

CARD = "card.md"
MODEL = "model"
"""The folder of the model's own files."""

_MODELS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "dummy": ("dummy.json",),
        "linear": ("linear.npz",),
        "random_forest": ("forest.parquet",),
        "xgboost": ("model.ubj",),
        "network": ("model.keras", "columns.json"),
    }
)


def files(kind: Kind) -> frozenset[str]:
    """Paths below the folder of a bundle with such a model, without the manifest."""
    model = (f"{MODEL}/{name}" for name in _MODELS[kind])
    return frozenset({CARD, DECISION, PARAMETERS, GOLDEN, EXPECTED, *model})


def require_known(folder: Path, described: Manifest) -> None:
    """Refuse files that a bundle does not have, even if the manifest lists them with their hash.

    Raises:
        BundleError: one is listed.
    """
    wanted = files(described.kind)
    foreign = sorted(described.files.keys() - wanted)
    if foreign:
        raise BundleError(
            f"the bundle in {folder} lists the file {foreign[0]!r}",
            expected=f"nothing but {', '.join(sorted(wanted))}",
            remedy="do not use this bundle; fetch it again from where it was released",
            foreign=foreign,
        )
