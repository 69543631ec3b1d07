"""Before training: does the untrained network answer as an untrained network should?"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.architecture import Network

ROWS = 1024
EXPECTED = math.log(2)
"""Cross-entropy of saying 1/2 whatever the label."""

TOLERANCE = 0.01
"""A logit of root mean square s adds about s²/8: this allows s = .28, where the output layer's
initial weights give about .01. A loss that takes probabilities for logits is off by .03."""


def smoke_test(
    network: Network, numeric_width: int, cardinalities: Sequence[int], seed: int
) -> dict[str, Any]:
    """One forward pass on standard normal numbers and random codes, half of the labels 1.

    `network` must be compiled: the loss is the one it will be trained with, without the
    weights' penalty. Layers run as they predict, not as they train.

    Raises:
        TrainingError: an output is NaN or of another shape, or the loss is not about log 2.
    """
    rows, labels = _random_rows(numeric_width, cardinalities, seed)
    outputs = network.predict_on_batch(rows)
    _require_probabilities(outputs)
    loss = float(network.loss(labels, outputs))
    if not abs(loss - EXPECTED) <= TOLERANCE:
        raise TrainingError(
            f"the untrained network's loss on random rows is {loss:.4f}",
            expected=f"log 2 = {EXPECTED:.4f} within {TOLERANCE}",
            remedy="look at the architecture's output layer, its initial weights and the loss",
            loss=loss,
        )
    return {"loss": loss, "expected": EXPECTED, "tolerance": TOLERANCE, "rows": ROWS}


def _random_rows(
    numeric_width: int, cardinalities: Sequence[int], seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = {
        "numeric": generator.standard_normal((ROWS, numeric_width), dtype=np.float32),
        "codes": generator.integers(
            0, np.array(cardinalities, dtype=np.int32), (ROWS, len(cardinalities)), np.int32
        ),
    }
    return rows, (np.arange(ROWS, dtype=np.float32) % 2)[:, None]


def _require_probabilities(outputs: np.ndarray) -> None:
    if outputs.shape != (ROWS, 1):
        raise TrainingError(
            f"the untrained network gives outputs of shape {outputs.shape} for {ROWS} rows",
            expected=f"one probability per row, shape {(ROWS, 1)}",
            remedy="end the architecture in one sigmoid unit",
        )
    lost = int(np.count_nonzero(~np.isfinite(outputs)))
    if lost:
        raise TrainingError(
            f"{lost} of {ROWS} outputs of the untrained network are NaN or infinite",
            expected="a finite probability for every row",
            remedy="look at the architecture's initial weights",
            rows=lost,
        )
