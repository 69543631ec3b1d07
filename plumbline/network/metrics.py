"""What is measured of the validation rows after each epoch."""

import numpy as np

from plumbline.baselines.auc import auc
from plumbline.network.examples import Units
from plumbline.network.tasks import Objective
from plumbline.spec.tasks import AREAS_UP_TO, LESS_IS_BETTER, SUITED, TOP, TOP_FROM

GREATER_IS_BETTER = frozenset(
    name for suited in SUITED.values() for name in suited.metrics if name not in LESS_IS_BETTER
)
"""Of the others, less is better."""

SURE = float(np.finfo(np.float32).eps)
"""What a smaller probability counts as in a log-loss: float32 holds 1 minus nothing smaller."""

EVEN = 0.5
"""The probability from which on the network says yes."""

Weights = np.ndarray | None
"""Of the rows: shape (n,). None: all alike."""


def measured(
    objective: Objective,
    units: Units,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: Weights = None,
) -> dict[str, float]:
    """The loss first, then the task's metrics: see docs/tasks.md for each.

    The loss is the objective's own, of what the scoring network says: without label
    smoothing, class weights and penalties; a regression's in standardized units. All are NaN
    where a score is NaN or infinite.

    labels: as `Rows.labels` gives them. scores: what the scoring network says, shape (n,) or
    (n, outputs). weights: of the rows.

    Raises:
        SplitError: the rows hold one label only, or but one of any weight.
    """
    if not np.isfinite(scores).all():
        return dict.fromkeys(("loss", *objective.metrics), np.nan)
    weights = None if weights is None else weights.astype(np.float64)
    match objective.task:
        case "binary":
            return _binary(labels, scores, weights)
        case "multiclass":
            return _multiclass(labels, scores, weights)
        case "multilabel":
            return _multilabel(labels, scores, weights)
        case "regression":
            return _regression(objective, units, labels, scores, weights)


def per_class(
    labels: np.ndarray, scores: np.ndarray, weights: Weights = None
) -> list[dict[str, float]]:
    """rows, precision, recall and f1 of each class by its code, or of each of several labels.

    labels: shape (n,), codes; or (n, m), 0 and 1. scores: probabilities, shape (n,) or
    (n, classes); `weights` count in all but rows.
    """
    truth, said = _indicators(labels, scores)
    precision, recall, f1 = _tallied(truth, said, weights)
    columns = zip(truth.sum(axis=0), precision, recall, f1, strict=True)
    return [
        {"rows": int(n), "precision": float(p), "recall": float(r), "f1": float(f)}
        for n, p, r, f in columns
    ]


def ranked(labels: np.ndarray, scores: np.ndarray, weights: Weights = None) -> tuple[float, float]:
    """Weighted AUC, and average precision: the mean of the precision at each positive row.

    labels: 0 and 1, both there, shape (n,). Rows of equal scores count as one step. As
    scikit-learn's `roc_auc_score` and `average_precision_score`; O(n log n).
    """
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(order) - 1)
    positive = labels[order] == 1
    each = np.ones(len(labels)) if weights is None else weights[order]
    hits = np.cumsum(each * positive)[last]
    misses = np.cumsum(each * ~positive)[last]
    gained, lost = np.diff(hits, prepend=0.0), np.diff(misses, prepend=0.0)
    area = np.sum(lost * (hits - gained / 2)) / (hits[-1] * misses[-1])
    # A step of weight 0 gains nothing, whatever its precision.
    found = hits / np.where(hits + misses > 0, hits + misses, 1)
    return float(area), float(np.sum(gained * found) / hits[-1])


def _binary(labels: np.ndarray, scores: np.ndarray, weights: Weights) -> dict[str, float]:
    counting = slice(None) if weights is None else weights > 0
    # Of rows that weigh alike: to the last bit what the interval is around.
    exact = auc(labels[counting], scores[counting])
    area, average = ranked(labels, scores, weights)
    given = np.where(labels == 1, scores, 1 - scores)
    precision, recall, _ = _tallied(*_indicators(labels, scores), weights)
    return {
        "loss": _log_loss(given, weights),
        "auc": exact if weights is None else area,
        "average_precision": average,
        "accuracy": _mean((scores >= EVEN) == labels, weights),
        "precision": float(precision[0]),
        "recall": float(recall[0]),
    }


