"""What fitting a baseline takes and gives, and its progress lines."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plumbline.baselines.predictor import Predictor

_EVERY = 2.0
"""Seconds between two progress lines."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A predictor and what is known of its fitting."""

    predictor: Predictor
    importances: dict[str, float]
    """Share of the gain by each column that is read; they add up to 1, or are all 0 without a
    split. Empty where the model has no such thing."""
    hyperparameters: dict[str, Any]
    """The library's defaults as they were resolved; JSON types."""
    seconds: float
    """Wall time of the fitting, without loading the rows."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is to be recorded of it, and may differ from machine to machine; JSON types."""


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
