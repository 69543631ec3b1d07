"""A loss or weights that became NaN or infinite: which layer and batch, data or learning rate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbline.network.diagnosis.causes import Cause, unscaled
from plumbline.network.diagnosis.evidence import Column
from plumbline.network.diagnosis.findings import Finding
from plumbline.network.diagnosis.replay import Lost

DATA = (
    "look at that column: bound it in the SQL",
    "set normalization.method to quantile",
    "lower network.learning_rate (now {rate:g})",
)
SQUARED = float(np.finfo(np.float32).max) ** 0.5
"""Largest number whose square float32 holds."""

RATE = (
    "lower network.learning_rate (now {rate:g}) by a factor of 10",
    "set network.clip_norm to 1",
    "where a feature reaches far out, bound it in the SQL or set normalization.method to quantile",
)


def finite(
    found: str,
    epoch: int,
    lost: Lost | None,
    columns: tuple[Column, ...],
    options: Mapping[str, Any],
) -> Finding:
    """The finding that ends a training.

    found: what is not finite, in words. epoch: the first is 1. lost: the step that was lost
    when the epoch was run again; None where it was not: the validation rows are to blame.
    columns: of the training rows, or of the validation rows where those are to blame.
    """
    reach = max((max(abs(one.low), abs(one.high)) for one in columns), default=0.0)
    cause = _cause(lost, columns, options)
    return Finding(
        check="finite",
        severity="ERROR",
        evidence=f"the network's {found} in epoch {epoch}; {_place(lost)}{_widest(lost, columns)}",
        cause=cause.text,
        remedies=cause.remedies,
        numbers={"epoch": epoch, "reach": reach, "step": lost.step if lost else 0},
    )


def _place(lost: Lost | None) -> str:
    if lost is None:
        return "no training step shows it; "
    return (
        f"in step {lost.step} of {lost.steps}, {lost.where} is the first that is not finite; the "
        f"weights' norm before that step is {lost.grown:.3g} times the initial one; "
    )


def _widest(lost: Lost | None, columns: tuple[Column, ...]) -> str:
    """Where the rows of the lost batch, or all rows, reach furthest from 0."""
    if not columns:
        return "there are no numeric features"
    if lost is None:
        reach = np.array([max(abs(one.low), abs(one.high)) for one in columns])
    else:
        reach = np.abs(lost.inputs.astype(np.float64)).max(axis=0)
    # NaN is the maximum of a column that holds one; argmax finds it first.
    column = int(reach.argmax())
    place = "that step's" if lost else "these"
    return f"the largest value of {place} rows is {reach[column]:.3g}, of {columns[column].name!r}"


def _cause(lost: Lost | None, columns: tuple[Column, ...], options: Mapping[str, Any]) -> Cause:
    rate = options["learning_rate"]
    if lost is None:
        return Cause(
            text="a validation row has values that the network cannot take",
            remedies=tuple(one.format(rate=rate) for one in DATA),
        )
    if lost.data:
        return Cause(
            text="the data: that step is lost with the initial weights too, at any learning rate",
            remedies=tuple(one.format(rate=rate) for one in DATA),
        )
    if lost.inputs.size and np.abs(lost.inputs).max() > SQUARED:
        return Cause(
            text="the data: float32 cannot hold the square of that value",
            remedies=tuple(one.format(rate=rate) for one in DATA),
        )
    scale = unscaled(columns)
    own = "the learning rate is too high: that step is not lost with the initial weights"
    remedies = tuple(one.format(rate=rate) for one in RATE)
    if scale is None:
        return Cause(text=own, remedies=remedies)
    return Cause(text=f"{scale.text}; for that {own}", remedies=(*scale.remedies, *remedies[:2]))
