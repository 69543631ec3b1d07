"""Two devices that share each batch end where one does.

Devices are made before a backend is imported; so each training runs in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plumbline.environment import keras_backend
from plumbline.errors import TrainingError
from plumbline.network.loop import devices

pytestmark = pytest.mark.network

SCRIPT = """
import json, os, sys
from pathlib import Path

given, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
from plumbline.network import backend
backend.prepare()
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)

import numpy as np
from network_examples import examples, goal, table
from plumbline.network import fitting
from plumbline.network.loop import oom
from plumbline.spec import NetworkSpec

train, val = examples(530, 1), examples(200, 2)
for number, options in enumerate(given):
    rows = options.pop("rows", None)
    made = oom.Recovering.__init__
    def limited(self, training, make, rows=rows):
        if rows:
            training.train_step = oom._accumulating(training, rows)
        made(self, training, make)
    oom.Recovering.__init__ = limited
    spec = NetworkSpec(**options)
    found = fitting.fit_examples(
        train, val, table(train), goal("binary", spec), spec, folder / str(number)
    )
    oom.Recovering.__init__ = made
    np.save(folder / f"{number}.npy", found.val_scores)
    (folder / f"{number}.json").write_text(
        json.dumps({"history": found.history, "facts": found.facts})
    )
"""

OPTIONS = {
    "architecture": "dense",
    "widths": [8],
    "dropout": 0.0,
    "batch_normalization": False,
    "learning_rate": 0.01,
    "clip_norm": 1.0,
    "batch_size": 48,
    "max_epochs": 2,
}


def trained(folder: Path, *options: dict[str, Any]) -> list[tuple[dict[str, Any], np.ndarray]]:
    """What is known of each training on a machine of two devices, and its validation scores."""
    given = json.dumps([{**OPTIONS, **one} for one in options])
    tests = Path(__file__).parents[2]
    surroundings = {
        **os.environ,
        "KERAS_BACKEND": keras_backend(),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, given, str(folder)],
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [
        (json.loads((folder / f"{n}.json").read_text()), np.load(folder / f"{n}.npy"))
        for n in range(len(options))
    ]


def test_two_devices_end_where_one_does(tmp_path: Path):
    """530 rows are 11 batches of 48 and one of 2; or 12 of 45, the last of 35."""
    one, two, odd, odd_of_one, weighted, parts = trained(
        tmp_path,
        {"devices": 1},
        {"devices": 2},
        {"devices": 2, "batch_size": 45},
        {"devices": 1, "batch_size": 45},
        {"devices": 2, "class_weights": {"0": 1.0, "1": 1.0}, "feeding": "stream"},
        {"devices": 2, "rows": 11},
    )
    assert [found["facts"]["devices"] for found, _ in (one, two, odd, odd_of_one)] == [1, 2, 1, 1]
    np.testing.assert_array_equal(odd[1], odd_of_one[1])
    for name, (found, scores) in {"two": two, "weighted": weighted, "parts": parts}.items():
        np.testing.assert_allclose(scores, one[1], atol=1e-4, err_msg=name)
        for metric in ("loss", "val_loss", "val_auc"):
            np.testing.assert_allclose(
                found["history"][metric], one[0]["history"][metric], rtol=1e-3, err_msg=name
            )
    assert np.abs(odd[1] - one[1]).max() > 1e-3


def there_are(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "names", lambda: [f"GPU:{one}" for one in range(count)])


@pytest.mark.parametrize(
    ("declared", "sizes", "count"),
    [("all", [256], 4), (3, [256], 2), ("all", [96, 64, 96], 4), ("all", [90], 3), ("all", [7], 1)],
)
def test_as_many_devices_as_share_every_batch(
    monkeypatch: pytest.MonkeyPatch, declared: Any, sizes: list[int], count: int
):
    there_are(4, monkeypatch)
    assert devices.chosen(declared, sizes) == count


def test_unused_devices_are_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    there_are(4, monkeypatch)
    devices.chosen("all", [66, 6])
    assert "3 of 4 devices are used" in caplog.text
    assert "batches of 6 and 66 rows" in caplog.text
    caplog.clear()
    devices.chosen("all", [64])
    assert not caplog.text


def test_more_devices_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch):
    there_are(2, monkeypatch)
    with pytest.raises(TrainingError, match=r"devices is 3, \w+ sees 2 .*; expected at most 2"):
        devices.chosen(3, [64])
