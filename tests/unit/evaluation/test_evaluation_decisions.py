"""Decisions in an evaluation: made on val, recorded, and what the test rows are judged by."""

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from snapshots import snapshot_of, spec_of, split_of

from plumbline.decision.decision import Decision
from plumbline.errors import DecisionError
from plumbline.evaluation import decisions, evaluate, figures
from plumbline.evaluation.candidates import Candidate
from plumbline.extract.features import feature_table
from plumbline.metrics.measured import measured
from plumbline.metrics.reliability import Reliability
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import DecisionSpec, EvaluationSpec
from plumbline.split.rows import TestRows, _mint
from plumbline.versions import NormalizationVersion

OPTIONS = EvaluationSpec(resamples=100)
ROWS = 1600
FIELDS = {
    "binary": ["large", "customer"],
    "multiclass": ["kind"],
    "multilabel": ["red", "green"],
    "regression": ["size"],
}
TASKS = {
    "binary": {"label": "large", "group": "customer"},
    "multiclass": {"label": "kind"},
    "multilabel": {"label": "colours", "labels": FIELDS["multilabel"]},
    "regression": {"label": "size"},
}


class TooSure:
    """Log-odds of the label, too large by a factor."""

    def __init__(self, task, sure, noise=0.0):
        self.task, self.sure, self.noise = task, sure, noise

    def predict(self, matrix):
        odds = matrix.numeric[:, :3].astype(np.float64)
        odds += self.noise * np.random.default_rng(len(odds)).normal(size=odds.shape)
        if self.task == "regression":
            return odds.sum(axis=1)
        if self.task == "multiclass":
            powers = np.exp(self.sure * odds)
            return powers / powers.sum(axis=1, keepdims=True)
        scores = 1 / (1 + np.exp(-self.sure * odds))
        return scores[:, :2] if self.task == "multilabel" else scores[:, 0]


def table() -> pa.Table:
    random = np.random.default_rng(0)
    x, y, z = odds = random.normal(size=(3, ROWS))
    hits = random.random((2, ROWS)) < 1 / (1 + np.exp(-odds[:2]))
    return pa.table(
        {
            "id": range(ROWS),
            "x": x,
            "y": y,
            "z": z,
            "customer": [f"c{one // 4}" for one in range(ROWS)],
            "kind": np.array(["ant", "bee", "cat"])[
                (odds + random.gumbel(size=odds.shape)).argmax(axis=0)
            ],
            "red": hits[0],
            "green": hits[1],
            "size": x + y + z + random.normal(size=ROWS),
            "large": hits[0],
        }
    )


@pytest.fixture(scope="module", params=TASKS)
def prepared(request, tmp_path_factory):
    task = request.param
    read = ["id", "x", "y", "z", *FIELDS[task]]
    spec = spec_of(task=task, split={"policy": "hash", "val": 0.4, "test": 0.4}, **TASKS[task])
    snapshot = snapshot_of(
        table().select(read), tmp_path_factory.mktemp("snapshot"), label=TASKS[task]["label"]
    )
    split = split_of(snapshot, spec)
    features, version = feature_table(snapshot, spec), NormalizationVersion("n")
    normalization = fit(split.train(), features, spec.normalization, version)
    val = load_matrix(split.validation(), normalization)
    candidates = [
        Candidate(kind=kind, model_version=kind, predictor=one, val_scores=one.predict(val))
        for kind, one in (("xgboost", TooSure(task, 3.0)), ("network", TooSure(task, 1.0)))
    ]
    return task, candidates, split, normalization, TestRows(**split._parts, minted=_mint)


def build(prepared, folder, **declared):
    _, candidates, split, normalization, test = prepared
    folder.mkdir(exist_ok=True)
    evaluate.build(
        candidates,
        split,
        normalization,
        OPTIONS,
        lambda: test,
        folder,
        decision=DecisionSpec(**declared),
    )
    return evaluate.load(folder)


@pytest.fixture(scope="module")
def evaluated(prepared, tmp_path_factory):
    return build(prepared, tmp_path_factory.mktemp("evaluation"), conformal={"coverage": 0.8})


def figures_of(prepared, evaluation):
    _, candidates, split, _, _ = prepared
    scores = {one.kind: one.val_scores for one in candidates}[evaluation.winner]
    labels = split.validation().labels()
    return figures.of_evaluation(evaluation, figures.WinnersVal(labels=labels, scores=scores))


def released(prepared, evaluation, kind):
    """Raw and calibrated scores of the test rows by the recorded decision."""
    _, candidates, _, normalization, test = prepared
    predictor = next(one.predictor for one in candidates if one.kind == kind)
    raw = predictor.predict(load_matrix(test, normalization))
    return raw, Decision.from_json(evaluation.candidates[kind]["decision"]).calibrated(raw)


def test_test_scores_and_metrics_are_those_that_are_released(prepared, evaluated):
    task, _, _, _, test = prepared
    columns = pq.read_table(evaluated.folder / evaluate.TEST_SCORES)
    for kind, one in evaluated.candidates.items():
        raw, expected = released(prepared, evaluated, kind)
        found = np.array(columns[kind].to_pylist())
        assert np.array_equal(found, expected)
        if task == "regression":
            assert np.array_equal(found, raw)
            continue
        losses = measured(task, test.labels(), expected, names=["log_loss"])
        assert one["test"]["log_loss"]["value"] == pytest.approx(losses["log_loss"], rel=1e-12)
    if task != "regression":  # what is too sure is calibrated by what val says
        assert evaluated.candidates["xgboost"]["calibration"]["method"] != "none"


