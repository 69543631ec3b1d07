import json
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.decision.decision import Decision
from plumbline.errors import TrainingError
from plumbline.evaluation import evaluate
from plumbline.evaluation.evaluate import Candidate
from plumbline.extract.features import feature_table
from plumbline.metrics.delong import delong_interval, delong_paired
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import EvaluationSpec
from plumbline.spec.metrics import OF_TASK
from plumbline.split.rows import TestRows, _mint
from plumbline.versions import NormalizationVersion

OPTIONS = EvaluationSpec(resamples=100)
METRICS = OF_TASK["binary"]


def hits(labels, scores, threshold):
    return (scores >= threshold) == labels


@dataclass
class Linear:
    """A predictor that reads the columns of the matrix with given weights."""

    weights: tuple[float, ...]
    seen: list[int] = field(default_factory=list)

    def predict(self, matrix):
        self.seen.append(len(matrix))
        return 1 / (1 + np.exp(-(matrix.numeric @ np.array(self.weights)).astype(np.float64)))


class Door:
    """Hands out the test rows and counts how often."""

    def __init__(self, split):
        self.split = split
        self.opened = 0

    def __call__(self):
        self.opened += 1
        return TestRows(
            snapshot=self.split.snapshot,
            assignment=self.split.assignment,
            coding=self.split.coding,
            minted=_mint,
        )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 2000))
    table = pa.table(
        {
            "id": range(2000),
            "x": x,
            "y": y,
            "label": x + y + random.normal(size=2000) > 0,
        }
    )
    spec = spec_of(split={"policy": "stratified", "val": 0.3, "test": 0.4})
    snapshot = snapshot_of(table, tmp_path_factory.mktemp("snapshot"))
    split = split_of(snapshot, spec)
    features = feature_table(snapshot, spec)
    version = NormalizationVersion("n")
    return split, fit(split.train(), features, spec.normalization, version)


def candidate(prepared, kind: str, weights: tuple[float, ...]) -> Candidate:
    split, normalization = prepared
    predictor = Linear(weights)
    scores = predictor.predict(load_matrix(split.validation(), normalization))
    predictor.seen.clear()
    return Candidate(kind=kind, model_version=f"{kind}-1", predictor=predictor, val_scores=scores)


@pytest.fixture(scope="module")
def candidates(prepared):
    weights = {"random_forest": (1.0, 0.1), "xgboost": (1.0, 0.3), "network": (1.0, 1.0)}
    return [candidate(prepared, kind, values) for kind, values in weights.items()]


@pytest.fixture(scope="module")
def evaluated(prepared, candidates, tmp_path_factory):
    folder, door = tmp_path_factory.mktemp("evaluation"), Door(prepared[0])
    evaluate.build(candidates, *prepared, OPTIONS, door, folder)
    return evaluate.load(folder), door


def test_the_test_rows_are_opened_once_and_scored_once(evaluated, candidates, prepared):
    _, door = evaluated
    assert door.opened == 1
    for one in candidates:
        assert one.predictor.seen == [prepared[0].counts["test"]]


def test_the_record_is_complete(evaluated, prepared):
    evaluation, _ = evaluated
    split, _ = prepared
    assert list(evaluation.candidates) == ["random_forest", "xgboost", "network"]
    assert evaluation.rows == {"val": split.counts["val"], "test": split.counts["test"]}
    assert evaluation.confidence == 0.95
    for kind, one in evaluation.candidates.items():
        assert one["model_version"] == f"{kind}-1"
        for side in ("val", "test"):
            assert tuple(one[side]) == METRICS
            for measured in one[side].values():
                assert 0 <= measured["low"] <= measured["value"] <= measured["high"]


def test_the_scores_of_the_test_rows_are_kept(evaluated, prepared):
    evaluation, _ = evaluated
    split, normalization = prepared
    table = pq.read_table(evaluation.folder / "test_scores.parquet")
    assert table.column_names == ["label", "random_forest", "xgboost", "network"]
    test = Door(split)()
    labels = table["label"].to_numpy()
    assert np.array_equal(labels, test.labels())
    scores = {kind: table[kind].to_numpy() for kind in evaluation.candidates}
    for kind, weights in (("random_forest", (1.0, 0.1)), ("xgboost", (1.0, 0.3))):
        raw = Linear(weights).predict(load_matrix(test, normalization))
        decided = Decision.from_json(evaluation.candidates[kind]["decision"])
        assert np.array_equal(scores[kind], decided.calibrated(raw))
    for kind, one in evaluation.candidates.items():
        area = delong_interval(labels, scores[kind], 0.95)
        assert one["test"]["auc"]["value"] == area.value
    difference = delong_paired(labels, scores["network"], scores["xgboost"], 0.95)
    assert evaluation.comparison["difference"]["low"] == difference.low


