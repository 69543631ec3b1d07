"""docs/types.md says what the code does: types, features and what serving accepts."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from snapshots import spec_of

from plumbline.errors import BundleError, UnsupportedType
from plumbline.extract.features import classify
from plumbline.extract.snapshot import Column
from plumbline.extract.types import STORAGE, source_column
from plumbline.release.manifest import Input
from plumbline.release.raw import conform

TEXT = (Path(__file__).parents[2] / "docs" / "types.md").read_text("utf-8")
WORDS = {"numeric": "number", "category": "category", "image": "pixels", None: "nothing"}
IMAGE = {"kinds": {"x": "image"}, "images": {"x": {"height": 8, "width": 8}}}
NOW = dt.datetime(2024, 1, 1)
OFFERED = {
    "numbers": [pa.array([1], pa.int64()), pa.array([1.0]), pa.array([Decimal("1.0")])],
    "booleans": [pa.array([True])],
    "text": [pa.array(["1"]), pa.array(["1"], pa.large_string())],
    "dates": [pa.array([NOW.date()])],
    "timestamps": [pa.array([NOW], pa.timestamp("ms"))],
    "bytes": [pa.array([b"1"]), pa.array([b"1"], pa.large_binary())],
    "timestamps with a zone": [pa.array([NOW], pa.timestamp("us", tz="Europe/Berlin"))],
}


def tables() -> list[list[list[str]]]:
    """The document's tables: rows of cells, without their heads."""
    blocks = re.findall(r"(?m)(?:^\|.*\|\n)+", TEXT)
    cells = [[line.strip("| ").split("|") for line in one.splitlines()[2:]] for one in blocks]
    return [[[cell.strip() for cell in row] for row in table] for table in cells]


def documented() -> dict[str, list[str]]:
    rows = {re.sub(r"`([^`]+)`.*", r"\1", row[0]): row[1:] for row in tables()[0]}
    return {name: cells for name, cells in rows.items() if not name.startswith("a")}


def stored(name: str) -> Column:
    """A column of the type, or an element of an array, as a snapshot describes it."""
    element = STORAGE[name].element
    arrow = STORAGE[element or name].arrow
    return Column(
        name="x", postgres_type=element or name, arrow_type=str(arrow), nulls=0, digest=""
    )


def test_every_type_is_documented_and_nothing_else():
    assert documented().keys() == STORAGE.keys()


@pytest.mark.parametrize("name", STORAGE)
def test_what_parquet_holds(name):
    per_element = " per element" * bool(STORAGE[name].element)
    assert documented()[name][0] == f"`{stored(name).arrow_type}`{per_element}"


@pytest.mark.parametrize("name", STORAGE)
def test_what_training_reads(name):
    others = [
        Column(name=n, postgres_type="integer", arrow_type="int32", nulls=0, digest="")
        for n in ("id", "label", "y")
    ]
    table = classify([stored(name), *others], spec_of(**(IMAGE if name == "bytea" else {})))
    kinds = {one.name: one.kind for one in table.features}
    kind = kinds.get("x", "image" if table.images else None)
    assert documented()[name][1] == WORDS[kind]


@pytest.mark.parametrize("name", STORAGE)
def test_what_serving_accepts(name):
    column, wanted = stored(name), STORAGE[STORAGE[name].element or name].arrow
    one = Input(
        name="x",
        postgres_type=column.postgres_type,
        arrow_type=column.arrow_type,
        kind={"number": "numeric", "pixels": "image"}.get(documented()[name][1], "category"),
    )
    accepted = set()
    for word, arrays in OFFERED.items():
        for values in arrays:
            batch = pa.record_batch({"x": values})
            try:
                conform(batch, [one], pa.schema([("x", wanted)]))
                accepted.add(word)
            except BundleError:
                assert word not in documented()[name][2].split(", ")
    assert accepted == set(documented()[name][2].split(", "))


CATEGORIES = {"text[]": "A", "int4range": "R"}


@pytest.mark.parametrize("name", re.findall(r"`([a-z0-9 ]+(?:\[\])?)`", "\n".join(
    row[0] for row in tables()[1])))  # fmt: skip
def test_what_is_refused_is_refused_with_advice(name):
    category = CATEGORIES.get(name, "U")
    with pytest.raises(UnsupportedType, match="to fix: "):
        source_column("x", name, category, "tested.sql")
