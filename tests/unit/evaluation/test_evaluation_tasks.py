"""The evaluation of every task, from candidates to files."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import SpecError, TrainingError
from plumbline.evaluation import evaluate, figures
from plumbline.evaluation.evaluate import Candidate
from plumbline.extract.features import feature_table
from plumbline.metrics.measured import measured
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.fit import fit
from plumbline.spec import EvaluationSpec
from plumbline.spec.metrics import OF_TASK, measurable
from plumbline.split.rows import TestRows, _mint
from plumbline.versions import NormalizationVersion

OPTIONS = EvaluationSpec(resamples=100)
ROWS = 1200
FIELDS = {
    "multiclass": ["kind"],
    "multilabel": ["red", "green", "blue"],
    "regression": ["size"],
    "binary": ["large", "customer"],
}
"""Columns of the table beside the features."""
TASKS = {
    "multiclass": {"label": "kind"},
    "multilabel": {"label": "colours", "labels": FIELDS["multilabel"]},
    "regression": {"label": "size"},
    "binary": {"label": "large", "group": "customer"},
}
FIGURES = {
    "multiclass": ["class_areas", "confusion", "reliability"],
    "multilabel": ["label_answers", "label_areas", "reliability"],
    "regression": ["predicted", "residuals"],
    "binary": ["calibration", "confusion", "precision_recall", "reliability", "roc", "threshold"],
}


@dataclass
class Noisy:
    """Knows the label but for the noise: scores that the label's task has."""

    task: str
    noise: float

    def predict(self, matrix):
        hidden = matrix.numeric[:, :3].astype(np.float64)
        scores = hidden + self.noise * np.random.default_rng(len(matrix)).normal(size=hidden.shape)
        if self.task == "regression":
            return scores.sum(axis=1)
        if self.task == "multiclass":
            powers = np.exp(3 * scores)
            return powers / powers.sum(axis=1, keepdims=True)
        shares = 1 / (1 + np.exp(-scores))
        return shares if self.task == "multilabel" else shares[:, 0]


def table() -> pa.Table:
    x, y, z = np.random.default_rng(0).normal(size=(3, ROWS))
    return pa.table(
        {
            "id": range(ROWS),
            "x": x,
            "y": y,
            "z": z,
            "customer": [f"c{one // 6}" for one in range(ROWS)],
            "kind": np.array(["ant", "bee", "cat"])[np.stack([x, y, z]).argmax(axis=0)],
            "red": x > 0,
            "green": y > 0,
            "blue": z > 0.5,
            "size": x + y + z,
            "large": x > 0,
        }
    )


@pytest.fixture(scope="module", params=TASKS)
def evaluated(request, tmp_path_factory):
    task, folder = request.param, tmp_path_factory.mktemp("evaluation")
    read = ["id", "x", "y", "z", *FIELDS[task]]
    spec = spec_of(task=task, split={"policy": "hash", "val": 0.3, "test": 0.4}, **TASKS[task])
    snapshot = snapshot_of(
        table().select(read), tmp_path_factory.mktemp("snapshot"), label=TASKS[task]["label"]
    )
    split = split_of(snapshot, spec)
    features, version = feature_table(snapshot, spec), NormalizationVersion("n")
    normalization = fit(split.train(), features, spec.normalization, version)
    val = load_matrix(split.validation(), normalization)
    candidates = [
        Candidate(kind=kind, model_version=kind, predictor=one, val_scores=one.predict(val))
        for kind, one in (("xgboost", Noisy(task, 1.0)), ("network", Noisy(task, 0.2)))
    ]
    test = TestRows(**split._parts, minted=_mint)
    evaluate.build(candidates, split, normalization, OPTIONS, lambda: test, folder)
    return task, evaluate.load(folder), test, (candidates, split, normalization)


def test_the_better_network_is_released(evaluated):
    task, evaluation, test, _ = evaluated
    assert (evaluation.decision, evaluation.winner) == ("NETWORK", "network")
    assert evaluation.metric == OF_TASK[task][0]
    assert evaluation.rows["test"] == test.count