def test_the_threshold_comes_from_val(evaluated, candidates, prepared):
    evaluation, _ = evaluated
    labels = prepared[0].validation().labels()
    test = pq.read_table(evaluation.folder / "test_scores.parquet")
    for one in candidates:
        recorded = evaluation.candidates[one.kind]
        at = recorded["threshold"]
        calibrated = Decision.from_json(recorded["decision"]).calibrated(one.val_scores)
        assert recorded["val"]["accuracy"]["value"] == hits(labels, calibrated, at).mean()
        on_test = hits(test["label"].to_numpy(), test[one.kind].to_numpy(), at).mean()
        assert recorded["test"]["accuracy"]["value"] == on_test
        for other in np.linspace(0, 1, 101):
            assert (
                hits(labels, one.val_scores, other).mean() <= recorded["val"]["accuracy"]["value"]
            )


def test_the_verdict(evaluated):
    evaluation, _ = evaluated
    assert (evaluation.decision, evaluation.winner) == ("NETWORK", "network")
    assert evaluation.comparison["baseline"] == "xgboost"
    assert "800 rows" in evaluation.reason


def test_without_a_network(candidates, prepared, tmp_path):
    door = Door(prepared[0])
    evaluate.build(candidates[:2], *prepared, OPTIONS, door, tmp_path)
    evaluation = evaluate.load(tmp_path)
    assert (evaluation.decision, evaluation.winner) == ("BASELINE", "xgboost")
    assert door.opened == 1


def test_an_evaluation_again_writes_the_same_bytes(evaluated, candidates, prepared, tmp_path):
    evaluation, _ = evaluated
    evaluate.build(candidates, *prepared, OPTIONS, Door(prepared[0]), tmp_path)
    names = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [name.as_posix() for name in names] == [
        "evaluation.json",
        "test_scores.parquet",
    ]
    for name in names:
        assert (tmp_path / name).read_bytes() == (evaluation.folder / name).read_bytes(), name


def test_rows_for_the_registry(evaluated):
    evaluation, _ = evaluated
    rows = list(evaluate.rows(evaluation))
    assert len(rows) == 3 * 2 * len(METRICS)
    assert {frozenset(row) for row in rows} == {
        frozenset(
            {"model_version", "split", "metric", "row_count", "value", "low", "high", "confidence"}
        )
    }
    one = next(r for r in rows if (r["model_version"], r["split"], r["metric"]) == WANTED)
    assert one["value"] == evaluation.candidates["xgboost"]["test"]["brier"]["value"]
    assert one["row_count"] == evaluation.rows["test"]


WANTED = ("xgboost-1", "test", "brier")


def test_a_summary_for_people(evaluated):
    lines = evaluate.summary(evaluated[0])
    assert [(line["candidate"], line["split"]) for line in lines] == [
        (kind, side) for side in ("val", "test") for kind in ("random_forest", "xgboost", "network")
    ]
    assert set(lines[0]) == {"candidate", "split", *METRICS}


@pytest.mark.parametrize("problem", ["too few", "not finite"])
def test_val_scores_that_cannot_be_used_leave_the_test_rows_unread(
    problem, candidates, prepared, tmp_path
):
    scores = candidates[0].val_scores.copy()
    if problem == "not finite":
        scores[3] = np.nan
    broken = Candidate(
        kind="xgboost",
        model_version="x",
        predictor=candidates[0].predictor,
        val_scores=scores[:-1] if problem == "too few" else scores,
    )
    door = Door(prepared[0])
    with pytest.raises(TrainingError, match=r"599 val rows|NaN or infinite"):
        evaluate.build([broken], *prepared, OPTIONS, door, tmp_path)
    assert door.opened == 0
    assert not list(tmp_path.iterdir())


def test_the_record_is_json_without_nan(evaluated):
    text = (evaluated[0].folder / "evaluation.json").read_text("utf-8")
    json.loads(text, parse_constant=pytest.fail)
