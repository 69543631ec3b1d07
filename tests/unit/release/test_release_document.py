"""docs/bundle.md says what the code does, and every refusal in it happens."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tampered_bundles import copied, refusal, reseal, rewrite_json, rewrite_manifest

from plumbline.baselines.random_forest import RandomForest
from plumbline.normalization.apply import PARAMETERS
from plumbline.release import manifest
from plumbline.release.golden import EXPECTED
from plumbline.release.layout import MODEL, files
from plumbline.release.manifest import FORMAT, MANIFEST, Manifest
from plumbline.release.predictors import CALIBRATION, TOLERANCE
from plumbline.release.signature import SIGNATURE

pytest_plugins = ["release_fixtures"]

TEXT = (Path(__file__).parents[3] / "docs" / "bundle.md").read_text("utf-8")


def table(head: str) -> list[list[str]]:
    """The cells below a table's head."""
    lines = TEXT.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_its_layout_is_the_code_s():
    (tree,) = re.findall(r"```text\nBUNDLE/\n(.*?)```", TEXT, re.DOTALL)
    shown = {line.split()[0] for line in tree.splitlines()}
    listed = {code(row[0])[0]: code(row[1]) for row in table("kind | files in `model/`")}
    assert listed.keys() == TOLERANCE.keys()
    for kind, names in listed.items():
        model = {f"{MODEL}/{name}" for name in names}
        assert shown - {f"{MODEL}/"} == (files(kind) - model) | {MANIFEST, SIGNATURE}
        assert model <= files(kind)


def test_its_fields_are_the_manifest_s():
    named = [name for row in table("field | what it says") for name in code(row[0])]
    assert sorted(named) == sorted(one.name for one in fields(Manifest))
    assert f"Format {FORMAT};" in TEXT


def test_its_tolerances_are_the_code_s():
    shown = table("kind | scores may be apart by | because")
    assert {code(row[0])[0]: float(row[1]) for row in shown} == TOLERANCE
    assert TEXT.count(f"{CALIBRATION:g}") >= 3


def test_its_columns_are_those_that_are_written(released):
    schema = pq.read_schema(released["multiclass", "xgboost"].folder / EXPECTED)
    steps = table("step | compared with | allowed | a difference means")
    assert [code(row[1])[0] for row in steps] == schema.names


def test_its_code_follows_the_golden_rows(forest):
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(block.replace('"BUNDLE"', repr(str(forest.folder))), names := {})
    assert names["found"]
    broken = block.replace("/ one", "/ 2 / one").replace('"BUNDLE"', repr(str(forest.folder)))
    with pytest.raises(AssertionError):
        exec(broken, {})


def flipped(folder: Path, name: str = "model/forest.parquet") -> None:
    content = bytearray((folder / name).read_bytes())
    content[-9] ^= 1
    (folder / name).write_bytes(content)


def swapped(folder: Path) -> None:
    rewrite_json(folder / PARAMETERS, lambda one: one["categories"][0]["values"].reverse())


def swapped_everywhere(folder: Path) -> None:
    swapped(folder)
    name = re.search(r"the vocabulary of '(\w+)'", str(resealed(folder)))[1]
    inputs = (
        replace(one, vocabulary=one.vocabulary[::-1]) if one.name == name else one
        for one in manifest.read(folder).inputs
    )
    reseal(folder, inputs=tuple(inputs))


def another_scaler(folder: Path) -> None:
    rewrite_json(folder / PARAMETERS, lambda one: one["numeric"][0].update(scale=7.0))


def other_software(folder: Path) -> None:
    expected = pq.read_table(folder / EXPECTED)
    model = pa.array(expected["model"].to_numpy() / 2)
    pq.write_table(expected.set_column(1, "model", model), folder / EXPECTED)
    reseal(folder, environment={**manifest.read(folder).environment, "numpy": "1.0"})


def outside(folder: Path) -> None:
    reseal(folder, files={**manifest.read(folder).files, "../x": "0" * 64})


