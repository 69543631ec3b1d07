"""Images on their way to a matrix: decoded, never fitted, and absent where trees read."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from image_files import bars, file_of
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import NormalizationError, SpecError
from plumbline.extract.features import classify, feature_table
from plumbline.extract.snapshot import Column
from plumbline.normalization import apply, parameters
from plumbline.normalization.apply import load_matrix, matrices
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import Normalization
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split
from plumbline.stages import STAGES, stage_code_version
from plumbline.versions import DatasetVersion, NormalizationVersion, SplitVersion

ROWS = 120
DECLARED: dict[str, Any] = {
    "kinds": {"photo": "image", "scan": "image"},
    "images": {"photo": {"height": 16, "width": 16}},
}


def table(scan: Any = None) -> tuple[pa.Table, np.ndarray]:
    pictures, upright = bars(ROWS, 3)
    columns = {
        "id": np.arange(ROWS),
        "amount": np.arange(ROWS) % 17 / 2,
        "photo": pa.array([file_of(one) for one in pictures], pa.binary()),
        "scan": pa.array([scan] * ROWS, pa.binary()),
        "label": upright == 1,
    }
    return pa.table(columns), pictures


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Normalization, np.ndarray]:
    rows, pictures = table()
    types = {"photo": "bytea", "scan": "bytea"}
    snapshot = snapshot_of(rows, tmp_path_factory.mktemp("images"), postgres_types=types)
    spec = spec_of(**DECLARED)
    split = split_of(snapshot, spec)
    version = NormalizationVersion("normalization-1")
    features = feature_table(snapshot, spec)
    return split, fit(split.train(), features, spec.normalization, version), pictures


def test_declared_images_are_for_networks_and_others_are_ignored(made):
    split, normalization, _ = made
    features = feature_table(split.snapshot, spec_of(**DECLARED))
    assert [one.name for one in features.features] == ["amount"]
    assert [(one.name, one.shape) for one in features.images] == [("photo", (16, 16, 3))]
    assert features.ignored["photo"] == "an image: networks read it, trees do not"
    assert features.ignored["scan"] == "declared as image"
    assert normalization.columns == ("amount", "photo")
    assert normalization.tabular.columns == ("amount",)


def test_images_are_decoded_beside_the_numbers(made, monkeypatch: pytest.MonkeyPatch):
    split, normalization, pictures = made
    for rows in (split.train(), split.validation()):
        whole = load_matrix(rows, normalization)
        np.testing.assert_array_equal(
            whole.images["photo"], pictures[split.assignment == rows.side]
        )
        plain = load_matrix(rows, normalization.tabular)
        assert not plain.images
        np.testing.assert_array_equal(plain.numeric, whole.numeric)
        assert whole.names == plain.names == ("amount",)
    few = whole.take(np.array([3, 1]))
    np.testing.assert_array_equal(few.images["photo"], whole.images["photo"][[3, 1]])
    # Blocks that hold few images give the same.
    monkeypatch.setattr(apply, "IMAGE_BYTES", 7 * 16 * 16 * 3)
    parts = list(matrices(rows, normalization))
    assert max(map(len, parts)) <= 7
    np.testing.assert_array_equal(
        np.concatenate([one.images["photo"] for one in parts]), whole.images["photo"]
    )
    again = load_matrix(rows, normalization)
    np.testing.assert_array_equal(again.images["photo"], whole.images["photo"])


def test_its_json_and_its_row_hold_the_shape_and_others_hold_nothing(made):
    _, normalization, _ = made
    record = normalization.to_json()
    assert record["images"] == [
        {
            "name": "photo",
            "height": 16,
            "width": 16,
            "channels": 3,
            "resize": False,
            "nulls": "refused",
        }
    ]
    assert Normalization.from_json(record) == normalization
    versions = (DatasetVersion("v1"), SplitVersion("s"))
    row = parameters.row(normalization, "tested", *versions)
    assert parameters.from_row(row) == normalization
    assert "images" not in normalization.tabular.to_json()
    assert Normalization.from_json(normalization.tabular.to_json()) == normalization.tabular


def test_an_image_that_cannot_be_read_names_its_column(made):
    _, normalization, _ = made
    rows = pa.RecordBatch.from_pydict({"amount": [1.0], "photo": pa.array([b"?"], pa.binary())})
    with pytest.raises(NormalizationError, match="1 of 1 images in 'photo' cannot be read"):
        apply.transform(normalization, rows)


def columns(kind: str = "binary") -> list[Column]:
    types = {"id": "int64", "label": "bool", "amount": "double", "photo": kind, "scan": "binary"}
    return [
        Column(name=name, postgres_type=arrow, arrow_type=arrow, nulls=0, digest="")
        for name, arrow in types.items()
    ]


def test_a_column_that_holds_no_bytes_is_no_image():
    with pytest.raises(SpecError, match=r"source\.images declares 'photo', but its type is string"):
        classify(columns("string"), spec_of(**DECLARED))


def test_images_alone_are_no_table():
    with pytest.raises(SpecError, match=r"no column .* is left as a feature"):
        classify(columns(), spec_of(**DECLARED, drop=["amount"]))


def version(stage: str, **source: Any) -> str:
    return stage_code_version(spec_of(**source), stage)


def test_versions_hold_what_is_declared_of_images_and_nothing_else_changes():
    kinds = {"kinds": DECLARED["kinds"]}
    resized = {"images": {"photo": {"height": 16, "width": 16, "resize": True}}}
    for stage in ("normalization", "audit", "network"):
        assert version(stage, **kinds) != version(stage, **DECLARED)
    assert version("normalization", **DECLARED) != version("normalization", **kinds | resized)
    for stage in ("normalization", "audit"):
        assert "images" not in STAGES[stage].options(spec_of(**kinds))
    assert "augmentation" not in STAGES["network"].options(spec_of())["network"]
    assert "pillow" not in STAGES["network"].options(spec_of())["environment"]
    for stage in ("split", "random_forest", "xgboost", "evaluation"):
        assert version(stage, **kinds) == version(stage, **DECLARED)


def network_version(**network: Any) -> str:
    spec = spec_of(**DECLARED)
    declared = spec.model_dump() | {"network": network}
    return stage_code_version(PipelineSpec.model_validate(declared), "network")


def test_augmentation_is_part_of_the_networks_version_where_it_is_declared():
    assert network_version() == network_version(augmentation=None)
    different = {network_version(**one) for one in ({}, {"augmentation": []})}
    assert len(different) == 2
