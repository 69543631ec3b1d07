"""A killed training goes on from its checkpoint and ends with the bits of an uninterrupted one."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plumbline.environment import keras_backend
from plumbline.network import checkpoint, fitting, resume, trainer
from plumbline.network.checkpoint import Checkpoint
from plumbline.network.examples import Examples
from plumbline.network.fitting import Fitted
from plumbline.network.recipe import resolve
from plumbline.network.table import Table
from plumbline.network.tasks import objective
from plumbline.normalization.matrix import Matrix
from plumbline.spec import NetworkSpec
from plumbline.versions import fingerprint

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

OPTIONS: dict[str, Any] = {
    "architecture": "dense",
    "widths": [12],
    "dropout": 0.3,
    "batch_size": 50,
    "learning_rate": 0.05,
    "max_epochs": 30,
    "patience": 4,
    "schedule": "plateau",
    "seed": 7,
}
CODES = (4,)


def examples(rows: int, seed: int) -> Examples:
    generator = np.random.default_rng(seed)
    numeric = generator.standard_normal((rows, 3), dtype=np.float32)
    codes = generator.integers(0, 4, (rows, 1)).astype(np.int32)
    signal = numeric[:, 0] + codes[:, 0] - 1.5 + generator.normal(size=rows)
    matrix = Matrix(
        numeric=numeric, codes=codes, numeric_names=("a", "b", "c"), category_names=("d",)
    )
    return Examples(matrix=matrix, labels=(signal > 0).astype(np.int8))


def fit(work: Path | None, extra: Any = (), rows: int = 330, **options: Any) -> Fitted:
    spec = NetworkSpec(**{**OPTIONS, **options})
    train, val = examples(rows, 1), examples(200, 2)
    goal = objective("binary", 2, spec)
    table = Table.described(train.matrix, CODES)
    return fitting.fit_examples(train, val, table, goal, spec, work, extra)


def told(fitted: Fitted) -> dict[str, Any]:
    """What an uninterrupted training and a resumed one have in common: everything but times."""
    times = ("seconds", "wait_share")
    return {
        "weights": fitted.predictor.weights_sha256(),
        "scores": fitted.val_scores.tobytes(),
        "history": {k: v for k, v in fitted.history.items() if k not in times},
        "best_epoch": fitted.best_epoch,
    }


class Killed(Exception):
    pass


def killer(epoch: int) -> Any:
    """A callback that ends the training in the middle of an epoch, counted from 1.

    It remembers the epochs that it saw, as a callback of ours may.
    """
    import keras

    class Killer(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []
            self.sums = [np.zeros(2)]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if len(self.seen) + 1 == epoch:
                self.dies()

        def dies(self) -> None:
            raise Killed

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen.append(epoch)
            self.sums[0] = self.sums[0] + epoch

        def state(self) -> dict[str, Any]:
            return {"seen": self.seen, "sums": self.sums}

        def restore(self, state: dict[str, Any]) -> None:
            self.seen, self.sums = state["seen"], state["sums"]

    return Killer()


def harmless() -> Any:
    """Of the same name as a killer, so that the training is the same."""
    return killer(0)


@pytest.fixture(autouse=True)
def at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "EVERY", 0.0)
    monkeypatch.setattr(resume, "SHARE", 1e9)


@pytest.fixture(scope="module")
def whole() -> Fitted:
    return fit(None, [harmless()])


def test_an_uninterrupted_training_stops_early_and_slows_down(whole: Fitted):
    """Otherwise nothing is proved about what callbacks remember."""
    rates = whole.history["learning_rate"]
    assert rates[0] > rates[-1]
    assert len(rates) < OPTIONS["max_epochs"]
    assert 2 < whole.best_epoch < len(rates)


@pytest.mark.network
def test_a_training_that_broke_off_twice_goes_on_to_the_same_bits(whole: Fitted, tmp_path: Path):
    # The second time while early stopping and the plateau are waiting for a better epoch.
    broken = (2, whole.best_epoch + 2)
    for epoch in broken:
        with pytest.raises(Killed):
            fit(tmp_path, [killer(epoch)])
    last = harmless()
    again = fit(tmp_path, [last])
    assert told(again) == told(whole)
    assert again.facts["resumed"] == [{"epoch": at, "changed": {}} for at in broken]
    assert list(tmp_path.iterdir()) == []
    epochs = range(len(whole.history["loss"]))
    assert last.seen == list(epochs)
    np.testing.assert_array_equal(last.sums[0], [sum(epochs)] * 2)


@pytest.mark.parametrize(
    "options",
    [
        {
            "optimizer": "adamw",
            "schedule": "coslog",
            "accumulation_steps": 3,
            "batch_size": [{"until": 0.5, "size": 32}, {"until": 1, "size": 64}],
            "max_epochs": 4,
        },
        {"optimizer": "sgd", "precision": "float16", "max_epochs": 4, "schedule": "cosine"},
    ],
    ids=["accumulation and phases", "loss scaling"],
)
def test_the_optimizers_state_and_the_schedule_go_on(options: dict[str, Any], tmp_path: Path):
    whole = fit(None, [harmless()], **options)
    with pytest.raises(Killed):
        fit(tmp_path, [killer(3)], **options)
    assert told(fit(tmp_path, [harmless()], **options)) == told(whole)


def test_a_training_that_had_stopped_does_not_go_on(whole: Fitted, tmp_path: Path):
    last = len(whole.history["loss"])

    class Dies(resume.Resuming):
        def epoch_ends(self, epoch: int) -> None:
            super().epoch_ends(epoch)
            if epoch + 1 == last:
                raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "Resuming", Dies)
        with pytest.raises(Killed):
            fit(tmp_path, [harmless()])
    again = fit(tmp_path, [harmless()])
    assert told(again) == told(whole)


def test_a_trainings_identity_is_all_that_decides_its_bits(monkeypatch: pytest.MonkeyPatch):
    def named(train: Examples, val: Examples, extra: Any = (), **options: Any) -> str:
        spec = NetworkSpec(**{**OPTIONS, **options})
        goal = objective("binary", 2, spec)
        recipe = resolve(spec, Table.described(train.matrix, CODES), goal)
        return resume.identity(recipe, goal, train, val, extra)

    sides = examples(330, 1), examples(200, 2)
    one = named(*sides)
    assert named(*sides) == one
    others = {
        named(*sides, seed=8),
        named(*sides, learning_rate=0.01),
        named(*sides, max_epochs=29),
        named(*sides, [harmless()]),
        named(examples(331, 1), sides[1]),
        named(sides[0], examples(200, 3)),
    }
    monkeypatch.setattr(resume, "code_version", lambda _: "other")
    others.add(named(*sides))
    assert len(others) == 7
    assert one not in others


def test_another_device_takes_it_up_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    with pytest.raises(Killed):
        fit(tmp_path, [killer(3)], max_epochs=3)
    monkeypatch.setattr(resume, "circumstances", lambda: {"devices": ["gpu:0"], "cores": 2})
    (taken,) = fit(tmp_path, [harmless()], max_epochs=3).facts["resumed"]
    there = ["cpu:0", "cpu:1"] if keras_backend() == "jax" else ["cpu:0"]
    assert taken["changed"]["devices"] == [there, ["gpu:0"]]
    assert "network: taken up from its checkpoint; goes on with epoch 3" in caplog.messages
    assert any("need not be those of an uninterrupted training" in one for one in caplog.messages)


def test_a_full_disk_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write", full)
    resuming = resume.Resuming(tmp_path, "x")
    monkeypatch.setattr(resuming, "_captured", lambda _: STATE)
    resuming.epoch_ends(0)
    assert any("no checkpoint of epoch 1: " in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("every", "share", "passed", "took", "expected"),
    [
        (5.0, 0.05, 4.9, 0.0, 0),
        (5.0, 0.05, 5.1, 0.0, 1),
        (5.0, 0.05, 10.0, 0.6, 0),
        (5.0, 0.05, 12.1, 0.6, 1),
    ],
)
def test_checkpoints_are_neither_frequent_nor_dear(
    every: float,
    share: float,
    passed: float,
    took: float,
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    written: list[Path] = []
    monkeypatch.setattr(resume, "EVERY", every)
    monkeypatch.setattr(resume, "SHARE", share)
    monkeypatch.setattr(checkpoint, "write", lambda path, _: written.append(path))
    resuming = resume.Resuming(tmp_path, "x")
    monkeypatch.setattr(resuming, "_captured", lambda _: STATE)
    monkeypatch.setattr(resuming, "_took", took)
    now = resuming._written + passed
    monkeypatch.setattr(resume.time, "monotonic", lambda: now)
    resuming.epoch_ends(0)
    assert len(written) == expected


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    import test_network_resume as tests
    from plumbline.network import resume

    callback = tests.killer(5)
    callback.dies = lambda: os.kill(os.getpid(), signal.SIGKILL)
    resume.EVERY, resume.SHARE = 0.0, 1e9
    tests.fit(Path(sys.argv[1]), [callback])
"""


