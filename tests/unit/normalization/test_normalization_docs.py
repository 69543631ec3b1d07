"""docs/normalization.md: its code rebuilds the transform, its table is the manifest's."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from snapshots import register, snapshot_of, spec_of, split_of

from plumbline.baselines import leakage
from plumbline.extract.features import feature_table
from plumbline.normalization import cross_check, scaled_range
from plumbline.normalization.apply import transform
from plumbline.normalization.columns import number, texts, type_named
from plumbline.normalization.fit import fit
from plumbline.normalization.moments import CELL_ROWS
from plumbline.normalization.parameters import Normalization, row
from plumbline.normalization.quantiles import SAMPLE_ROWS
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.release.treatments import UNUSUAL, UNUSUAL_IMAGES
from plumbline.spec import NormalizationSpec
from plumbline.split.split import Split
from plumbline.versions import DatasetVersion, NormalizationVersion, SplitVersion

TEXT = (Path(__file__).parents[3] / "docs" / "normalization.md").read_text("utf-8")
METHODS = ("standard", "min_max", "robust", "quantile", "none")
ROWS = 3_000
SPEC = spec_of(kinds={"month": "category"})


def raw_table() -> pa.Table:
    """Every kind of column; in the last thousand rows, values that the others do not hold."""
    draw = np.random.default_rng(2)
    late = np.arange(ROWS) >= ROWS - 1_000
    x = draw.normal(size=ROWS) * 1e7 * np.where(late, 50, 1)
    gaps = np.where(draw.random(ROWS) < 0.3, np.nan, draw.random(ROWS))
    return pa.table({
        "id": range(ROWS),
        "x": x,
        "ties": pa.array(draw.integers(0, 4, ROWS) / 2),
        "gaps": pa.array(gaps, mask=draw.random(ROWS) < 0.1),
        "flat": pa.array([1.0] * ROWS, mask=draw.random(ROWS) < 0.2),
        "near 1e9": 1e9 + draw.normal(size=ROWS),
        "flag": draw.random(ROWS) < 0.5,
        "money": [f"{value:.2f}" for value in draw.random(ROWS) * 90],
        "month": pa.array(draw.integers(1, 13, ROWS) + 12 * late, pa.int16()),
        "c": pa.array(draw.choice(["a", "ü", "'", "NULL", None], ROWS)),
        "part": np.where(late, draw.choice(["val", "test"], ROWS), "train"),
        "label": draw.random(ROWS) < 0.5,
    })  # fmt: skip


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = tmp_path_factory.mktemp("docs")
    spec = spec_of(split={"policy": "column", "column": "part"})
    return split_of(snapshot_of(raw_table(), folder, postgres_types={"money": "numeric"}), spec)


@pytest.fixture(scope="module")
def registry(module_postgres: Postgres, split: Split) -> Registry:
    opened = Registry.open(module_postgres)
    register(opened, split, SPEC)
    return opened


@pytest.fixture(scope="module")
def documented() -> Callable[[dict[str, Any], dict[str, Any]], tuple[np.ndarray, np.ndarray]]:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    return names["transform"]


def stored(
    registry: Registry, postgres: Postgres, split: Split, method: str
) -> tuple[Normalization, dict[str, Any]]:
    """A normalization, and what the documented query returns of it."""
    options = NormalizationSpec.model_validate({"method": method, "max_categories": 9})
    version = NormalizationVersion(f"docs {method}")
    fitted = fit(split.train(), feature_table(split.snapshot, SPEC), options, version)
    made = row(fitted, "tested", DatasetVersion("v1"), SplitVersion("split-1"))
    registry.record("normalization_params", **made)
    (query,) = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    with postgres.connect() as connection:
        cursor = connection.execute(query.replace(":normalization_version", "%s"), [version])
        names = [column.name for column in cursor.description or ()]
        return fitted, dict(zip(names, cursor.fetchone() or (), strict=True))


def raw_columns(fitted: Normalization, batch: pa.RecordBatch) -> dict[str, Any]:
    numbers = {name: number(batch, name) for name in fitted.number_columns}
    categories = {
        one.name: texts(batch, one.name, type_named(one.arrow_type)).to_pylist()
        for one in fitted.categories
    }
    return {**numbers, **categories}


@pytest.mark.parametrize("method", METHODS)
def test_its_code_rebuilds_the_transform_from_a_row(
    documented, registry, module_postgres, split, method
):
    fitted, found = stored(registry, module_postgres, split, method)
    for batch in split.snapshot.batches(rows=1_000):
        expected = transform(fitted, batch)
        numeric, codes = documented(found, raw_columns(fitted, batch))
        assert numeric.dtype == np.float32
        bits = np.abs(numeric.view(np.int32).astype(int) - expected.numeric.view(np.int32))
        # Where both are next to 0 their signs may differ, which are far apart as bits.
        apart = np.where(numeric == expected.numeric, 0, bits)
        assert apart.max() <= (1 if method == "quantile" else 0)
        assert codes.tolist() == expected.codes.tolist()
    assert {"gaps is null", "flat is null"} <= set(fitted.numeric_names)
    assert (codes == 0).any()


def test_its_table_of_unusual_values_is_the_manifest_s():
    section = TEXT.partition("## Unusual values")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert {key.strip(): value.strip() for key, value in lines[2:]} == {
        **UNUSUAL,
        **UNUSUAL_IMAGES,
    }


@pytest.mark.parametrize(
    "said",
    [
        f"cell of {CELL_ROWS:,} training rows",
        f"exact up to {SAMPLE_ROWS:,} training rows",
        f"maxima to {cross_check.TOLERANCE:.0e}".replace("e-09", "e-9"),
        f"beyond {scaled_range.LIMIT:g} in size",
        f"sample is {leakage.SAMPLE_ROWS:,} training rows",
        f"at least {leakage.ROWS_PER_LABEL} of each label",
    ],
)
def test_its_numbers_are_the_code_s(said):
    assert said in TEXT


def test_its_methods_are_the_declaration_s():
    declared = NormalizationSpec.model_fields["method"].annotation
    table = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert set(METHODS) == set(table) - {"leakage_proof", "independent_statistics", "scaled_range"}
    assert set(METHODS) == set(getattr(declared, "__args__", ()))
