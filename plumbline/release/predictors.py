"""Fitted models by kind: a fixed list, whatever a bundle's files say."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from plumbline.baselines.predictor import Predictor
from plumbline.errors import BundleError
from plumbline.release.keras_layers import require_own_layers
from plumbline.release.manifest import Manifest

TOLERANCE: Mapping[str, float] = MappingProxyType(
    {"dummy": 0.0, "linear": 1e-12, "random_forest": 0.0, "xgboost": 0.0, "network": 1e-6}
)
"""Largest absolute difference of a probability that counts as equal, by kind of model; of a
regression's numbers, as a share of the largest golden one.

Trees compare and add in a fixed order and are exact. A linear model adds in a fixed order, too,
but ends in an exponential, whose last bit is the processor's. A network's matrix products add in
an order that depends on processor, backend and batch size, in float32.
"""

CALIBRATION = 1e-12
"""The same of calibrated scores, made of equal scores: see `plumbline.decision.curves`."""


def unit(described: Manifest, scores: np.ndarray) -> float:
    """What a tolerance is a share of: 1 for probabilities, else the largest number."""
    return float(np.abs(scores).max(initial=0)) if described.task == "regression" else 1.0


def allowed(described: Manifest, scores: np.ndarray) -> float:
    """How far scores of this bundle's model may lie from those expected.

    It follows from kind and task: a manifest cannot widen it.
    """
    return TOLERANCE[described.kind] * unit(described, scores)


def load_predictor(kind: str, folder: Path) -> Predictor:
    """The model that a predictor of this kind saved in `folder`; nothing is unpickled.

    Raises:
        BundleError: no model is of this kind, or the network's file names anything but
            Keras' own layers.
    """
    match kind:
        case "dummy":
            from plumbline.baselines.dummy import Dummy

            return Dummy.load(folder)
        case "linear":
            from plumbline.baselines.linear import Linear

            return Linear.load(folder)
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
