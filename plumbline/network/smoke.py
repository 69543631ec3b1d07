"""Before training: does the untrained network answer as an untrained network should?"""

import math
from typing import Any

import numpy as np

from plumbline.errors import TrainingError
from plumbline.network.architectures import Network
from plumbline.network.examples import Units
from plumbline.network.images import rows_together
from plumbline.network.metrics import measured
from plumbline.network.table import Table, image_input
from plumbline.network.tasks import Objective

ROWS = 1024

TOLERANCE = 0.05
"""A logit of root mean square s adds about s²/8: this allows s = .6. The architectures built in
were measured within .001, for 2 to 10 classes and 4 to 100 numbers."""


def smoke_test(
    scoring: Network, table: Table, goal: Objective, seed: int, *, strict: bool = True
) -> dict[str, Any]:
    """One forward pass on standard normal numbers and random codes and pixels, every class as
    often.

    Layers run as they predict, not as they train.

    strict: refuse a loss that is not about log N: of an architecture built in, it is a fault.
    One of the user's own may begin otherwise with good reason, such as a last bias that is set
    to the share of a rare class: there the diagnosis warns.

    Raises:
        TrainingError: an output is NaN or of another shape; the loss, where `strict`.
    """
    rows, labels = _random_rows(table, goal, seed)
    outputs = _answers(scoring, rows, table, seed)
    _require_outputs(outputs, goal)
    if goal.task == "regression":
        return {"rows": ROWS}
    choices = goal.outputs if goal.task == "multiclass" else 2
    expected = math.log(choices)
    scores = outputs[:, 0] if goal.outputs == 1 else outputs
    loss = measured(goal, Units(), labels, scores)["loss"]
    if strict and not abs(loss - expected) <= TOLERANCE:
        raise TrainingError(
            f"the untrained network's loss on random rows is {loss:.4f}",
            expected=f"log {choices} = {expected:.4f} within {TOLERANCE}",
            remedy="look at the architecture's output layer, its initial weights and the loss",
            loss=loss,
        )
    return {"loss": loss, "expected": expected, "tolerance": TOLERANCE, "rows": ROWS}


def _random_rows(
    table: Table, goal: Objective, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    generator = np.random.default_rng(seed)
    codes = np.array(table.cardinalities, dtype=np.int32)
    rows = {
        "numeric": generator.standard_normal((ROWS, len(table.numeric_names)), dtype=np.float32),
        "codes": generator.integers(0, codes, (ROWS, len(codes)), np.int32),
    }
    if goal.task == "multilabel":
        return rows, np.arange(ROWS)[:, None] // 2 ** np.arange(goal.outputs) % 2
    return rows, np.arange(ROWS) % max(2, goal.outputs)


def _answers(scoring: Network, rows: dict[str, np.ndarray], table: Table, seed: int) -> np.ndarray:
    """Random pixels beside the rows: the same ones in each call, which takes a part of the rows."""
    if not table.images:
        return scoring.predict_on_batch(rows)
    generator, size = np.random.default_rng([seed, 1]), rows_together(scoring, ROWS)
    images = {
        image_input(name): generator.integers(0, 256, (size, *shape), np.uint8)
        for name, shape in table.images.items()
    }
    parts = [{k: v[at : at + size] for k, v in rows.items()} for at in range(0, ROWS, size)]
    return np.concatenate([scoring.predict_on_batch({**part, **images}) for part in parts])


def _require_outputs(outputs: np.ndarray, goal: Objective) -> None:
    if outputs.shape != (ROWS, goal.outputs):
        raise TrainingError(
            f"the untrained network gives outputs of shape {outputs.shape} for {ROWS} rows",
            expected=f"shape {(ROWS, goal.outputs)}",
            remedy="end the architecture in one unit per raw output",
        )
    lost = int(np.count_nonzero(~np.isfinite(outputs)))
    if lost:
        raise TrainingError(
            f"{lost} outputs of the untrained network are NaN or infinite",
            expected="finite outputs for every row",
            remedy="look at the architecture's initial weights",
            rows=lost,
        )
