"""Rows with scores that are surer than they may be, for tests of decisions."""

import numpy as np

from plumbline.decision.sample import Sample
from plumbline.metrics.bootstrap import Draws

CLASSES = {
    "binary": ("no", "yes"),
    "multiclass": ("ant", "bee", "cat"),
    "multilabel": ("red", "green", "blue"),
    "regression": (),
}


def sample(task, rows, *, seed=0, sure=2.0, groups=None, resamples=100) -> Sample:
    """Labels drawn from exact log-odds; scores by odds `sure` times as large, 1 being exact."""
    random = np.random.default_rng(seed)
    odds = random.normal(size=(rows, 3))
    if task == "multiclass":
        labels = (odds + random.gumbel(size=odds.shape)).argmax(axis=1).astype(np.int16)
        powers = np.exp(sure * odds)
        scores = powers / powers.sum(axis=1, keepdims=True)
    elif task == "regression":
        scores = odds[:, 0]
        labels = scores + random.normal(size=rows)
    else:
        labels = (random.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(np.int8)
        scores = 1 / (1 + np.exp(-sure * odds))
        if task == "binary":
            labels, scores = labels[:, 0], scores[:, 0]
    draws = Draws(rows=rows, resamples=resamples, seed=0, clusters=groups)
    return Sample(task=task, labels=labels, scores=scores, draws=draws, confidence=0.95)
