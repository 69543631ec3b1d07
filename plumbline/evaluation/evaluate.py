"""The evaluation: everything on val first, then one look at the test rows, then the verdict."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.evaluation import decisions
from plumbline.evaluation.candidates import Candidate, val_scores
from plumbline.evaluation.comparison import Decision, deciding
from plumbline.evaluation.judging import Demands, Judging
from plumbline.evaluation.sides import Side, Thresholds
from plumbline.metrics.interval import Interval
from plumbline.normalization.apply import matrices
from plumbline.normalization.parameters import Normalization
from plumbline.spec import DecisionSpec, EvaluationSpec
from plumbline.spec.metrics import METRICS, MetricName
from plumbline.split.rows import Rows, TestRows
from plumbline.split.split import Split

log = logging.getLogger(__name__)

EVALUATION, TEST_SCORES = "evaluation.json", "test_scores.parquet"
LABEL = "label"
"""Column of test_scores.parquet beside one per candidate."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How every candidate did, and which is to be released."""

    candidates: dict[str, dict[str, Any]]
    """By kind: model_version, threshold (None but for the binary task), val and test: {metric:
    {value, low, high}}; and decision, calibration, choice and conformal: see `decisions.record`."""
    comparison: dict[str, Any]
    """As `Verdict.comparison`."""
    decision: Decision
    winner: str
    reason: str
    confidence: float
    rows: dict[str, int]
    """Rows of val and of test (count)."""
    folder: Path
    seeds: dict[str, Any] = field(default_factory=dict)
    """networks, and std: the standard deviation between them; see `Judging._networks`."""
    slices: dict[str, Any] = field(default_factory=dict)
    """tested (count), measured and left_out: see `slices.measured`; segments, and of which
    candidate they are weak. Of each measured one also blocks: whether it keeps the network
    from being released."""
    complexity: dict[str, Any] = field(default_factory=dict)
    """candidates: see `complexity.beside`; limits: see `complexity.Limit`."""
    reads: dict[str, Any] = field(default_factory=dict)
    """reading: which one of the test rows; allowed; confidence: of what decides."""

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
    demands: Demands = Demands(),  # noqa: B008
    decision: DecisionSpec = DecisionSpec(),  # noqa: B008
) -> None:
    """Evaluate, and write evaluation.json and test_scores.parquet.

    Calibration, thresholds, conformal margins, the best baseline, slices and what a network has
    to gain are chosen on val. Metrics of val are those of raw scores, metrics of test those of
    the calibrated ones, which are what is released.
    `open_test` is called once, when nothing is left to choose.

    Raises:
        TrainingError: a candidate's scores do not belong to these rows, or are not finite.
        SplitError: a side holds one label only, or does not define what decides.
        SpecError: what is to decide is not measured of so many classes, or a declared slice
            cannot be cut.
        DecisionError: too few val rows for a conformal interval, or no baseline reaches a
            declared precision.
    """
    rows, everyone = split.validation(), (*candidates, *demands.further)
    raw = val_scores(everyone, rows)
    blank = _side(rows, {one.kind: raw[one.kind] for one in candidates}, options, {})
    made = decisions.made(blank, raw, decision, rows.coding.classes)
    unmet = decisions.unmet({one.kind: made[one.kind] for one in candidates})
    val = replace(blank, thresholds=decisions.cuts_of_raw(made, raw))
    on_val, name = val.intervals(), deciding(val)
    val.require_defined(name, "val")
    log.info(
        "evaluation: %d candidates measured on %s val rows", len(on_val), f"{len(val.labels):,}"
    )
    judging = replace(Judging.of(candidates, demands, val, rows, normalization), unmet=unmet)
    opened = open_test()
    scores = _test_scores(everyone, opened, normalization)
    released = decisions.calibrated(made, scores)
    further = {one.kind: released.pop(one.kind) for one in demands.further}
    test = _side(opened, released, options, decisions.cuts(made))
    on_test = test.intervals()
    verdict = judging.passed(test, opened, further)
    log.info("evaluation: %s; %s", verdict["decision"], verdict["reason"])
    record = {
        "candidates": {
            one.kind: {
                "model_version": one.model_version,
                "threshold": made[one.kind].decision.threshold,
                "val": _record(on_val[one.kind]),
                "test": _record(on_test[one.kind]),
                **decisions.record(made[one.kind], scores[one.kind], one.kind, test),
            }
            for one in candidates
        },
        **verdict,
        "confidence": options.confidence,
        "rows": {"val": len(val.labels), "test": len(test.labels)},
    }
    _write(record, test, folder)


def load(folder: Path) -> Evaluation:
    """The evaluation that `build` wrote."""
    return Evaluation(**json.loads((folder / EVALUATION).read_text("utf-8")), folder=folder)


def test_scores(folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels of the test rows, and every candidate's calibrated scores of them by kind.

    Shapes (n,), or (n, classes or labels).
    """
    table = pq.read_table(folder / TEST_SCORES)
    found = {name: _values(table[name]) for name in table.column_names}
    return found.pop(LABEL), found


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


def _side(
    rows: Rows,
    scores: Mapping[str, np.ndarray],
    options: EvaluationSpec,
    thresholds: Thresholds,
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


def _write(record: dict[str, Any], test: Side, folder: Path) -> None:
    """test: with calibrated scores."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / EVALUATION).write_text(text, "utf-8")
    columns = {LABEL: test.labels, **test.scores}
    table = pa.table({name: _column(values) for name, values in columns.items()})
    pq.write_table(table, folder / TEST_SCORES, compression="zstd")


def _column(values: np.ndarray) -> pa.Array:
    """Of several classes or labels: a list per row, of as many as there are."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _values(column: pa.ChunkedArray) -> np.ndarray:
    """What `_column` was made of."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    lists: Any = column.combine_chunks()
    return lists.flatten().to_numpy().reshape(-1, column.type.list_size)
