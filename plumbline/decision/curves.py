"""Calibration as it is released: from a model's scores to probabilities, in NumPy alone.

Exponentials and interpolation round by processor: a score may differ by 1e-12 elsewhere.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import ConfigDict

from plumbline.errors import DecisionError

CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)

EDGE = 1e-6
"""How near a score comes to 0 and 1 before it is turned into log-odds: a model that says 0 or 1
would have infinite ones. All scores are drawn in by it, so that none become equal."""

FAR = 1e6
"""Numbers of a calibration beyond it could overflow."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line over the log-odds of a score; it rises."""

    __pydantic_config__: ClassVar = CLOSED

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        require(0 < self.slope <= FAR, f"a slope above 0 and up to {FAR:g}")
        require(abs(self.intercept) <= FAR, f"an intercept up to {FAR:g}")

    def of(self, scores: np.ndarray) -> np.ndarray:
        return expit(self.slope * logit(scores) + self.intercept)


@dataclass(frozen=True, kw_only=True)
class Stairs:
    """Straight from knot to knot, level beyond the first and the last; it never falls."""

    __pydantic_config__: ClassVar = CLOSED

    scores: tuple[float, ...]
    shares: tuple[float, ...]
    """The probability at each score."""

    def __post_init__(self) -> None:
        require(0 < len(self.scores) == len(self.shares), "a share for each score of a knot")
        both = np.array([self.scores, self.shares])
        require(bool(((both >= 0) & (both <= 1)).all()), "knots from 0 to 1")
        require(bool((np.diff(both[0]) > 0).all()), "scores of knots that rise")
        require(bool((np.diff(both[1]) >= 0).all()), "shares of knots that never fall")

    def of(self, scores: np.ndarray) -> np.ndarray:
        return np.interp(scores, self.scores, self.shares)


@dataclass(frozen=True, kw_only=True)
class Platt:
    """A line for the binary score, or for each label; None leaves a label's score as it is.

    Source: Platt, Probabilistic outputs for support vector machines, in Advances in Large Margin
    Classifiers (1999); of log-odds, as the models here give probabilities.
    """

    __pydantic_config__: ClassVar = CLOSED

    method: Literal["platt"] = "platt"
    curves: tuple[Line | None, ...]

    def of(self, scores: np.ndarray) -> np.ndarray:
        return _by_column(self.curves, scores)


@dataclass(frozen=True, kw_only=True)
class Isotonic:
    """Stairs for the binary score, or for each class or label; None leaves one as it is.

    Source: Zadrozny and Elkan, Transforming classifier scores into accurate multiclass
    probability estimates, KDD (2002).
    """

    __pydantic_config__: ClassVar = CLOSED

    method: Literal["isotonic"] = "isotonic"
    curves: tuple[Stairs | None, ...]

    def of(self, scores: np.ndarray) -> np.ndarray:
        return _by_column(self.curves, scores)


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """Of several classes: what their log-probabilities are divided by; above 1 is less sure.

    The order of a row's classes stays. Source: Guo, Pleiss, Sun and Weinberger, On calibration
    of modern neural networks, ICML (2017).
    """

    __pydantic_config__: ClassVar = CLOSED

    method: Literal["temperature"] = "temperature"
    temperature: float

    def __post_init__(self) -> None:
        require(1 / FAR <= self.temperature <= FAR, f"a temperature from {1 / FAR:g} to {FAR:g}")

    def of(self, scores: np.ndarray) -> np.ndarray:
        return softmax(logs(scores) / self.temperature)


Calibration = Platt | Isotonic | Temperature
"""Each has `of`: calibrated scores of the same shape, from 0 to 1."""


def require(so: bool, expected: str) -> None:
    """Refuse numbers that are no decision.

    Raises:
        DecisionError: not `so`.
    """
    if not so:
        raise DecisionError(
            "a decision holds numbers that no fit gives",
            expected=expected,
            remedy="take the decision that Plumbline wrote",
        )


def drawn_in(scores: np.ndarray) -> np.ndarray:
    """Scores from 0 to 1, now from `EDGE` to 1 - `EDGE`."""
    return EDGE + (1 - 2 * EDGE) * scores


def logit(scores: np.ndarray) -> np.ndarray:
    """Log-odds of scores that are drawn in first: finite."""
    inside = drawn_in(scores)
    return np.log(inside) - np.log1p(-inside)


def expit(odds: np.ndarray) -> np.ndarray:
    """The probability of log-odds, exact also near 0."""
    small = np.exp(-np.abs(odds))
    return np.where(odds >= 0, 1, small) / (1 + small)


def logs(scores: np.ndarray) -> np.ndarray:
    """Logarithms of scores that are drawn in first: finite, shape (n, classes)."""
    return np.log(drawn_in(scores))


def softmax(values: np.ndarray) -> np.ndarray:
    """Rows of positive numbers that add up to 1."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _by_column(curves: tuple[Line | None, ...] | tuple[Stairs | None, ...], scores: np.ndarray):
    if scores.ndim == 1:
        return scores if curves[0] is None else curves[0].of(scores)
    columns = [
        scores[:, at] if curve is None else curve.of(scores[:, at])
        for at, curve in enumerate(curves)
    ]
    return np.stack(columns, axis=1)
