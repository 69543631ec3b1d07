"""A task's metrics of one candidate's scores, as functions of what each row weighs."""

from collections.abc import Sequence

import numpy as np

from plumbline.metrics.parts import EVEN, PARTS, Scored, Weights
from plumbline.spec.metrics import measurable
from plumbline.spec.source import Task


class Measure:
    """Metrics of one candidate; what has to be sorted is sorted once, at the first weighing.

    A weighing is the weights of the rows, or how often each was drawn in a resample; a row
    without weight counts as one that is not there.
    """

    def __init__(
        self,
        task: Task,
        labels: np.ndarray,
        scores: np.ndarray,
        *,
        names: Sequence[str] | None = None,
        threshold: float | np.ndarray = EVEN,
    ):
        """names: of the metrics wanted; None: all of the task. threshold: from which score on a
        row counts as positive; of several labels one for all, or shape (labels,). Scores have to
        be finite."""
        known = measurable(task, scores.shape[1] if scores.ndim == 2 else 1)
        self.names = tuple(one for one in known if names is None or one in names)
        """In the order of the task's table."""
        rows = Scored(labels=labels, scores=scores, threshold=threshold)
        self._parts = [
            (together, prepare(rows))
            for together, prepare in PARTS[task].items()
            if set(together) & set(self.names)
        ]

    def of(self, weights: Weights = None) -> np.ndarray:
        """The metrics in the order of `names`: float64, shape (b, len(names)).

        NaN where one is not defined: areas without rows of both labels, R² of equal labels.
        """
        found: dict[str, np.ndarray] = {}
        for together, part in self._parts:
            found.update(zip(together, part(weights), strict=True))
        return np.stack([found[name] for name in self.names], axis=1)
