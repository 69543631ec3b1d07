"""How equal two trainings of the same network come out: measured, by training it twice.

Three tiers, as docs/optimisation.md explains them:

- bitwise: weights, validation scores and losses are the same to the last bit.
- tolerance: no weight and no score differs by more than `TOLERANCE` of the largest one.
- statistical: they differ by more; only what is measured of them agrees, as far as it does.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from plumbline.network.fitting import Fitted, fit
from plumbline.network.resume import circumstances
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NetworkSpec
from plumbline.split.rows import TrainRows, ValRows

Tier = Literal["bitwise", "tolerance", "statistical"]

TOLERANCE = 1e-4
"""Largest difference of two weights or scores, as a share of the largest of their kind."""

EPOCHS = 3
"""Epochs that each of the two trainings takes at most, where nobody asks for more (count)."""

FOLDER = "reproducibility"


@dataclass(frozen=True, kw_only=True)
class Reproducibility:
    """What two trainings of one network, one after the other in one process, have in common."""

    tier: Tier
    weights_differ: float
    """Largest difference of two weights, as a share of the largest weight of their array."""
    scores_differ: float
    """Largest difference of two validation scores, as a share of the largest one."""
    metrics: Mapping[str, tuple[float, float]]
    """Validation metrics of the last epoch: of the first training and of the second."""
    tolerance: float
    epochs: int
    """Epochs of each training (count)."""
    deterministic: bool
    """As `network.deterministic` was."""
    circumstances: Mapping[str, Any]
    """Devices and processor cores, which the tier holds for."""
    seconds: float


def measured(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    epochs: int = EPOCHS,
) -> Reproducibility:
    """Train twice under the same seed, at most `epochs` long, and compare.

    The schedule's course is laid over those epochs; nothing is resumed from, or left behind.

    Raises:
        As `plumbline.network.fitting.fit`.
    """
    began = time.perf_counter()
    short = shortened(options, epochs)
    first, second = (fit(train, val, normalization, short, None) for _ in range(2))
    return compared(first, second, options, time.perf_counter() - began)


def shortened(options: NetworkSpec, epochs: int) -> NetworkSpec:
    """The declaration of the same network, to be trained for `epochs` at most."""
    declared = options.max_epochs
    return options.model_copy(
        update={"max_epochs": min(epochs, declared or epochs), "range_test": False}
    )


def compared(
    first: Fitted, second: Fitted, options: NetworkSpec, seconds: float = 0.0
) -> Reproducibility:
    """The tier of two trainings."""
    weights = max(
        (_apart(a, b) for a, b in zip(_weights(first), _weights(second), strict=True)), default=0.0
    )
    scores = _apart(first.val_scores, second.val_scores)
    same = _same(first, second)
    within = max(weights, scores) <= TOLERANCE
    return Reproducibility(
        tier="bitwise" if same else "tolerance" if within else "statistical",
        weights_differ=weights,
        scores_differ=scores,
        metrics={
            name: (first.history[name][-1], second.history[name][-1])
            for name in first.history
            if name.startswith("val_")
        },
        tolerance=TOLERANCE,
        epochs=len(first.history["loss"]),
        deterministic=options.deterministic,
        circumstances=circumstances(),
        seconds=seconds,
    )


def record(folder: Path, found: Reproducibility) -> Path:
    """Write what was found beside the network's artifact, whose bytes stay as they are.

    folder: the artifact's. Returns the file, which replaces an earlier one.
    """
    path = place(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(found), indent=1, ensure_ascii=False), "utf-8")
    draft.replace(path)
    return path


def recorded(folder: Path) -> dict[str, Any] | None:
    """What was found of the network whose artifact lies in `folder`; None where nobody asked."""
    path = place(folder)
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def place(folder: Path) -> Path:
    """`<pipeline>/reproducibility/<model version>.json`, beside the stages' folders."""
    return folder.parent.with_name(FOLDER) / f"{folder.name}.json"


def _weights(fitted: Fitted) -> list[np.ndarray]:
    return fitted.predictor.network.get_weights()


def _same(first: Fitted, second: Fitted) -> bool:
    """Bit for bit: a NaN equals itself, 0 and -0 differ."""
    losses = [
        {k: v for k, v in one.history.items() if k == "loss" or k.startswith("val_")}
        for one in (first, second)
    ]
    return (
        first.predictor.weights_sha256() == second.predictor.weights_sha256()
        and first.val_scores.tobytes() == second.val_scores.tobytes()
        and losses[0] == losses[1]
    )


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    if not first.size:
        return 0.0
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    gap = float(np.abs(first.astype(np.float64) - second).max())
    return gap / largest if gap else 0.0
