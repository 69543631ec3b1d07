"""Networks as SavedModel and ONNX: every architecture, in every task's turn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported_bundles import Workshop, golden_of, raw_rows
from release_bundles import Built

from plumbline.environment import keras_backend
from plumbline.errors import BundleError
from plumbline.exports import onnx_model, saved_model
from plumbline.exports.answers import NAMES
from plumbline.exports.export import TOLERANCE, checked
from plumbline.exports.raw_rows import feeds, raw_inputs
from plumbline.exports.saved_model import ABOUT, EXTRA
from plumbline.network.architectures import _MODULES
from plumbline.release import golden
from plumbline.release.bundle import load_bundle
from plumbline.release.predictors import unit

pytest_plugins = ["release_fixtures"]

ON_TENSORFLOW = pytest.mark.skipif(
    keras_backend() != "tensorflow", reason="graphs are made of TensorFlow's operations"
)
TASKS = tuple(NAMES)
TURNS = [
    *((name, TASKS[at % 4]) for at, name in enumerate(_MODULES)),
    ("own_networks:sound", "regression"),
]
PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("exports"))


@ON_TENSORFLOW
@pytest.mark.parametrize(("architecture", "task"), TURNS)
def test_a_network_scores_raw_rows_alike_in_both_formats(workshop, tmp_path, architecture, task):
    bundle, rows = workshop.network(task, architecture=architecture), raw_rows()
    expected = bundle.score(rows)
    assert expected.std(axis=0).min() > 0
    most = TOLERANCE * unit(bundle.manifest, expected)
    for to, module in (("saved_model", saved_model), ("onnx", onnx_model)):
        assert checked(bundle, golden_of(bundle), to, tmp_path / to).apart <= most
        found = module.reloaded(bundle, tmp_path / to)(rows)
        assert np.abs(found - expected).max() <= most, to


@ON_TENSORFLOW
@pytest.mark.parametrize("kind", ["dummy", "linear"])
def test_small_models_have_a_saved_model_too(workshop, tmp_path, kind):
    bundle = workshop.bundle("multilabel", kind)
    assert checked(bundle, golden_of(bundle), "saved_model", tmp_path / "m").apart <= 1e-12


ALONE = """
import json, sys
for name in ("plumbline", "keras", "pyarrow", "sklearn"):
    sys.modules[name] = None
import numpy as np
import tensorflow as tf
folder, rows = sys.argv[1], json.loads(sys.argv[2])
signature = tf.saved_model.load(folder).signatures["serving_default"]
about = json.load(open(folder + "/assets.extra/plumbline.json"))
given = {
    one["input"]: tf.constant(rows[one["input"]], one["dtype"]) for one in about["inputs"]
}
print(json.dumps(signature(**given)["score"].numpy().tolist()))
"""


@ON_TENSORFLOW
def test_tensorflow_alone_scores_raw_rows(workshop, tmp_path):
    bundle, rows = workshop.network("binary"), raw_rows().slice(590)
    checked(bundle, golden_of(bundle), "saved_model", tmp_path / "model")
    given = feeds(bundle, raw_inputs(bundle), rows)
    text = json.dumps({name: values.tolist() for name, values in given.items()})
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / "model"), text],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert np.abs(np.array(found) - bundle.score(rows)).max() <= TOLERANCE
    assert (tmp_path / "model" / EXTRA / ABOUT).is_file()


@pytest.mark.network
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.skipif(keras_backend() == "tensorflow", reason="exported above, in this process")
def test_the_command_exports_what_another_backend_trained(network: Built, tmp_path):
    bundle = load_bundle(network.folder)
    with pytest.raises(BundleError, match="Keras runs on jax"):
        checked(bundle, golden_of(bundle), "saved_model", tmp_path / "refused")
    command = [sys.executable, "-m", "pipelines", "bundle", "export", str(network.folder)]
    done = subprocess.run(
        [*command, str(tmp_path / "model"), "--to", "saved_model"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "network as saved_model; 64 golden rows" in done.stdout
    rows, expected = golden.read(network.folder)
    found = saved_model.reloaded(bundle, tmp_path / "model")(rows)
    assert np.abs(found - expected).max() <= TOLERANCE
