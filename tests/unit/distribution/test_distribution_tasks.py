"""What a worker refuses before it trains, and what it trains where it is alone."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from worker_tasks import Ground

from plumbline.baselines import training as baselines
from plumbline.distribution import software, tasks
from plumbline.distribution.tasks import TrainingTask
from plumbline.errors import SpecError, TrainingError
from plumbline.network import backend, checkpoint, resume
from plumbline.network.loop import devices
from plumbline.worker import Worker

SECOND = Worker(rank=1, world=2, address="127.0.0.1:1")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("tasks"), 600)


def test_a_task_is_json(ground: Ground):
    import json

    task = ground.task("network", "json")
    assert TrainingTask(**json.loads(json.dumps(asdict(task)))) == task


def test_a_worker_alone_trains_to_the_bit_what_the_baseline_s_own_function_does(ground: Ground):
    task = ground.task("xgboost", "alone")
    tasks.run(task)
    folder = ground.folder / "own"
    folder.mkdir()
    sides = ground.split.train(), ground.split.validation()
    baselines.build("xgboost", *sides, ground.normalization, ground.spec.baselines, folder)
    for name in ("model.ubj", "val_scores.npy", "importances.json"):
        assert (Path(task.folder) / name).read_bytes() == (folder / name).read_bytes(), name


def test_other_software_is_refused_by_name(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    task = ground.task("network", "software")
    given = {**task.software, "keras": "2.0", "code of plumbline.network": "0" * 12}
    with pytest.raises(TrainingError) as refused:
        tasks.run(replace(task, software=given))
    told = software.here()
    assert refused.value.found == (
        f"worker 0 has code of plumbline.network {told['code of plumbline.network']}, "
        f"keras {told['keras']}"
    )
    assert refused.value.expected.startswith(f"code of plumbline.network {'0' * 12}, keras 2.0")
    assert "python" in told
    assert not list(Path(task.folder).iterdir())


def test_software_that_one_side_lacks_is_told():
    given = software.here()
    given.pop("numpy")
    with pytest.raises(TrainingError, match=r"worker 1 has numpy 2.*; expected numpy missing"):
        software.require_same(given, 1)


def test_several_workers_train_no_network_on_jax(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backend, "name", lambda: "jax")
    told = r"set KERAS_BACKEND=tensorflow, or execution\.workers to 1"
    with pytest.raises(SpecError, match=told):
        devices.join(SECOND)


def test_workers_take_all_their_devices():
    with pytest.raises(SpecError, match=r"network\.devices is 2, and several workers"):
        devices.chosen(2, [64], SECOND)


def test_only_the_first_worker_writes_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resume, "EVERY", 0.0)
    second = resume.Resuming(tmp_path, "training", SECOND)
    second.epoch_ends(0)
    assert not list(tmp_path.iterdir())
    checkpoint.write(
        tmp_path / resume.FILE, checkpoint.Checkpoint(identity="training", facts={}, arrays={})
    )
    second.finished()
    assert (tmp_path / resume.FILE).exists()


def test_workers_that_read_other_checkpoints_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "agreed", lambda find, worker: find() + 3)
    second = resume.Resuming(tmp_path, "training", SECOND)
    with pytest.raises(TrainingError, match=r"worker 1 would go on with epoch 1 .* with epoch 4"):
        second.begin(None, ())


def test_shares_of_rows_cover_them_once():
    from plumbline.distribution.boosting import shares

    for count in (0, 1, 2, 7, 100):
        for world in (1, 2, 3, 8):
            rows = np.concatenate([np.arange(count)[one] for one in shares(count, world)])
            np.testing.assert_array_equal(rows, np.arange(count))
            sizes = [len(np.arange(count)[one]) for one in shares(count, world)]
            assert max(sizes) - min(sizes) <= 1
