"""A bundle that is not the one released is refused, and says what differs."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampered_bundles import REMOVED, copied, refusal, reseal, rewrite_manifest

from plumbline.errors import BundleError
from plumbline.release import manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.keras_layers import require_own_layers
from plumbline.release.manifest import MANIFEST
from plumbline.release.predictors import load_predictor

pytest_plugins = ["release_fixtures"]


@pytest.fixture
def copy(forest, tmp_path) -> Path:
    """A forest's bundle that may be tampered with."""
    return copied(forest.folder, tmp_path)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)


def told(folder: Path) -> str:
    return str(refusal(folder))


@pytest.mark.parametrize("place", [0, 200, -1])
def test_one_changed_byte_in_any_file_is_refused(built, tmp_path, place):
    folder = copied(built.folder, tmp_path)
    assert len(files_of(folder)) >= 7
    for path in files_of(folder):
        flip(path, place)
        assert path.name in told(folder)
        flip(path, place)
    load_bundle(folder)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_the_manifest_may_change(copy, place, bit):
    path = copy / MANIFEST
    content = path.read_bytes()
    changed = bytearray(content)
    changed[place % len(content)] ^= 1 << bit
    path.write_bytes(changed)
    with pytest.raises(BundleError):
        manifest.read(copy)
    path.write_bytes(content)


@pytest.mark.parametrize("ending", ["\r\n", "\r", " \n"])
def test_other_line_endings_are_a_change(copy, ending):
    path = copy / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"\n", ending.encode()))
    assert MANIFEST in told(copy)


def test_each_missing_file_is_named(built, tmp_path):
    folder = copied(built.folder, tmp_path)
    for path in files_of(folder):
        content = path.read_bytes()
        path.unlink()
        assert path.name in told(folder)
        path.write_bytes(content)


@pytest.mark.parametrize("name", ["notes.txt", "model/other.ubj", "deeper/code.py", ".hidden"])
def test_a_file_that_does_not_belong_there_is_named(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("x")
    assert f"{name}: not part of the bundle" in told(copy)


def test_a_link_is_refused_even_if_it_leads_to_the_same_bytes(copy, tmp_path):
    path = copy / "card.md"
    path.rename(tmp_path / "elsewhere.md")
    path.symlink_to(tmp_path / "elsewhere.md")
    assert "is a link" in told(copy)


def test_a_linked_folder_is_refused(copy, tmp_path):
    (copy / "model").rename(tmp_path / "model")
    (copy / "model").symlink_to(tmp_path / "model", target_is_directory=True)
    assert "is a link" in told(copy)


def test_a_linked_manifest_is_refused_unread(copy, tmp_path):
    (copy / MANIFEST).unlink()
    (tmp_path / "elsewhere").write_text("not a manifest")
    (copy / MANIFEST).symlink_to(tmp_path / "elsewhere")
    assert told(copy).startswith(f"{copy / MANIFEST} is a link")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "model/../../x", "..\\x", "C:\\x", "", "./card.md"]
)
def test_a_path_out_of_the_folder_is_refused(copy, name):
    reseal(copy, files={**manifest.read(copy).files, name: "0" * 64})
    assert f"lists the file {name!r}" in told(copy)


def test_the_folder_itself_may_be_reached_by_a_link(copy, tmp_path):
    (tmp_path / "current").symlink_to(copy)
    assert load_bundle(tmp_path / "current").manifest.kind == "random_forest"


@pytest.mark.parametrize("place", ["absent", "file"])
def test_what_is_no_bundle_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("x")
    assert MANIFEST in told(tmp_path / place)


def test_the_normalization_of_another_version_is_refused(copy):
    versions = replace(manifest.read(copy).versions, normalization_version="another")
    reseal(copy, versions=versions)
    assert "normalization.json in" in told(copy)


def test_inputs_of_another_bundle_are_refused(copy):
    reseal(copy, inputs=manifest.read(copy).inputs[1:])
    assert "golden.parquet and normalization.json in" in told(copy)


@pytest.mark.parametrize(("kind", "other"), [("forest", "xgboost"), ("boosted", "random_forest")])
def test_the_files_of_another_kind_of_model_are_refused(request, tmp_path, kind, other):
    folder = copied(request.getfixturevalue(kind).folder, tmp_path)
    reseal(folder, kind=other)
    assert "lists the file 'model/" in told(folder)


@pytest.mark.parametrize("version", [0, 2, "3", 1.5])
def test_another_format_version_is_refused_with_both(copy, version):
    rewrite_manifest(copy, format_version=version)
    refused = told(copy)
    assert f"has format_version {version!r}" in refused
    assert "expected format_version 3" in refused
    assert "release the model again" in refused


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"kind": "os.system"}, "kind"),
        ({"threshold": "0.5"}, "threshold"),
        ({"threshold": REMOVED}, "threshold"),
        ({"loader": "module:function"}, "loader"),
        ({"inputs": [{"name": "age"}]}, "inputs.0"),
        ({"files": ["card.md"]}, "files"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_by_field(copy, changed, named):
    rewrite_manifest(copy, **changed)
    assert f"is not a bundle's manifest: {named}" in told(copy)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"null", b"\xff\xfe", b'{"format_version": 3}']
)
def test_a_manifest_that_is_none_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    assert MANIFEST in told(copy)


def test_a_sound_rewriting_loads(copy):
    rewrite_manifest(copy)
    load_bundle(copy)


def test_an_unknown_kind_of_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"the kind of model is 'os\.system'"):
        load_predictor("os.system", tmp_path)


def test_a_network_without_a_configuration_is_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(BundleError, match="is not a network"):
        require_own_layers(tmp_path)


def test_a_model_folder_without_a_network_names_nothing(tmp_path):
    require_own_layers(tmp_path)


@pytest.mark.network
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_released_network_names_keras_only(network):
    require_own_layers(network.folder / "model")
