"""Who trains is what the declaration says, and is written into the artifact."""

import json
from pathlib import Path
from typing import Any

import pytest
from worker_tasks import Ground

from plumbline.distribution import processes, ray_train, tasks, training
from plumbline.distribution.training import Inputs, train


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("engines"), 200)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was asked to train."""
    names: list[str] = []

    def by(name: str, result: Any = None) -> Any:
        def write(*given: Any, **_: Any) -> Any:
            folder = given[0].folder if isinstance(given[0], tasks.TrainingTask) else given[4]
            (Path(folder) / "training.json").write_text('{"kind": "network"}')
            names.append(name)
            return result

        return write

    monkeypatch.setattr(training.tasks, "train", by("this process"))
    monkeypatch.setattr(processes, "run_in_processes", by("processes"))
    monkeypatch.setattr(ray_train, "run_on_ray", by("ray", ["a", "b"]))
    return names


@pytest.mark.parametrize(
    ("execution", "who", "recorded"),
    [
        ({}, "this process", None),
        ({"workers": 2}, "processes", {"engine": "local", "workers": 2}),
        (
            {"engine": "ray", "workers": 2},
            "ray",
            {"engine": "ray", "workers": 2, "nodes": ["a", "b"]},
        ),
        ({"engine": "ray"}, "ray", {"engine": "ray", "workers": 1, "nodes": ["a", "b"]}),
    ],
)
def test_the_declared_engine_trains(ground, asked, tmp_path, execution, who, recorded):
    spec = type(ground.spec).model_validate(
        {**ground.spec.model_dump(mode="json", exclude_unset=True), "execution": execution}
    )
    inputs = Inputs(
        split=ground.split,
        split_folder=ground.split.snapshot.folder / "split",
        normalization=ground.normalization,
        normalization_folder=ground.normalization_folder,
    )
    train("network", spec, inputs, tmp_path, memory=None)
    assert asked == [who]
    written = json.loads((tmp_path / "training.json").read_text())
    assert written == {"kind": "network", **({"execution": recorded} if recorded else {})}
