"""A bundle that is not the one released is refused, and says what differs."""

import json
import re
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.errors import BundleError
from plumbline.release import golden, inventory, manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.keras_layers import require_own_layers
from plumbline.release.manifest import MANIFEST
from plumbline.release.predictors import load_predictor
from plumbline.versions import fingerprint

pytest_plugins = ["release_fixtures"]


@pytest.fixture
def copy(forest, tmp_path) -> Path:
    """A forest's bundle that may be tampered with."""
    return copied(forest.folder, tmp_path)


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)


def reseal(folder: Path, **changed) -> None:
    """Make the manifest agree with the files again, as somebody with tools would."""
    described = replace(manifest.read(folder), **changed)
    hashes = inventory.inventory(folder, without=MANIFEST)
    text = manifest.render(replace(described, files=changed.get("files", hashes)))
    (folder / MANIFEST).write_text(text, "utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as refused:
        load_bundle(folder)
    return str(refused.value)


@pytest.mark.parametrize("place", [0, 200, -1])
def test_one_changed_byte_in_any_file_is_refused(built, tmp_path, place):
    folder = copied(built.folder, tmp_path)
    assert len(files_of(folder)) >= 5
    for path in files_of(folder):
        flip(path, place)
        assert path.name in refusal(folder)
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
    assert MANIFEST in refusal(copy)


def test_each_missing_file_is_named(built, tmp_path):
    folder = copied(built.folder, tmp_path)
    for path in files_of(folder):
        content = path.read_bytes()
        path.unlink()
        assert path.name in refusal(folder)
        path.write_bytes(content)


@pytest.mark.parametrize("name", ["notes.txt", "model/other.ubj", "deeper/code.py", ".hidden"])
def test_a_file_that_does_not_belong_there_is_named(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("x")
    assert f"{name}: not part of the bundle" in refusal(copy)


def test_a_link_is_refused_even_if_it_leads_to_the_same_bytes(copy, tmp_path):
    path = copy / "card.md"
    path.rename(tmp_path / "elsewhere.md")
    path.symlink_to(tmp_path / "elsewhere.md")
    assert "is a link" in refusal(copy)


def test_a_linked_folder_is_refused(copy, tmp_path):
    (copy / "model").rename(tmp_path / "model")
    (copy / "model").symlink_to(tmp_path / "model", target_is_directory=True)
    assert "is a link" in refusal(copy)


def test_a_linked_manifest_is_refused_unread(copy, tmp_path):
    (copy / MANIFEST).unlink()
    (tmp_path / "elsewhere").write_text("not a manifest")
    (copy / MANIFEST).symlink_to(tmp_path / "elsewhere")
    assert refusal(copy).startswith(f"{copy / MANIFEST} is a link")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "model/../../x", "..\\x", "C:\\x", "", "./card.md"]
)
def test_a_path_out_of_the_folder_is_refused(copy, name):
    reseal(copy, files={**manifest.read(copy).files, name: "0" * 64})
    assert f"lists the file {name!r}" in refusal(copy)


def test_the_folder_itself_may_be_reached_by_a_link(copy, tmp_path):
    (tmp_path / "current").symlink_to(copy)
    assert load_bundle(tmp_path / "current").manifest.kind == "random_forest"


@pytest.mark.parametrize("place", ["absent", "file"])
def test_what_is_no_bundle_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("x")
    assert MANIFEST in refusal(tmp_path / place)


def test_a_swapped_vocabulary_is_refused_by_its_hash(copy):
    swap_cities(copy)
    assert "normalization.json: sha256 is" in refusal(copy)


def test_a_swapped_vocabulary_is_refused_by_the_golden_rows(built, tmp_path):
    folder = copied(built.folder, tmp_path)
    swap_cities(folder)
    reseal(folder)
    assert re.search(
        r"golden row \d+ as .* instead of .* apart; \d+ of 64 rows differ", refusal(folder)
    )


def swap_cities(folder: Path) -> None:
    path = folder / "normalization.json"
    record = json.loads(path.read_text("utf-8"))
    (city,) = [one for one in record["categories"] if one["name"] == "city"]
    city["values"].reverse()
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")


