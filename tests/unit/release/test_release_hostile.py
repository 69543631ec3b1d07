"""Bundles that somebody made to run code, or to reach other files: refused, nothing executed.

Each is sealed as soundly as Plumbline would, so that no hash refuses it first. Payloads write a
marker where they run; that they would is proven, too.
"""

import io
import json
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tampered_bundles import copied, refusal, reseal

from plumbline.errors import BundleError
from plumbline.release import manifest
from plumbline.release.predictors import load_predictor

pytest_plugins = ["release_fixtures"]


class Payload:
    """Unpickled, it writes a marker."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path) -> Path:
    """What a payload writes; a payload that is run does so."""
    path = tmp_path / "executed"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists()
    path.unlink()
    return path


def as_pickle(marker: Path) -> bytes:
    return pickle.dumps(Payload(marker))


def as_array(marker: Path) -> bytes:
    """NumPy's own file of an object, which is a pickle."""
    written = io.BytesIO()
    np.save(written, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    return written.getvalue()


def as_arrays(marker: Path) -> bytes:
    written = io.BytesIO()
    about = np.array([Payload(marker)], dtype=object)
    np.savez(written, about=about, numbers=about, intercept=about)
    return written.getvalue()


@pytest.mark.parametrize("payload", [as_pickle, as_array, as_arrays])
def test_a_pickle_in_the_place_of_any_file_is_refused_unread(
    built, tmp_path, marker, payload: Callable[[Path], bytes]
):
    folder = copied(built.folder, tmp_path)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == ".md":
            continue
        content = path.read_bytes()
        path.write_bytes(payload(marker))
        if path.name != "manifest.json":
            reseal(folder)
        refused = str(refusal(folder))
        assert path.name in refused or "golden rows" in refused or "/model" in refused
        path.write_bytes(content)
        if path.name != "manifest.json":
            reseal(folder)
    assert not marker.exists()


@pytest.mark.parametrize("payload", [as_pickle, as_array, as_arrays])
def test_a_linear_model_is_never_unpickled(tmp_path, marker, payload):
    (tmp_path / "linear.npz").write_bytes(payload(marker))
    with pytest.raises(BundleError, match=r"linear\.npz is not a model that can be read"):
        load_predictor("linear", tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model/model.pkl", "model/forest.joblib", "x.py", "conf.pth"])
def test_a_file_is_refused_even_if_the_manifest_lists_it(forest, tmp_path, marker, name):
    folder = copied(forest.folder, tmp_path)
    (folder / name).write_bytes(as_pickle(marker))
    reseal(folder)
    assert name in manifest.read(folder).files
    assert f"lists the file {name!r}; expected nothing but card.md" in str(refusal(folder))
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["card.md", "manifest.json", "model/forest.parquet", "signature.json"]
)
def test_a_pipe_is_refused_without_waiting_for_what_comes_out(forest, tmp_path, name):
    folder = copied(forest.folder, tmp_path)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert re.search(r"is (a link or a device|not a file)", str(refusal(folder)))


@pytest.mark.parametrize("name", ["card.md", "model/forest.parquet", "signature.json"])
def test_a_device_is_refused(forest, tmp_path, name):
    folder = copied(forest.folder, tmp_path)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/dev/zero")
    assert "is a link" in str(refusal(folder))


def keras_file(folder: Path, config: object, **members: bytes) -> None:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "named",
    [
        {"module": "plumbline_never_imported", "class_name": "Layer"},
        {"module": "keras_hub.layers", "class_name": "Layer"},
        {"module": "kerasx", "class_name": "Dense"},
        {"module": "keras.layers", "class_name": "Lambda"},
        {"module": None, "class_name": "Mine", "registered_name": "package>Mine"},
    ],
)
def test_a_network_that_names_other_code_is_refused_unopened(tmp_path, named):
    keras_file(tmp_path, {"module": "keras", "class_name": "Functional", "config": [{"a": named}]})
    with pytest.raises(BundleError, match=re.escape(named["class_name"])):
        load_predictor("network", tmp_path)
    assert "plumbline_never_imported" not in sys.modules


@pytest.mark.parametrize("name", ["model.weights.npz", "assets/x.txt", "../../x", "/x", "x.pkl"])
def test_a_network_s_file_holds_nothing_else(tmp_path, marker, name):
    keras_file(tmp_path, {}, **{name: as_array(marker)})
    with pytest.raises(BundleError, match=re.escape(f"holds the file {name!r}")):
        load_predictor("network", tmp_path)
    assert not marker.exists()


@pytest.mark.network
def test_a_lambda_layer_is_refused_unexecuted(network, tmp_path, marker):
    """Keras' own file with such a layer, whose code runs where Keras is let."""
    import keras

    folder = copied(network.folder, tmp_path)
    path = folder / "model" / "model.keras"
    code = f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]"
    given = keras.Input((2,))
    made = keras.Model(given, keras.layers.Lambda(eval(code))(given))
    made.save(path)
    marker.unlink()
    keras.saving.load_model(path, safe_mode=False)
    assert marker.exists()
    marker.unlink()
    reseal(folder)
    assert "names keras.layers.Lambda; expected layers of Keras or of Plumbline" in str(
        refusal(folder)
    )
    assert not marker.exists()


@pytest.mark.network
@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_from_other_files_are_refused(network, tmp_path):
    """HDF5 may say that its numbers lie elsewhere."""
    import h5py

    folder = copied(network.folder, tmp_path)
    path, secret = folder / "model" / "model.keras", tmp_path / "secret.bin"
    secret.write_bytes(bytes(4096))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "weights.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        place = next(name for name in _datasets(file) if file[name].size)
        shape, kind = file[place].shape, file[place].dtype
        del file[place]
        size = int(np.prod(shape)) * kind.itemsize
        file.create_dataset(place, shape, kind, external=[(str(secret), 0, size)])
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    reseal(folder)
    assert "holds no network that can be read" in str(refusal(folder))


def _datasets(file) -> list[str]:
    import h5py

    found: list[str] = []
    file.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
    return found
