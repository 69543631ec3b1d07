"""What one feature alone says about the label of training rows."""

from dataclasses import dataclass

import numpy as np

from plumbline.audit.codes import Coded
from plumbline.audit.sample import Labels

_SMOOTHING = 10.0
"""Rows of the average class mix that a code's own rows are added to (count)."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """How well the label is told by one feature, on rows that its code was not fitted on."""

    score: float
    """AUC; for several classes the mean AUC of each against the rest, for several labels the AUC
    of the one that is told best; R² for regression."""
    z: float
    """Standard deviations from chance, of the class that is told best."""
    copies: bool
    """Whether values and labels map one to one."""


def skill(coded: Coded, numbers: np.ndarray | None, labels: Labels, folds: np.ndarray) -> Skill:
    """The skill of a feature, from its codes on the sampled training rows.

    Each half of the rows is predicted by the label's mean per code in the other half: target
    encoding out of fold, so that a feature with many values gains nothing by memory.
    `numbers`: the feature's values, for regression, whose copy is a line.
    """
    if labels.coding.task == "regression":
        return _regression(coded, numbers, labels.sampled, folds)
    if labels.coding.task == "multilabel":
        return _several(coded, labels, folds)
    return _classes(coded, labels, folds)


def _several(coded: Coded, labels: Labels, folds: np.ndarray) -> Skill:
    cells = folds * coded.size + coded.codes
    rows = np.bincount(cells, minlength=2 * coded.size).reshape(2, coded.size)
    skills = []
    for code in labels.commonest:
        ones = np.bincount(cells[labels.members(code)], minlength=rows.size).reshape(rows.shape)
        table = np.stack([rows - ones, ones], axis=2)
        score, z = _auc(table, 1)
        skills.append(Skill(score=score, z=z, copies=_one_to_one(coded, table.sum(axis=0))))
    return Skill(
        score=max((one.score for one in skills), default=0.5),
        z=max((one.z for one in skills), default=0.0),
        copies=any(one.copies for one in skills),
    )


def _classes(coded: Coded, labels: Labels, folds: np.ndarray) -> Skill:
    classes = len(labels.coding.classes)
    cells = (folds * coded.size + coded.codes) * classes + labels.sampled
    table = np.bincount(cells, minlength=2 * coded.size * classes)
    table = table.reshape(2, coded.size, classes)
    kept = labels.commonest[1:] if len(labels.commonest) == 2 else labels.commonest
    scored = [_auc(table, code) for code in kept]
    scores, z = zip(*scored, strict=True) if scored else ((0.5,), (0.0,))
    return Skill(
        score=float(np.mean(scores)), z=float(max(z)), copies=_one_to_one(coded, table.sum(axis=0))
    )


def _auc(table: np.ndarray, code: int) -> tuple[float, float]:
    """AUC of one class against the rest, mean of both halves, and its z; rows (half, code)."""
    ones = table[:, :, code].astype(np.float64)
    rows = table.sum(axis=2).astype(np.float64)
    others = rows - ones
    rate = ones.sum(axis=1, keepdims=True) / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    score = ((ones + _SMOOTHING * rate) / (rows + _SMOOTHING))[::-1]
    order = np.argsort(score, axis=1, kind="stable")
    ones, others = (np.take_along_axis(part, order, axis=1) for part in (ones, others))
    below = np.cumsum(others, axis=1) - others
    pairs = ones.sum(axis=1) * others.sum(axis=1)
    if not pairs.all():
        return 0.5, 0.0
    auc = ((below + others / 2) * ones).sum(axis=1) / pairs
    # Each half's order comes from the other half's labels, so their errors are much the same:
    # the mean is as uncertain as one of them.
    deviation = np.sqrt((rows.sum(axis=1) + 1) / (12 * pairs)).mean()
    return float(auc.mean()), float((auc.mean() - 0.5) / deviation)


def _one_to_one(coded: Coded, table: np.ndarray) -> bool:
    """Whether each value has one class and each class one value; table: (code, class)."""
    occurs = table > 0
    return bool(
        coded.exact
        and (occurs.sum(axis=1)[table.any(axis=1)] == 1).all()
        and (occurs.sum(axis=0)[table.any(axis=0)] == 1).all()
        and table.any(axis=0).sum() > 1
    )


def _regression(
    coded: Coded, numbers: np.ndarray | None, values: np.ndarray, folds: np.ndarray
) -> Skill:
    cells = folds * coded.size + coded.codes
    shape = (2, coded.size)
    rows = np.bincount(cells, minlength=2 * coded.size).reshape(shape)
    # Around the mean, so that a label far from zero loses no digits.
    apart = values - values.mean() if len(values) else values
    sums = np.bincount(cells, weights=apart, minlength=2 * coded.size).reshape(shape)
    spread = np.bincount(folds, weights=apart**2, minlength=2)
    if not rows.sum(axis=1).all() or not spread.all():
        return Skill(score=0.0, z=0.0, copies=False)
    mean = sums.sum(axis=1, keepdims=True) / rows.sum(axis=1, keepdims=True)
    told = ((sums + _SMOOTHING * mean) / (rows + _SMOOTHING))[::-1]
    errors = spread - 2 * (told * sums).sum(axis=1) + (told**2 * rows).sum(axis=1)
    total = spread - (mean[:, 0] ** 2) * rows.sum(axis=1)
    line = _line(numbers, apart)
    score = max(float(np.mean(1 - errors / np.maximum(total, np.finfo(float).tiny))), line)
    return Skill(
        score=score, z=_correlation_z(told, rows, sums, total), copies=bool(line > 1 - 1e-12)
    )


def _correlation_z(
    told: np.ndarray, rows: np.ndarray, sums: np.ndarray, total: np.ndarray
) -> float:
    """Correlation of the prediction with the label per half, in standard deviations; mean."""
    count = rows.sum(axis=1)
    middle = (told * rows).sum(axis=1) / count
    spread = (told**2 * rows).sum(axis=1) - middle**2 * count
    shared = (told * sums).sum(axis=1) - middle * sums.sum(axis=1)
    flat = (spread <= 0) | (total <= 0)
    r = np.where(flat, 0.0, shared / np.sqrt(np.where(flat, 1.0, spread * total)))
    return float((r * np.sqrt(count)).mean())


def _line(numbers: np.ndarray | None, apart: np.ndarray) -> float:
    """Squared correlation of the numbers with the label, over rows where they are finite."""
    if numbers is None:
        return 0.0
    here = np.isfinite(numbers)
    if np.count_nonzero(here) < 3:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x = numbers[here] - numbers[here].mean()
        y = apart[here] - apart[here].mean()
        r2 = float((x @ y) ** 2 / ((x @ x) * (y @ y)))
    return min(r2, 1.0) if np.isfinite(r2) else 0.0