@pytest.mark.network
def test_a_process_that_is_killed_is_taken_up_by_the_next(whole: Fitted, tmp_path: Path):
    script = textwrap.dedent(KILLED.format(here=str(Path(__file__).parent)))
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert killed.returncode == -9, killed.stderr
    assert [path.name for path in tmp_path.iterdir()] == [resume.FILE]
    again = fit(tmp_path, [harmless()])
    assert told(again) == told(whole)
    assert again.facts["resumed"] == [{"epoch": 5, "changed": {}}]


# The file

STATE = Checkpoint(
    identity=fingerprint(of="this"),
    facts={"epoch": 3, "best": float("inf")},
    arrays={"variable.0": np.arange(6, dtype=np.float32).reshape(2, 3), "one": np.array(7)},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "state.npz"
    checkpoint.write(path, STATE)
    return path


def test_what_was_written_is_read(file: Path):
    found = checkpoint.read(file, STATE.identity)
    assert found is not None
    assert found.facts == STATE.facts
    assert found.arrays.keys() == STATE.arrays.keys()
    for name, value in STATE.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], value)
        assert found.arrays[name].dtype == value.dtype
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_nothing_there_is_nothing_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert checkpoint.read(tmp_path / "state.npz", "x") is None
    assert caplog.messages == []


