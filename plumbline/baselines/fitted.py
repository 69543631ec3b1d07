"""What fitting a baseline takes and gives, and its progress lines."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plumbline.baselines.predictor import Predictor
from plumbline.errors import LeakageError, TrainingError
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import TrainRows

_EVERY = 2.0
"""Seconds between two progress lines."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A predictor and what is known of its fitting."""

    predictor: Predictor
    importances: dict[str, float]
    """Share of each column of the matrix; they add up to 1, or are all 0 without a split."""
    hyperparameters: dict[str, Any]
    """The library's defaults as they were resolved; JSON types."""
    seconds: float
    """Wall time of the fitting, without loading the rows."""


def training_rows(train: TrainRows, normalization: Normalization) -> tuple[Matrix, np.ndarray]:
    """What a baseline is fitted on: the matrix, and its labels as int8, shape (n,).

    Raises:
        LeakageError: `train` is anything but training rows.
        TrainingError: they hold one label only.
    """
    if not isinstance(train, TrainRows):
        raise LeakageError(
            f"a baseline was about to be fitted on {type(train).__name__}",
            expected="TrainRows, from Split.train()",
            remedy="fit on the training rows only",
        )
    labels = train.labels()
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise TrainingError(
            f"{positives} of {len(labels)} training rows are positive",
            expected="training rows of both labels",
            remedy="choose a split that leaves both labels on every side",
        )
    return load_matrix(train, normalization), labels


def shares(names: tuple[str, ...], importances: np.ndarray) -> dict[str, float]:
    """Importances by name, scaled to add up to 1; the greatest first."""
    values = np.nan_to_num(np.asarray(importances, dtype=np.float64))
    values = values / (values.sum() or 1.0)
    order = np.argsort(-values, kind="stable")
    return {names[i]: float(values[i]) for i in order}


@dataclass(kw_only=True)
class Progress:
    """Says how many trees are grown, at most every two seconds."""

    kind: str
    trees: int
    rows: int
    log: logging.Logger
    started: float = field(default_factory=time.perf_counter)
    said: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def grown(self, trees: int) -> None:
        now = time.perf_counter()
        if now - self.said < _EVERY and trees < self.trees:
            return
        self.said = now
        left = self.seconds * (self.trees - trees) / trees
        self.log.info(
            "%s: %d of %d trees on %s rows in %.0f s, about %.0f s left",
            *(self.kind, trees, self.trees, f"{self.rows:,}", self.seconds, left),
        )
