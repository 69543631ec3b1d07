"""From what a model says to what is released, as a graph: the calibration, and rows refused."""

from typing import assert_never

import numpy as np

from plumbline.decision.curves import EDGE, Isotonic, Line, Platt, Stairs, Temperature
from plumbline.decision.decision import Decision
from plumbline.exports.ops import Ops, Value
from plumbline.exports.scaling import interpolated
from plumbline.spec import Task

NAMES: dict[Task, str] = {
    "binary": "score",
    "multiclass": "scores",
    "multilabel": "scores",
    "regression": "predicted",
}
"""Of a graph's output: that of the column which holds the scores in Plumbline's answers."""


def released(ops: Ops, decision: Decision, scores: Value, refused: Value | None) -> Value:
    """Calibrated scores; NaN of rows that a bundle refuses.

    scores: float64, shape (n, outputs). Answers: shape (n,), or (n, outputs) for several.
    """
    several = decision.task in ("multiclass", "multilabel")
    columns = [ops.column(scores, at) for at in range(len(decision.classes) if several else 1)]
    found = _calibrated(ops, decision, columns)
    if refused is not None:
        nan = ops.constant(np.array(np.nan))
        found = [ops.where(refused, nan, one) for one in found]
    return ops.side_by_side(found) if several else found[0]


def softmax(ops: Ops, values: Value) -> Value:
    """Of float64, shape (n, classes)."""
    powers = ops.exp(values - ops.row_max(values))
    return powers / ops.row_sum(powers)


def expit(ops: Ops, odds: Value) -> Value:
    """Of float64."""
    small = ops.exp(ops.size(odds) * -1.0)
    return ops.where(odds >= 0.0, 1.0 / (small + 1.0), small / (small + 1.0))


def _calibrated(ops: Ops, decision: Decision, columns: list[Value]) -> list[Value]:
    calibration = decision.calibration
    match calibration:
        case None:
            return columns
        case Temperature(temperature=temperature):
            inside = _drawn_in(ops.side_by_side(columns))
            found = softmax(ops, ops.log(inside) / temperature)
        case Platt() | Isotonic():
            pairs = zip(calibration.curves, columns, strict=True)
            curved = [_curved(ops, curve, one) for curve, one in pairs]
            if decision.task != "multiclass":
                return curved
            together = ops.side_by_side(curved)
            found = together / ops.row_sum(together)
        case _ as other:
            assert_never(other)
    return [ops.column(found, at) for at in range(len(columns))]


def _curved(ops: Ops, curve: Line | Stairs | None, scores: Value) -> Value:
    if curve is None:
        return scores
    if isinstance(curve, Stairs):
        return interpolated(ops, scores, np.array(curve.scores), np.array(curve.shares))
    inside = _drawn_in(scores)
    odds = ops.log(inside) - ops.log(1.0 - inside)
    return expit(ops, odds * curve.slope + curve.intercept)


def _drawn_in(scores: Value) -> Value:
    return scores * (1 - 2 * EDGE) + EDGE
