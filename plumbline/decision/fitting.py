"""Calibration fitted on validation rows: lines, stairs and temperatures."""

from dataclasses import replace
from typing import Literal

import numpy as np

from plumbline.decision.curves import (
    FAR,
    Calibration,
    Isotonic,
    Line,
    Platt,
    Stairs,
    Temperature,
    expit,
    logit,
    logs,
    softmax,
)
from plumbline.decision.decision import released
from plumbline.decision.sample import Sample
from plumbline.metrics.parts import log_losses

Method = Literal["platt", "isotonic"]

FOLDS = 5
"""Parts of the rows; each gets the scores of a calibration that was fitted without it."""

_STEPS, _ENOUGH = 100, 1e-10
"""Newton steps at most, and the slope of the mean loss that counts as none."""

_TEMPERATURES = (0.02, 50.0)
"""Between which the temperature is sought."""


def fit(method: Method, rows: Sample) -> Calibration:
    """The calibration of these rows' scores; for multiclass "platt" is temperature scaling."""
    if method == "platt" and rows.task == "multiclass":
        return Temperature(temperature=temperature(rows.labels, rows.scores))
    columns = list(zip(*(one.T for one in rows.columns), strict=True))
    if method == "platt":
        return Platt(curves=tuple(line(labels, scores) for labels, scores in columns))
    whole = rows.task == "multiclass"
    return Isotonic(
        curves=tuple(stairs(*one) if whole or _both(one[0]) else None for one in columns)
    )


def cross_fitted(method: Method, rows: Sample, seed: int) -> np.ndarray:
    """Calibrated scores of rows that had no part in their own calibration: as `rows.scores`.

    Groups stay together. Fewer rows than parts: none is calibrated.
    """
    places = folds(rows, seed)
    found = rows.scores.copy()
    for part in range(FOLDS):
        inside = places == part
        if inside.any() and not inside.all():
            others = _taken(rows, ~inside)
            found[inside] = released(rows.task, fit(method, others), rows.scores[inside])
    return found


def folds(rows: Sample, seed: int) -> np.ndarray:
    """Which part each row is in: codes below `FOLDS`, shape (n,).

    Drawn by group where there are any; else each class is spread evenly.
    """
    random, groups = np.random.RandomState(seed), rows.draws.clusters
    if groups is not None:
        return (random.permutation(int(groups.max()) + 1) % FOLDS)[groups]
    shuffled = random.permutation(len(rows.labels))
    if rows.task in ("binary", "multiclass"):
        shuffled = shuffled[np.argsort(rows.labels[shuffled], kind="stable")]
    places = np.empty(len(shuffled), np.int64)
    places[shuffled] = np.arange(len(shuffled)) % FOLDS
    return places


def line(labels: np.ndarray, scores: np.ndarray) -> Line | None:
    """Platt's line: least log-loss against labels drawn in by one row of each, by Newton's method.

    None without rows of both labels, and where the labels do not rise with the scores: nothing
    is turned upside down.

    labels: 0 and 1, shape (n,). scores: from 0 to 1, shape (n,).

    Source: Platt (1999), with the steps of Lin, Lin and Weng, A note on Platt's probabilistic
    outputs for support vector machines, Machine Learning 68 (2007).
    """
    odds = logit(scores)
    if not _both(labels) or np.ptp(odds) == 0:
        return None
    slope, intercept = _newton(odds, _drawn_in(labels))
    within = 0 < slope <= FAR and abs(intercept) <= FAR
    return Line(slope=slope, intercept=intercept) if within else None


def stairs(labels: np.ndarray, scores: np.ndarray) -> Stairs:
    """The isotonic regression of the labels, kept from 0 and 1 as far as rows can tell.

    No share is below 1 / (n + 2) or above (n + 1) / (n + 2): a row that contradicts all others
    would have an infinite log-loss.
    """
    from sklearn.isotonic import IsotonicRegression

    least = 1 / (len(labels) + 2)
    fitted = IsotonicRegression(y_min=least, y_max=1 - least).fit(scores, labels)
    shares = np.maximum.accumulate(fitted.y_thresholds_)
    return Stairs(scores=tuple(fitted.X_thresholds_.tolist()), shares=tuple(shares.tolist()))


def temperature(labels: np.ndarray, scores: np.ndarray) -> float:
    """What divides the log-probabilities at the least log-loss; 1 if it makes no difference.

    labels: codes, shape (n,). scores: shape (n, classes).
    """
    from scipy.optimize import minimize_scalar

    powers = logs(scores)
    rows = np.arange(len(labels))

    def loss(log: float) -> float:
        return float(log_losses(softmax(powers / np.exp(log))[rows, labels]).mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def _newton(odds: np.ndarray, aims: np.ndarray) -> tuple[float, float]:
    """slope and intercept of the least mean log-loss: a convex one with an end, as no aim is 0 or
    1 and the odds differ."""
    at, features = np.array([1.0, 0.0]), np.stack([odds, np.ones_like(odds)])
    value = _loss(at @ features, aims)
    for _ in range(_STEPS):
        said = expit(at @ features)
        slope = features @ (said - aims) / len(aims)
        if np.abs(slope).max() < _ENOUGH:
            break
        bend = (features * (said * (1 - said))) @ features.T / len(aims) + 1e-12 * np.eye(2)
        step, share = np.linalg.solve(bend, slope), 1.0
        while share > _ENOUGH and _loss((at - share * step) @ features, aims) > value:
            share /= 2
        at = at - share * step
        value = _loss(at @ features, aims)
    return float(at[0]), float(at[1])


def _loss(odds: np.ndarray, aims: np.ndarray) -> float:
    return float((np.logaddexp(0, odds) - aims * odds).mean())


def _drawn_in(labels: np.ndarray) -> np.ndarray:
    positives = np.count_nonzero(labels)
    high, low = (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2)
    return np.where(labels == 1, high, low)


def _both(labels: np.ndarray) -> bool:
    return bool(0 < np.count_nonzero(labels) < len(labels))


def _taken(rows: Sample, kept: np.ndarray) -> Sample:
    return replace(rows, labels=rows.labels[kept], scores=rows.scores[kept])
