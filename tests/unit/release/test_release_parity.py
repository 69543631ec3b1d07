"""The same raw rows through evaluation, batch, HTTP and a reloaded bundle: of every task, kind of
model and architecture, with calibrated scores.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from release_bundles import (
    TASKS,
    Built,
    decision_of,
    random_network,
    release_task,
    sized_table,
)
from score_ways import every_way

from plumbline.normalization.apply import load_matrix
from plumbline.release import manifest
from plumbline.serving import scorer
from plumbline.spec.network import ARCHITECTURES

pytest_plugins = ["release_fixtures"]

PARITY = 1e-6
RAW = sized_table().combine_chunks().to_batches()[0]

OPTIONS: dict[str, dict[str, Any]] = {
    "linear": {"widths": None, "dropout": None},
    "dense": {},
    "resnet": {"widths": [8, 8], "dropout": None},
    "tabm": {"members": 3},
    "tabm_mini": {"members": 3},
    "realmlp": {"widths": [8, 8], "dropout": None},
}
"""Of every architecture, small."""

NETWORKS = [
    *(("binary", "dense"), ("multiclass", "linear"), ("multilabel", "resnet")),
    *(("multiclass", "tabm"), ("regression", "tabm_mini"), ("regression", "realmlp")),
]
"""Every task and every architecture; the task is in the head, which all architectures share."""


def test_every_task_and_architecture_is_among_them():
    assert {architecture for _, architecture in NETWORKS} == set(ARCHITECTURES) - {"auto"}
    assert {task for task, _ in NETWORKS} == set(TASKS)


@pytest.fixture
def network(tasks, tmp_path):
    def make(task, architecture) -> Built:
        prepared = tasks[task]
        outputs = len(prepared.split.coding.classes)
        options = {"architecture": architecture, **OPTIONS[architecture]}
        drawn = random_network(prepared.normalization, task, outputs, size=0.3, **options)
        return release_task(prepared, "network", drawn, tmp_path / "bundle")

    return make


def require_parity(built: Built, folder: Path) -> None:
    described, split = manifest.read(built.folder), built.prepared.split
    # As the evaluation does, on rows of one side.
    val = split.validation()
    said = built.predictor.predict(load_matrix(val, built.prepared.normalization))
    evaluated = decision_of(split.coding).calibrated(said)
    rows = RAW.select([one.name for one in described.inputs])
    rows = rows.filter(pa.array(split.assignment == val.side))
    scale = np.abs(evaluated).max() if described.task == "regression" else 1
    for way, scores in every_way(built.folder, rows, folder).items():
        np.testing.assert_allclose(scores, evaluated, rtol=0, atol=PARITY * scale, err_msg=way)
    assert np.ptp(evaluated, axis=0).min() > 0.001 * scale


@pytest.mark.parametrize("kind", ["linear", "random_forest", "xgboost"])
@pytest.mark.parametrize("task", list(TASKS))
def test_baselines_say_the_same_every_way(released, tmp_path, task, kind):
    require_parity(released[task, kind], tmp_path)


@pytest.mark.network
@pytest.mark.parametrize(("task", "architecture"), NETWORKS)
def test_networks_say_the_same_every_way(network, tmp_path, monkeypatch, task, architecture):
    monkeypatch.setattr(scorer, "MANY_ROWS", scorer.FEW_ROWS)  # one shape less to compile
    require_parity(network(task, architecture), tmp_path)
