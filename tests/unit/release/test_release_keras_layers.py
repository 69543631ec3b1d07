"""Which layers a released network may name."""

import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from plumbline.errors import BundleError
from plumbline.network import layers
from plumbline.network.serialized import Named, foreign
from plumbline.release.keras_layers import require_own_layers

OURS = {
    "module": "plumbline.network.layers.realmlp",
    "class_name": "SmoothClip",
    "registered_name": "plumbline>SmoothClip",
}


def keras_file(folder: Path, named: object) -> None:
    config = {"module": "keras", "class_name": "Functional", "config": {"layers": [named]}}
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))


def test_plumblines_own_layers_are_accepted(tmp_path: Path):
    keras_file(tmp_path, OURS)
    require_own_layers(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"module": "plumbline.network.layers.periodic"},  # that module has no such layer
        {"module": "plumbline.network.layers"},
        {"module": "plumbline.network.layers.realmlp.evil"},
        {"module": "plumbline.release.bundle"},
        {"module": "plumbline_never_imported.network.layers.realmlp"},
        {"module": "keras.layers"},
        {"class_name": "Any"},  # an attribute of the module, and no layer
        {"class_name": "math"},
        {"class_name": "PeriodicEmbedding"},
        {"registered_name": None},
        {"registered_name": "SmoothClip"},
        {"registered_name": "other>SmoothClip"},
        {"registered_name": "plumbline>FrontScale"},
    ],
    ids=str,
)
def test_what_only_resembles_them_is_refused(tmp_path: Path, changed: dict[str, str | None]):
    named = {**OURS, **changed}
    keras_file(tmp_path, named)
    told = re.escape(f"names {named['module']}.{named['class_name']}")
    with pytest.raises(BundleError, match=told + ".*expected layers of Keras or of Plumbline"):
        require_own_layers(tmp_path)
    assert not [name for name in sys.modules if name.startswith("plumbline_never_imported")]


def test_a_class_registered_by_someone_else_under_our_name_is_refused(tmp_path: Path):
    layers.register()
    import keras

    @keras.saving.register_keras_serializable(package="plumbline")
    class Intruder(keras.layers.Layer): ...

    for module in (__name__, OURS["module"]):
        keras_file(
            tmp_path,
            {"module": module, "class_name": "Intruder", "registered_name": "plumbline>Intruder"},
        )
        with pytest.raises(BundleError, match="Intruder"):
            require_own_layers(tmp_path)


def test_layers_are_found_however_deep_they_lie():
    deep = {"a": [{"b": ({"class_name": "Lambda", "module": "keras.layers"},)}]}
    assert list(foreign(deep)) == [Named(module="keras.layers", name="Lambda")]
    assert list(foreign({"a": [OURS, {"class_name": "Dense", "module": "keras.layers"}]})) == []
