"""What the order of the rows tells: of a feature, and of the label."""

import numpy as np

from plumbline.audit.codes import Coded
from plumbline.audit.sample import Labels


def rank_by_order(coded: Coded) -> float:
    """Spearman correlation of a feature's codes with the order of the rows; missing left out.

    The codes of the training rows, in order. Ties have the middle of their ranks.
    """
    codes = coded.codes[coded.codes > 0]
    if len(codes) < 3:
        return 0.0
    counts = np.bincount(codes, minlength=coded.size)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    places = np.bincount(codes, weights=np.arange(len(codes)), minlength=coded.size)
    middle = (len(codes) - 1) / 2
    shared = (ranks - middle) @ (places - middle * counts)
    spread = ((ranks - middle) ** 2) @ counts
    return (
        float(shared / np.sqrt(spread * len(codes) * (len(codes) ** 2 - 1) / 12)) if spread else 0.0
    )


def drift(labels: Labels) -> tuple[float, float]:
    """How well the place of a training row tells its label, and standard deviations from chance.

    AUC of the place, at least 0.5, of the class that is told best; for regression the same on
    another scale: (1 + |Spearman|) / 2.
    """
    values = labels.sampled
    if labels.coding.task == "regression":
        spearman = abs(_spearman(values))
        return (1 + spearman) / 2, spearman * np.sqrt(max(len(values) - 1, 0))
    found = [_auc(labels.members(code)) for code in labels.commonest]
    return max(found, default=(0.5, 0.0))


def _auc(ones: np.ndarray) -> tuple[float, float]:
    places = np.flatnonzero(ones)
    pairs = len(places) * (len(ones) - len(places))
    if not pairs:
        return 0.5, 0.0
    before = places - np.arange(len(places))
    apart = abs(float(before.sum()) / pairs - 0.5)
    return 0.5 + apart, apart / float(np.sqrt((len(ones) + 1) / (12 * pairs)))


def _spearman(values: np.ndarray) -> float:
    """Of the values with their places; ties have the middle of their ranks."""
    if len(values) < 3:
        return 0.0
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[codes]
    x, y = ranks - ranks.mean(), np.arange(len(values)) - (len(values) - 1) / 2
    spread = float((x @ x) * (y @ y))
    return float(x @ y) / float(np.sqrt(spread)) if spread else 0.0
