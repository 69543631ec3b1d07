"""Fitted models by kind: a fixed list, whatever a bundle's files say."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from plumbline.baselines.predictor import Predictor
from plumbline.errors import BundleError
from plumbline.release.keras_layers import require_own_layers

TOLERANCE: Mapping[str, float] = MappingProxyType(
    {"random_forest": 0.0, "xgboost": 0.0, "network": 1e-6}
)
"""Largest absolute difference of a probability that counts as equal, by kind of model.

Trees compare and add in a fixed order and are exact. A network's matrix products add in an
order that depends on processor, backend and batch size, in float32.
"""


def load_predictor(kind: str, folder: Path) -> Predictor:
    """The model that a predictor of this kind saved in `folder`; nothing is unpickled.

    Raises:
        BundleError: no model is of this kind, or the network's file names anything but
            Keras' own layers.
    """
    match kind:
        case "random_forest":
            from plumbline.baselines.random_forest import RandomForest

            return RandomForest.load(folder)
        case "xgboost":
            from plumbline.baselines.boosted_trees import BoostedTrees

            return BoostedTrees.load(folder)
        case "network":
            from plumbline.network.predictor import KerasPredictor

            require_own_layers(folder)
            return KerasPredictor.load(folder)
    raise BundleError(
        f"the kind of model is {kind!r}",
        expected=f"one of {', '.join(TOLERANCE)}",
        remedy="score it with the Plumbline that built it",
        kind=kind,
    )