def test_val_metrics_are_those_of_raw_scores(prepared, evaluated):
    task, candidates, split, _, _ = prepared
    name = "rmse" if task == "regression" else "log_loss"
    for one in candidates:
        raw = measured(task, split.validation().labels(), one.val_scores, names=[name])
        found = evaluated.candidates[one.kind]["val"][name]["value"]
        assert found == pytest.approx(raw[name], rel=1e-12)


def test_the_evidence_is_recorded_before_and_after(prepared, evaluated):
    task, _, _, _, test = prepared
    one = evaluated.candidates["xgboost"]
    sides = one["calibration"]
    if task == "regression":
        assert (sides["test"]["before"], sides["test"]["after"]) == (None, None)
        return
    for side in ("val", "test"):
        before, after = (sides[side][when]["ece"] for when in ("before", "after"))
        assert after["value"] < before["low"] <= before["value"] <= before["high"]
        assert sum(bin_["rows"] for bin_ in sides[side]["before"]["bins"]) > 500
    if task == "binary":
        raw, calibrated = released(prepared, evaluated, "xgboost")
        for when, scores in (("before", raw), ("after", calibrated)):
            found = sides["test"][when]["ece"]["value"]
            assert found == pytest.approx(Reliability(scores, test.labels()).of()[0, 0])


def test_accuracy_is_at_the_thresholds_of_the_decision(prepared, evaluated):
    task, _, _, _, test = prepared
    if task not in ("binary", "multilabel"):
        assert all(one["choice"] is None for one in evaluated.candidates.values())
        return
    for kind, one in evaluated.candidates.items():
        cuts = Decision.from_json(one["decision"]).cuts
        right = (released(prepared, evaluated, kind)[1] >= cuts) == (test.labels() == 1)
        assert one["test"]["accuracy"]["value"] == pytest.approx(right.mean(), rel=1e-12)
        assert one["threshold"] == (cuts if task == "binary" else None)
        assert [cut["threshold"] for cut in one["choice"]["chosen"]] == np.atleast_1d(cuts).tolist()


def test_conformal_coverage_is_recorded_and_drawn(prepared, evaluated):
    task, _, _, _, _ = prepared
    for one in evaluated.candidates.values():
        found = one["conformal"]
        assert found["nominal"] == 0.8
        assert found["test"]["held"]
        assert found["test"]["coverage"]["value"] == pytest.approx(0.8, abs=0.1)
    for name in ("coverage", *(("reliability",) if task != "regression" else ())):
        with Image.open(io.BytesIO(figures_of(prepared, evaluated)[name]())) as drawn:
            assert drawn.width == 704
            assert 100 < drawn.height < 700
    lines = decisions.summary(evaluated.candidates)
    assert [one["candidate"] for one in lines] == ["xgboost", "network"]
    assert len({tuple(one) for one in lines}) == 1
    assert ("threshold" in lines[0]) == (task in ("binary", "multilabel"))


def test_every_resample_of_a_group_holds_it_whole(prepared, evaluated):
    """Rows of a customer hang together, so its bootstrap is of customers."""
    task, _, split, _, _ = prepared
    if task != "binary":
        return
    groups = split.validation().groups()
    side = evaluate._side(split.validation(), {}, OPTIONS, {})
    drawn = next(side.sample(np.zeros(len(groups))).draws.counts())[0]
    assert all(len(set(drawn[groups == one])) == 1 for one in range(20))


def top_is_wrong(candidate, labels):
    """Scores whose greatest are of negatives: no threshold is precise."""
    ranked = np.where(labels == 1, 0.3, 0.6 + 0.3 * candidate.val_scores)
    return replace(candidate, val_scores=ranked)


def test_a_candidate_that_cannot_reach_a_declared_precision_is_not_released(prepared, tmp_path):
    task, candidates, split, normalization, test = prepared
    if task != "binary":
        return
    rule = DecisionSpec(threshold={"by": "precision", "at_least": 0.8})
    labels = split.validation().labels()
    baseline, network = candidates
    worse = TooSure(task, 1.0, noise=1.0)
    scores = worse.predict(load_matrix(split.validation(), normalization))
    baseline = replace(baseline, predictor=worse, val_scores=scores)
    given = [baseline, top_is_wrong(network, labels)]
    evaluate.build(
        given, split, normalization, EvaluationSpec(resamples=100, minimum_gain=0), lambda: test,
        tmp_path, decision=rule,
    )  # fmt: skip
    found = evaluate.load(tmp_path)
    assert (found.decision, found.winner) == ("BASELINE", "xgboost")
    assert found.comparison["difference"]["low"] > 0
    assert "blocked" in found.reason
    assert "network reaches at most a precision of" in found.reason
    assert not found.candidates["network"]["choice"]["met"]
    assert found.candidates["xgboost"]["choice"]["chosen"][0]["precision"] >= 0.8
    assert "unmet" in decisions.summary(found.candidates)[1]["threshold"]
    other = tmp_path / "other"
    with pytest.raises(DecisionError, match=r"xgboost reaches at most a precision of 0\.\d+ \(rec"):
        evaluate.build(
            [top_is_wrong(baseline, labels), network],
            *(split, normalization, OPTIONS, lambda: pytest.fail("opened"), other),
            decision=rule,
        )