def shift_expected(folder: Path, by: float) -> None:
    table = pq.read_table(folder / golden.GOLDEN)
    scores = table[golden.EXPECTED].to_numpy().copy()
    scores[3] += by
    place = table.num_columns - 1
    pq.write_table(
        table.set_column(place, golden.EXPECTED, pa.array(scores)), folder / golden.GOLDEN
    )
    reseal(folder)


@pytest.mark.parametrize("kind", ["forest", "boosted"])
def test_trees_must_reproduce_their_golden_rows_exactly(request, tmp_path, kind):
    folder = copied(request.getfixturevalue(kind).folder, tmp_path)
    shift_expected(folder, 1e-15)
    told = refusal(folder)
    assert "golden row 4 " in told
    assert "1 of 64 rows differ" in told
    assert "differences of at most 0;" in told


@pytest.mark.network
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_networks_must_reproduce_their_golden_rows_to_a_millionth(network, tmp_path):
    folder = copied(network.folder, tmp_path)
    shift_expected(folder, 5e-7)
    load_bundle(folder)
    shift_expected(folder, 1e-5)
    assert "differences of at most 1e-06" in refusal(folder)


@pytest.mark.parametrize("expected", [float("nan"), float("inf")])
def test_a_golden_score_that_is_no_number_matches_nothing(expected):
    found = np.array([0.5, 0.5])
    assert golden.differing(np.array([expected, 0.5]), found, 1.0).tolist() == [0]
    assert golden.differing(np.array([0.5, 0.5]), np.array([0.5, np.nan]), 1.0).tolist() == [1]


def test_a_manifest_cannot_widen_the_tolerance(copy):
    shift_expected(copy, 1e-4)
    reseal(copy, golden=replace(manifest.read(copy).golden, tolerance=1.0))
    assert "differences of at most 0;" in refusal(copy)


def test_golden_rows_without_scores_are_refused(copy):
    table = pq.read_table(copy / golden.GOLDEN)
    pq.write_table(table.drop_columns([golden.EXPECTED]), copy / golden.GOLDEN)
    reseal(copy)
    assert "no rows with their expected scores" in refusal(copy)


def test_no_golden_rows_are_refused(copy):
    pq.write_table(pq.read_table(copy / golden.GOLDEN).slice(0, 0), copy / golden.GOLDEN)
    reseal(copy)
    assert "no rows with their expected scores" in refusal(copy)


def test_the_normalization_of_another_version_is_refused(copy):
    versions = replace(manifest.read(copy).versions, normalization_version="another")
    reseal(copy, versions=versions)
    assert "normalization.json in" in refusal(copy)


def test_inputs_of_another_bundle_are_refused(copy):
    reseal(copy, inputs=manifest.read(copy).inputs[1:])
    assert "golden.parquet and normalization.json" in refusal(copy)


@pytest.mark.parametrize(("kind", "other"), [("forest", "xgboost"), ("boosted", "random_forest")])
def test_the_files_of_another_kind_of_model_are_refused(request, tmp_path, kind, other):
    folder = copied(request.getfixturevalue(kind).folder, tmp_path)
    reseal(folder, kind=other)
    assert str(folder / "model") in refusal(folder)


REMOVED = object()


def rewrite_manifest(folder: Path, **changed) -> None:
    """Write any manifest, sealed as it should be; REMOVED removes a field."""
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    del content["sha256"]
    content = {k: v for k, v in {**content, **changed}.items() if v is not REMOVED}
    sealed = {**content, "sha256": fingerprint(manifest=content)}
    (folder / MANIFEST).write_text(json.dumps(sealed, indent=1, ensure_ascii=False) + "\n", "utf-8")


@pytest.mark.parametrize("version", [0, 1, "2", 1.5])
def test_another_format_version_is_refused_with_both(copy, version):
    rewrite_manifest(copy, format_version=version)
    told = refusal(copy)
    assert f"has format_version {version!r}" in told
    assert "expected format_version 2" in told


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
    assert f"is not a bundle's manifest: {named}" in refusal(copy)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"null", b"\xff\xfe", b'{"format_version": 2}']
)
def test_a_manifest_that_is_none_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    assert MANIFEST in refusal(copy)


def test_a_sound_rewriting_loads(copy):
    rewrite_manifest(copy)
    load_bundle(copy)


def keras_file(folder: Path, config: object) -> None:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))


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
