"""The evaluation: everything on val first, then one look at the test rows, then the verdict."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.baselines.predictor import Predictor
from plumbline.errors import TrainingError
from plumbline.evaluation import figures
from plumbline.evaluation.comparison import Decision, deciding, judge
from plumbline.evaluation.sides import Side
from plumbline.evaluation.thresholds import most_accurate
from plumbline.metrics.areas import require_finite
from plumbline.metrics.interval import Interval
from plumbline.normalization.apply import matrices
from plumbline.normalization.parameters import Normalization
from plumbline.spec import EvaluationSpec
from plumbline.spec.metrics import METRICS, MetricName
from plumbline.split.rows import Rows, TestRows
from plumbline.split.split import Split

log = logging.getLogger(__name__)

EVALUATION, TEST_SCORES, FIGURES = "evaluation.json", "test_scores.parquet", "figures"
LABEL = "label"
"""Column of test_scores.parquet beside one per candidate."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained model that may be released."""

    kind: str
    model_version: str
    predictor: Predictor
    val_scores: np.ndarray
    """Its scores of the validation rows in order: float64, shape (n,), or (n, classes or
    labels)."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How every candidate did, and which is to be released."""

    candidates: dict[str, dict[str, Any]]
    """By kind: model_version, threshold (None but for the binary task), and val and test:
    {metric: {value, low, high}}."""
    comparison: dict[str, Any]
    """As `Verdict.comparison`."""
    decision: Decision
    winner: str
    reason: str
    confidence: float
    rows: dict[str, int]
    """Rows of val and of test (count)."""
    folder: Path

    @property
    def metric(self) -> MetricName:
        """What the models were compared by."""
        return self.comparison["metric"]


def build(  # noqa: PLR0917
    candidates: Sequence[Candidate],
    split: Split,
    normalization: Normalization,
    options: EvaluationSpec,
    open_test: Callable[[], TestRows],
    folder: Path,
) -> None:
    """Evaluate, and write evaluation.json, test_scores.parquet and the figures.

    Thresholds, the best baseline and what a network has to gain are chosen on val. `open_test`
    is called once, when nothing is left to choose.

    Raises:
        TrainingError: a candidate's scores do not belong to these rows, or are not finite.
        SplitError: a side holds one label only, or does not define what decides.
        SpecError: what is to decide is not measured of so many classes.
    """
    rows = split.validation()
    thresholds = _thresholds(candidates, rows)
    val = _side(rows, {one.kind: one.val_scores for one in candidates}, options, thresholds)
    on_val, name = val.intervals(), deciding(val)
    val.require_defined(name, "val")
    log.info(
        "evaluation: %d candidates measured on %s val rows", len(on_val), f"{len(val.labels):,}"
    )
    opened = open_test()
    test = _side(opened, _test_scores(candidates, opened, normalization), options, thresholds)
    on_test = test.intervals()
    verdict = judge(test, {kind: one[name] for kind, one in on_val.items()})
    log.info("evaluation: %s; %s", verdict.decision, verdict.reason)
    record = {
        "candidates": {
            one.kind: {
                "model_version": one.model_version,
                "threshold": thresholds.get(one.kind),
                "val": _record(on_val[one.kind]),
                "test": _record(on_test[one.kind]),
            }
            for one in candidates
        },
        **asdict(verdict),
        "confidence": options.confidence,
        "rows": {"val": len(val.labels), "test": len(test.labels)},
    }
    _write(record, test, opened.coding.classes, folder)


def load(folder: Path) -> Evaluation:
    """The evaluation that `build` wrote."""
    return Evaluation(**json.loads((folder / EVALUATION).read_text("utf-8")), folder=folder)


def rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Rows of the registry's `evaluations`, without the versions that all of them share."""
    for candidate in evaluation.candidates.values():
        for side, count in evaluation.rows.items():
            for metric, measured in candidate[side].items():
                yield {
                    "model_version": candidate["model_version"],
                    "split": side,
                    "metric": metric,
                    "row_count": count,
                    **measured,
                    "confidence": evaluation.confidence,
                }


def summary(evaluation: Evaluation) -> list[dict[str, str]]:
    """A line per candidate and side, for people: values with their intervals."""
    return [
        {
            "candidate": kind,
            "split": side,
            **{name: _told(name, measured) for name, measured in candidate[side].items()},
        }
        for side in evaluation.rows
        for kind, candidate in evaluation.candidates.items()
    ]


def _told(name: str, measured: Mapping[str, float]) -> str:
    value, low, high = (METRICS[name].written(measured[end]) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _thresholds(candidates: Sequence[Candidate], val: Rows) -> dict[str, float]:
    """The most accurate one on val of each candidate, for the binary task.

    Raises:
        TrainingError: scores that are not of these rows, or not finite.
    """
    labels = val.labels()
    shape = (len(labels), *((len(val.coding.classes),) * (val.coding.task in _SEVERAL)))
    for one in candidates:
        _require_shape(one, shape)
        require_finite(one.val_scores)
    if val.coding.task != "binary":
        return {}
    return {one.kind: most_accurate(labels, one.val_scores) for one in candidates}


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


def _side(
    rows: Rows,
    scores: Mapping[str, np.ndarray],
    options: EvaluationSpec,
    thresholds: Mapping[str, float],
) -> Side:
    return Side(
        task=rows.coding.task,
        labels=rows.labels(),
        scores=scores,
        options=options,
        thresholds=thresholds,
        groups=rows.groups(),
    )


def _test_scores(
    candidates: Sequence[Candidate], test: TestRows, normalization: Normalization
) -> dict[str, np.ndarray]:
    """Every candidate's scores of the test rows, a block of them at a time."""
    parts: dict[str, list[np.ndarray]] = {one.kind: [] for one in candidates}
    seconds = dict.fromkeys(parts, 0.0)
    for matrix in matrices(test, normalization):
        for one in candidates:
            started = time.perf_counter()
            parts[one.kind].append(one.predictor.predict(matrix))
            seconds[one.kind] += time.perf_counter() - started
    for kind, took in seconds.items():
        log.info("evaluation: %s scored %s test rows in %.1f s", kind, f"{test.count:,}", took)
    return {kind: np.concatenate(found) for kind, found in parts.items()}


def _record(metrics: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: asdict(one) for name, one in metrics.items()}


def _write(record: dict[str, Any], test: Side, classes: Sequence[str], folder: Path) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / EVALUATION).write_text(text, "utf-8")
    columns = {LABEL: test.labels, **test.scores}
    table = pa.table({name: _column(values) for name, values in columns.items()})
    pq.write_table(table, folder / TEST_SCORES, compression="zstd")
    (folder / FIGURES).mkdir()
    for name, png in figures.of_evaluation(record, test, classes).items():
        (folder / FIGURES / f"{name}.png").write_bytes(png)


def _column(values: np.ndarray) -> pa.Array:
    """Of several classes or labels: a list per row, of as many as there are."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
