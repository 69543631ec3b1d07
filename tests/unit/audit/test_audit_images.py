"""Images that cannot be read stop the run at the audit, with their keys."""

import numpy as np
import pyarrow as pa
from audits import findings, table_of
from image_files import file_of

ROWS = 200
IMAGE = np.zeros((8, 8, 3), np.uint8)
DECLARED = {"kinds": {"photo": "image"}, "postgres_types": {"photo": "bytea"}}


def photos(**others: bytes | None) -> pa.Array:
    """Sound images but for those at `_PLACE`."""
    values: list[bytes | None] = [file_of(IMAGE)] * ROWS
    for place, value in others.items():
        values[int(place.removeprefix("_"))] = value
    return pa.array(values, pa.binary())


def found(tmp_path, column: pa.Array, **images):
    images = {"images": {"photo": {"height": 8, "width": 8, **images}}} if images else {}
    table = table_of(ROWS, photo=column)
    found = findings(table, tmp_path / "snapshot", **DECLARED, **images)
    return [one for one in found if one.column == "photo"]


def test_sound_images_have_no_finding(tmp_path):
    assert found(tmp_path, photos(), channels=3) == []


def test_images_that_nobody_reads_are_not_looked_at(tmp_path):
    assert found(tmp_path, photos(_3=b"?")) == []


def test_unreadable_ones_block_with_reasons_remedies_and_keys(tmp_path):
    column = photos(_3=b"?", _5=None, _9=b"?", _70=file_of(IMAGE[:, :7]))
    (finding,) = found(tmp_path, column, channels=3)
    assert (finding.check, finding.severity, finding.count) == ("types", "ERROR", 4)
    assert finding.blocks
    assert finding.message == (
        "image 'photo' cannot be read in 4 rows: is no PNG, JPEG, WebP or BMP file, is NULL, has "
        "7 x 8 pixels"
    )
    assert "declare nulls: black" in finding.remedy
    assert "declare resize: true" in finding.remedy
    assert [one["id"] for one in finding.examples] == [3, 5, 9, 70]
    assert finding.threshold.startswith("PNG, JPEG, WebP or BMP files of 8 x 8 pixels")


def test_what_is_declared_is_no_finding(tmp_path):
    column = photos(_5=None, _70=file_of(IMAGE[:, :7]))
    assert found(tmp_path, column, nulls="black", resize=True) == []