def linked(folder: Path) -> None:
    (folder / "card.md").rename(folder.parent / "card.md")
    (folder / "card.md").symlink_to(folder.parent / "card.md")


def piped(folder: Path) -> None:
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")


def unpickled(folder: Path, name: str = "model/forest.parquet") -> None:
    (folder / name).write_bytes(pickle.dumps("x"))


def in_keras(folder: Path, change: Callable[[zipfile.ZipFile], None]) -> None:
    path = folder / "model" / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        change(archive)


def with_code(archive: zipfile.ZipFile) -> None:
    archive.writestr("config.json", '{"class_name": "Lambda", "module": "keras.layers"}')


def fewer_trees(folder: Path) -> None:
    forest = RandomForest.load(folder / "model")
    replace(forest, trees=forest.trees[1:]).save(folder / "model")


def decided(**changed: object) -> Callable[[Path], None]:
    return lambda folder: rewrite_json(folder / "decision.json", lambda one: one.update(changed))


def resealed(folder: Path) -> object:
    reseal(folder)
    return refusal(folder)


PLATT = {"method": "platt", "curves": [{"slope": 2.0, "intercept": 0.0}]}

DONE: dict[str, tuple[str, Callable[[Path], object], bool]] = {
    "changed a byte of a file": ("forest", flipped, False),
    "changed a byte of the manifest": (
        "forest",
        lambda folder: rewrite_json(folder / MANIFEST, lambda one: one.update(pipeline="other")),
        False,
    ),
    "removed a file": ("forest", lambda folder: (folder / "card.md").unlink(), False),
    "added a file": ("forest", lambda folder: (folder / "x.py").touch(), False),
    "added a file, and listed it": ("forest", lambda folder: (folder / "x.py").touch(), True),
    "put a pickle in a forest's place": ("forest", unpickled, True),
    "put a pickle beside the model, and listed it": (
        "forest",
        lambda folder: unpickled(folder, "model/model.pkl"),
        True,
    ),
    "put in a layer that holds code": ("network", lambda one: in_keras(one, with_code), True),
    "put other files into `model.keras`": (
        "network",
        lambda one: in_keras(one, lambda archive: archive.writestr("x.npz", "")),
        True,
    ),
    "listed a path outside the folder": ("forest", outside, False),
    "put in a link": ("forest", linked, False),
    "put in a pipe or a device": ("forest", piped, False),
    "swapped a vocabulary": ("forest", swapped, True),
    "swapped a vocabulary, in the manifest too": ("forest", swapped_everywhere, False),
    "put in another scaler row": ("forest", another_scaler, True),
    "removed a feature": (
        "forest",
        lambda folder: rewrite_json(folder / PARAMETERS, lambda one: one["numeric"].pop(1)),
        True,
    ),
    "put in another model": ("forest", fewer_trees, True),
    "changed the calibration": ("forest", decided(calibration=PLATT), True),
    "changed the threshold": ("forest", decided(threshold=0.1), True),
    "made it with another format": (
        "forest",
        lambda folder: rewrite_manifest(folder, format_version=2),
        False,
    ),
    "made it with software that scores otherwise": ("forest", other_software, False),
}
"""Which bundle, what is done to it, and whether it is sealed again."""


@pytest.mark.parametrize(
    "done",
    [
        pytest.param(name, marks=pytest.mark.network if kind == "network" else ())
        for name, (kind, _, _) in DONE.items()
    ],
)
def test_what_it_says_is_refused_is_refused_so(request, tmp_path, done):
    kind, change, sealed = DONE[done]
    folder = copied(request.getfixturevalue(kind).folder, tmp_path)
    change(folder)
    if sealed:
        reseal(folder)
    told = dict(table("what somebody did | what is told"))
    assert told[done] in str(refusal(folder))


def test_every_refusal_is_tried():
    assert dict(table("what somebody did | what is told")).keys() == DONE.keys()
