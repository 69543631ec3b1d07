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

from plumbline.baselines.auc import Interval, delong_interval
from plumbline.baselines.predictor import Predictor
from plumbline.errors import TrainingError
from plumbline.evaluation import figures
from plumbline.evaluation.bootstrap import Scores, bootstrap
from plumbline.evaluation.comparison import Decision, judge
from plumbline.evaluation.metrics import METRICS
from plumbline.evaluation.thresholds import most_accurate
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.parameters import Normalization
from plumbline.spec import EvaluationSpec
from plumbline.split.rows import TestRows
from plumbline.split.split import Split

log = logging.getLogger(__name__)

EVALUATION, TEST_SCORES, FIGURES = "evaluation.json", "test_scores.parquet", "figures"
LABEL = "label"
"""Column of test_scores.parquet beside one per candidate."""

Measured = dict[str, dict[str, Interval]]
"""Intervals by candidate and metric."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trained model that may be released."""

    kind: str
    model_version: str
    predictor: Predictor
    val_scores: np.ndarray
    """Its scores of the validation rows in order: float64, shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How every candidate did, and which is to be released."""

    candidates: dict[str, dict[str, Any]]
    """By kind: model_version, threshold, and val and test: {metric: {value, low, high}}."""
    comparison: dict[str, Any]
    decision: Decision
    winner: str
    reason: str
    confidence: float
    rows: dict[str, int]
    """Rows of val and of test (count)."""
    folder: Path


def build(  # noqa: PLR0917
    candidates: Sequence[Candidate],
    split: Split,
    normalization: Normalization,
    options: EvaluationSpec,
    open_test: Callable[[], TestRows],
    folder: Path,
) -> None:
    """Evaluate, and write evaluation.json, test_scores.parquet and the figures.

    Thresholds and the best baseline are chosen on val. `open_test` is called once, when
    nothing is left to choose.

    Raises:
        TrainingError: a candidate's scores do not belong to these rows, or are not finite.
        SplitError: a side holds one label only.
    """
    labels = split.validation().labels()
    val = {one.kind: _val_scores(one, labels) for one in candidates}
    on_val = _measure(labels, val, options)
    log.info("evaluation: %d candidates measured on %s val rows", len(val), f"{len(labels):,}")
    truth, scores = _test_scores(candidates, open_test(), normalization)
    test = {k: Scores(values=v, threshold=val[k].threshold) for k, v in scores.items()}
    on_test = _measure(truth, test, options)
    verdict = judge(truth, scores, {k: m["roc_auc"] for k, m in on_val.items()}, options)
    log.info("evaluation: %s; %s", verdict.decision, verdict.reason)
    record = {
        "candidates": {
            one.kind: _candidate(one, val[one.kind], on_val, on_test) for one in candidates
        },
        **asdict(verdict),
        "confidence": options.confidence,
        "rows": {"val": len(labels), "test": len(truth)},
    }
    _write(record, truth, scores, folder)


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
            **{name: _told(candidate[side][name]) for name in METRICS},
        }
        for side in evaluation.rows
        for kind, candidate in evaluation.candidates.items()
    ]


def _told(measured: Mapping[str, float]) -> str:
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**measured)


def _val_scores(candidate: Candidate, labels: np.ndarray) -> Scores:
    if len(candidate.val_scores) != len(labels):
        raise TrainingError(
            f"{candidate.kind} has scores of {len(candidate.val_scores):,} val rows",
            expected=f"one for each of the {len(labels):,} val rows of this split",
            remedy="train it on this split",
        )
    threshold = most_accurate(labels, candidate.val_scores)
    return Scores(values=candidate.val_scores, threshold=threshold)


def _measure(labels: np.ndarray, scores: Mapping[str, Scores], options: EvaluationSpec) -> Measured:
    areas = {
        kind: delong_interval(labels, one.values, options.confidence)
        for kind, one in scores.items()
    }
    others = bootstrap(
        labels,
        scores,
        confidence=options.confidence,
        resamples=options.resamples,
        seed=options.seed,
    )
    return {kind: {"roc_auc": areas[kind], **others[kind]} for kind in scores}


def _test_scores(
    candidates: Sequence[Candidate], test: TestRows, normalization: Normalization
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels of the test rows, and every candidate's scores of them."""
    matrix, scores = load_matrix(test, normalization), {}
    for one in candidates:
        started = time.perf_counter()
        scores[one.kind] = one.predictor.predict(matrix)
        seconds = time.perf_counter() - started
        log.info("evaluation: %s scored %s test rows in %.1f s", one.kind, len(matrix), seconds)
    return test.labels(), scores


def _candidate(
    candidate: Candidate, scores: Scores, on_val: Measured, on_test: Measured
) -> dict[str, Any]:
    return {
        "model_version": candidate.model_version,
        "threshold": scores.threshold,
        "val": {name: asdict(one) for name, one in on_val[candidate.kind].items()},
        "test": {name: asdict(one) for name, one in on_test[candidate.kind].items()},
    }


def _write(
    record: dict[str, Any], labels: np.ndarray, scores: dict[str, np.ndarray], folder: Path
) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / EVALUATION).write_text(text, "utf-8")
    columns = {name: pa.array(values) for name, values in {LABEL: labels, **scores}.items()}
    pq.write_table(pa.table(columns), folder / TEST_SCORES, compression="zstd")
    (folder / FIGURES).mkdir()
    for name, png in _figures(record, labels, scores).items():
        (folder / FIGURES / f"{name}.png").write_bytes(png)


def _figures(
    record: dict[str, Any], labels: np.ndarray, scores: dict[str, np.ndarray]
) -> dict[str, bytes]:
    candidates, confidence = record["candidates"], record["confidence"]
    on_test = {kind: one["test"] for kind, one in candidates.items()}
    return {
        "roc": figures.roc(labels, scores, on_test, confidence),
        "precision_recall": figures.precision_recall(labels, scores, on_test, confidence),
        "calibration": figures.calibration(labels, scores),
        "intervals": figures.intervals(candidates, record["comparison"], confidence),
    }
