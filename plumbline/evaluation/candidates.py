"""What an evaluation compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbline.baselines.predictor import Predictor
from plumbline.errors import TrainingError
from plumbline.metrics.areas import require_finite
from plumbline.split.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained model that may be released, or a network of a further seed, which may not."""

    kind: str
    """Of a network of a further seed: as `further_kind` calls it."""
    model_version: str
    predictor: Predictor
    val_scores: np.ndarray
    """Its scores of the validation rows in order: float64, shape (n,), or (n, classes or
    labels)."""
    seed: int | None = None
    """Of a network; None where it is not known."""
    cost: Mapping[str, Any] | None = None
    """seconds, bytes and latency, as a baseline records them; None: nobody measured them."""


def further_kind(seed: int) -> str:
    """What a network of a further seed is called among the candidates."""
    return f"network of seed {seed}"


def val_scores(candidates: Sequence[Candidate], val: Rows) -> dict[str, np.ndarray]:
    """Raw scores by kind.

    Raises:
        TrainingError: scores that are not of these rows, or not finite.
    """
    shape = (val.count, *((len(val.coding.classes),) * (val.coding.task in _SEVERAL)))
    for one in candidates:
        _require_shape(one, shape)
        require_finite(one.val_scores)
    return {one.kind: one.val_scores for one in candidates}


_SEVERAL = ("multiclass", "multilabel")
"""Tasks with a score for each class or label."""


def _require_shape(candidate: Candidate, shape: tuple[int, ...]) -> None:
    found = candidate.val_scores.shape
    if found != shape:
        raise TrainingError(
            f"{candidate.kind} has scores of {len(candidate.val_scores):,} val rows, shape {found}",
            expected=f"shape {shape}: scores of each of the {shape[0]:,} val rows of this split",
            remedy="train it on this split",
        )