def _multiclass(labels: np.ndarray, scores: np.ndarray, weights: Weights) -> dict[str, float]:
    truth, said = _indicators(labels, scores)
    concerned = (truth | said).any(axis=0)
    precision, recall, f1 = (r[concerned].mean() for r in _tallied(truth, said, weights))
    given = scores[np.arange(len(labels)), labels]
    found = {
        "loss": _log_loss(given, weights),
        "accuracy": _mean(scores.argmax(axis=1) == labels, weights),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
    if scores.shape[1] <= AREAS_UP_TO:
        found["auc"] = _mean_area(truth, scores, weights)
    if scores.shape[1] >= TOP_FROM:
        found[f"top_{TOP}_accuracy"] = _mean(_places(labels, scores) < TOP, weights)
    return found


def _places(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Classes that come before the right one; of equal scores the smaller code, as in argmax."""
    given = scores[np.arange(len(labels)), labels][:, None]
    smaller = np.arange(scores.shape[1]) < labels[:, None]
    return ((scores > given) | ((scores == given) & smaller)).sum(axis=1)


def _multilabel(labels: np.ndarray, scores: np.ndarray, weights: Weights) -> dict[str, float]:
    truth, said = _indicators(labels, scores)
    given = np.where(truth, scores, 1 - scores)
    each = None if weights is None else np.repeat(weights, labels.shape[1])
    return {
        "loss": _log_loss(given, each),
        "auc": _mean_area(truth, scores, weights),
        "average_precision": ranked(truth.ravel(), scores.ravel(), each)[1],
        "accuracy": _mean((truth == said).mean(axis=1), weights),
        "subset_accuracy": _mean((truth == said).all(axis=1), weights),
    }


def _regression(
    objective: Objective, units: Units, labels: np.ndarray, scores: np.ndarray, weights: Weights
) -> dict[str, float]:
    apart = scores - labels
    squared = _mean(apart**2, weights)
    spread = _mean((labels - _mean(labels, weights)) ** 2, weights)
    return {
        "loss": _mean(distances(objective, apart / units.scale), weights),
        "rmse": squared**0.5,
        "mae": _mean(np.abs(apart), weights),
        "r2": 1 - squared / spread if spread > 0 else np.nan,
    }


def distances(objective: Objective, apart: np.ndarray) -> np.ndarray:
    """What each row adds to the loss, by its distance in standard deviations."""
    if objective.loss == "mean_squared_error":
        return apart**2
    far = np.abs(apart)
    if objective.loss == "mean_absolute_error":
        return far
    return np.where(far <= 1, apart**2 / 2, far - 0.5)


def _indicators(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is so, and what the network says: booleans, a column per class or label.

    Of a binary label there is one column: its positive class.
    """
    if labels.ndim == 2:
        return labels == 1, scores >= EVEN
    if scores.ndim == 1:
        return labels[:, None] == 1, scores[:, None] >= EVEN
    codes = np.arange(scores.shape[1])
    return labels[:, None] == codes, scores.argmax(axis=1)[:, None] == codes


def _tallied(
    truth: np.ndarray, said: np.ndarray, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each column; 0 where nothing is to be divided by."""
    hits, claims, all_there = (
        one.sum(axis=0) if weights is None else weights @ one for one in (truth & said, said, truth)
    )
    return _share(hits, claims), _share(hits, all_there), _share(2 * hits, claims + all_there)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.where(whole > 0, whole, 1)


def _mean_area(truth: np.ndarray, scores: np.ndarray, weights: Weights) -> float:
    """Mean AUC of the columns that hold both values; NaN where none does."""
    areas = [
        ranked(one, said, weights)[0]
        for one, said in zip(truth.T, scores.T, strict=True)
        if 0 < (_mean(one, weights)) < 1
    ]
    return float(np.mean(areas)) if areas else np.nan


def _log_loss(given: np.ndarray, weights: Weights) -> float:
    """given: the probability that was given to what is so, any shape."""
    return _mean(-np.log(np.clip(given, SURE, 1)).ravel(), weights)


def _mean(values: np.ndarray, weights: Weights) -> float:
    return float(np.average(values, weights=weights))