def test_every_metric_is_recorded(evaluated):
    task, evaluation, _, _ = evaluated
    names = measurable(task, 3)
    rows = list(evaluate.rows(evaluation))
    assert [row["metric"] for row in rows] == [*names] * 4
    for one in evaluation.candidates.values():
        assert tuple(one["val"]) == tuple(one["test"]) == names
        assert (one["threshold"] is None) == (task != "binary")
    assert tuple(evaluate.summary(evaluation)[0]) == ("candidate", "split", *names)


def test_scores_come_back_in_the_shape_they_had(evaluated):
    task, evaluation, test, _ = evaluated
    columns = pq.read_table(evaluation.folder / evaluate.TEST_SCORES)
    assert columns.column_names == ["label", "xgboost", "network"]
    labels, scores = (np.array(columns[name].to_pylist()) for name in ("label", "network"))
    assert np.array_equal(labels, test.labels())
    assert scores.shape == ((test.count, 3) if task.startswith("multi") else (test.count,))
    values = measured(task, labels, scores, names=[evaluation.metric])
    found = evaluation.candidates["network"]["test"][evaluation.metric]["value"]
    assert found == pytest.approx(values[evaluation.metric], rel=1e-12)


def test_figures_are_the_task_s(evaluated):
    task, evaluation, _, (candidates, split, *_) = evaluated
    scores = {one.kind: one.val_scores for one in candidates}[evaluation.winner]
    val = figures.WinnersVal(labels=split.validation().labels(), scores=scores)
    draws = figures.of_evaluation(evaluation, val, grouped=task == "binary")
    drawn = {name: image for name, draw in draws.items() if (image := draw())}
    assert sorted(drawn) == sorted([*FIGURES[task], "intervals"])
    assert all(image.startswith(b"\x89PNG") for image in drawn.values())


def test_a_declared_group_is_drawn_whole(evaluated):
    task, evaluation, test, _ = evaluated
    if task != "binary":
        assert evaluation.comparison["groups"] is None
        return
    groups = len(np.unique(test.groups()))
    assert 60 < groups < 100
    assert (evaluation.comparison["groups"], evaluation.comparison["method"]) == (
        groups,
        "bootstrap",
    )


def test_scores_of_another_shape_leave_the_test_rows_unread(evaluated, tmp_path):
    _, _, _, (candidates, *prepared) = evaluated
    good = candidates[0]
    wrong = Candidate(
        kind="xgboost",
        model_version="x",
        predictor=good.predictor,
        val_scores=good.val_scores[..., None],
    )
    with pytest.raises(TrainingError, match="val rows, shape"):
        evaluate.build([wrong], *prepared, OPTIONS, lambda: pytest.fail("opened"), tmp_path)


def test_what_is_not_measured_leaves_the_test_rows_unread(tmp_path):
    count = 25
    columns = {
        "id": range(1000),
        "x": np.random.default_rng(0).normal(size=1000),
        "kind": [f"k{one % count:02}" for one in range(1000)],
    }
    spec = spec_of(
        label="kind", task="multiclass", split={"policy": "hash", "val": 0.3, "test": 0.3}
    )
    snapshot = snapshot_of(pa.table(columns), tmp_path, label="kind")
    split = split_of(snapshot, spec)
    features, version = feature_table(snapshot, spec), NormalizationVersion("n")
    normalization = fit(split.train(), features, spec.normalization, version)
    scores = np.full((split.validation().count, count), 1 / count)
    candidate = Candidate(
        kind="xgboost", model_version="x", predictor=Noisy("multiclass", 1), val_scores=scores
    )
    options = EvaluationSpec(metric="auc", resamples=100)
    with pytest.raises(SpecError, match="'auc' is not measured"):
        evaluate.build(
            [candidate], split, normalization, options, lambda: pytest.fail("opened"), tmp_path
        )