def test_another_trainings_is_left_alone(file: Path, caplog: pytest.LogCaptureFixture):
    assert checkpoint.read(file, fingerprint(of="that")) is None
    assert f"it is of training {STATE.identity[:12]}, not of " in caplog.messages[0]
    assert file.exists()


def test_no_changed_byte_is_trusted(file: Path, caplog: pytest.LogCaptureFixture):
    content = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert len(names) == 4
    places = np.random.default_rng(0).choice(len(content), 60, replace=False)
    for at in places:
        changed = bytearray(content)
        changed[at] ^= 0x10
        file.write_bytes(bytes(changed))
        found = checkpoint.read(file, STATE.identity)
        # A few bytes of a zip say nothing: dates, and versions of who made it.
        if found is not None:
            assert found.facts == STATE.facts
            for name, value in STATE.arrays.items():
                np.testing.assert_array_equal(found.arrays[name], value)
    assert sum("is ignored" in line for line in caplog.messages) > len(places) / 3


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N.", b"x" * 1000])
def test_what_is_no_checkpoint_is_ignored(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
):
    file.write_bytes(content)
    assert checkpoint.read(file, STATE.identity) is None
    assert "is ignored" in caplog.messages[0]


def test_half_a_file_is_ignored(file: Path):
    content = file.read_bytes()
    for kept in range(0, len(content), 97):
        file.write_bytes(content[:kept])
        assert checkpoint.read(file, STATE.identity) is None


def test_a_pickle_in_it_is_not_opened(file: Path, tmp_path: Path):
    class Opened:
        def __reduce__(self):
            return (Path(tmp_path / "opened").touch, ())

    np.savez(file, evil=np.array([Opened()], dtype=object))
    assert checkpoint.read(file, STATE.identity) is None
    assert not (tmp_path / "opened").exists()


def test_an_array_swapped_for_another_does_not_verify(file: Path):
    facts = np.frombuffer(json.dumps({"identity": STATE.identity}).encode(), np.uint8)
    members: dict[str, Any] = {**STATE.arrays, "facts": facts, "sha256": np.zeros(32, np.uint8)}
    np.savez(file, **members)
    assert checkpoint.read(file, STATE.identity) is None


def test_a_write_that_breaks_off_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    def breaks(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", breaks)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write(file, Checkpoint(identity="other", facts={}, arrays={}))
    monkeypatch.undo()
    assert checkpoint.read(file, STATE.identity) is not None
    assert [one.name for one in file.parent.iterdir()] == [file.name]
