"""What a baseline goes by: gain, permutation on the validation rows, and XGBoost's own SHAP."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plumbline.baselines.boosted_trees import BoostedTrees
from plumbline.baselines.predictor import Predictor
from plumbline.baselines.score import main_metric
from plumbline.metrics.measure import Measure
from plumbline.normalization.matrix import Matrix
from plumbline.spec import Task
from plumbline.spec.metrics import METRICS

PERMUTED_ROWS = 1_000
"""Validation rows that features are permuted among (count)."""

PERMUTATIONS = 2
"""Permutations of each feature, whose mean is taken (count)."""

PERMUTED_FEATURES = 100
"""Features that are permuted: those of the greatest gain (count)."""

EXPLAINED_ROWS = 500
"""Validation rows whose contributions are averaged (count)."""

Listed = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some validation rows."""

    matrix: Matrix
    labels: np.ndarray
    weights: np.ndarray | None
    task: Task

    def few(self, rows: int, seed: int) -> "Sample":
        """At most `rows` of them, drawn without replacement, in their order: in memory."""
        if len(self.matrix) <= rows:
            return replace(self, matrix=self.matrix.take(slice(None)))
        drawn = np.random.RandomState(seed).permutation(len(self.matrix))[:rows]
        places = np.sort(drawn)
        return replace(
            self,
            matrix=self.matrix.take(places),
            labels=self.labels[places],
            weights=None if self.weights is None else self.weights[places],
        )


def importances(
    predictor: Predictor,
    gains: Mapping[str, float],
    val: Sample,
    nulls: Sequence[tuple[int, int]],
    seed: int,
) -> Listed:
    """{feature, importance, permutation, shap} of every column, by falling gain.

    importance: share of the gain. permutation: what the main metric loses when the column's
    values are dealt out anew among validation rows, its indicator of NULL with it; null for
    an indicator beside its number, and beyond the 100 features of the greatest gain. shap: mean
    size of the contribution, over rows and outputs, of XGBoost alone; else null.
    """
    lost = dict(permutation(predictor, list(gains), val, nulls, seed))
    shap = contributions(predictor, val, seed)
    return [
        {
            "feature": name,
            "importance": share,
            "permutation": lost.get(name),
            "shap": shap.get(name),
        }
        for name, share in gains.items()
    ]


def permutation(
    predictor: Predictor,
    names: Sequence[str],
    val: Sample,
    nulls: Sequence[tuple[int, int]],
    seed: int,
) -> Iterator[tuple[str, float]]:
    """By column: how much worse the main metric becomes, in its own units.

    Breiman, Random Forests (2001), on rows that were not trained on.
    """
    few = val.few(PERMUTED_ROWS, seed)
    random = np.random.RandomState(seed)
    base = _main(few, predictor.predict(few.matrix))
    beside = {few.matrix.names[one]: few.matrix.names[other] for one, other in nulls}
    for name in [one for one in names if one not in beside.values()][:PERMUTED_FEATURES]:
        moved = [few.matrix.names.index(one) for one in (name, beside.get(name)) if one]
        dealt = [_dealt(few.matrix, moved, random) for _ in range(PERMUTATIONS)]
        said = np.split(predictor.predict(_together(dealt)), PERMUTATIONS)
        yield name, base - float(np.mean([_main(few, one) for one in said]))


def contributions(predictor: Predictor, val: Sample, seed: int) -> dict[str, float]:
    """Mean size of each column's contribution to the raw scores; empty but for XGBoost."""
    if not isinstance(predictor, BoostedTrees):
        return {}
    found = predictor.contributions(val.few(EXPLAINED_ROWS, seed).matrix)[:, :, :-1]
    sizes = np.abs(found).mean(axis=(0, 1)).tolist()
    return dict(zip(predictor.native.columns, sizes, strict=True))


def _main(few: Sample, scores: np.ndarray) -> float:
    """The main metric, signed so that more is better; NaN counts as 0."""
    name = main_metric(few.task)
    measure = Measure(few.task, few.labels, scores, names=[name])
    weights = None if few.weights is None else few.weights.astype(np.float64)[None]
    return METRICS[name].sign * float(np.nan_to_num(measure.of(weights)[0, 0]))


def _dealt(matrix: Matrix, columns: Sequence[int], random: np.random.RandomState) -> Matrix:
    """The matrix with some columns' values dealt out anew, all in the same way."""
    order = random.permutation(len(matrix))
    numeric, codes = matrix.numeric.copy(), matrix.codes.copy()
    for column in columns:
        at = column - len(matrix.numeric_names)
        if at < 0:
            numeric[:, column] = matrix.numeric[order, column]
        else:
            codes[:, at] = matrix.codes[order, at]
    return replace(matrix, numeric=numeric, codes=codes)


def _together(parts: Sequence[Matrix]) -> Matrix:
    return replace(
        parts[0],
        numeric=np.concatenate([one.numeric for one in parts]),
        codes=np.concatenate([one.codes for one in parts]),
    )
