"""Public tables with their published splits, as the pipeline prepares them.

Each is loaded into a real PostgreSQL, frozen, split by a column that says what the published
row numbers say, and normalized by statistics of the training rows. The flights are the demo's,
with the demo's own extract and split.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.definitions import ROOT
from pipelines.loading import pipeline
from plumbline.demo import nycflights13
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query
from plumbline.normalization import apply
from plumbline.normalization.parameters import Normalization
from plumbline.postgres import Postgres, embedded
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.split import split as splits
from plumbline.split.ledger import open_test
from plumbline.split.rows import TestRows
from plumbline.split.split import Split
from plumbline.store import ArtifactStore
from plumbline.versions import NormalizationVersion, SplitVersion

SOURCES: Mapping[str, Mapping[str, Any]] = {
    "adult": {"label": "income"},
    "bank_marketing": {"label": "y", "drop": ["duration"]},
    "california": {"label": "MedHouseVal", "task": "regression"},
    "covertype": {"label": "Cover_Type", "task": "multiclass"},
    "diamonds": {"label": "price", "task": "regression"},
}
FLIGHTS = "flights"
KEY, SIDE = "row_id", "side"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A table from PostgreSQL to normalized rows."""

    name: str
    spec: PipelineSpec
    split: Split
    normalization: Normalization
    registry: Registry

    def test(self, models: list[str]) -> TestRows:
        """The test rows; the reading is recorded for these models."""
        return open_test(
            self.split, self.registry, model_versions=models, purpose="benchmarks/tables.py"
        )


def prepared(name: str, data: Path, folder: Path, method: str = "quantile") -> Prepared:
    """`data`/NAME/data.parquet, loaded, frozen, split and normalized below `folder`."""
    postgres = Postgres(embedded(folder / "postgres"))
    if name == FLIGHTS:
        nycflights13.load(postgres)
        root, spec = ROOT, _renormalized(pipeline(name), method)
    else:
        _load(name, data / name, postgres)
        root, spec = folder, _spec(name, folder, method)
    registry = Registry.open(postgres)
    snapshot, _ = freeze(
        spec,
        dataset_version=name,
        query=read_query(spec, root, {}, name),
        postgres=postgres,
        registry=registry,
        store=ArtifactStore.at(folder / "store"),
    )
    place = folder / name
    place.mkdir(exist_ok=True)
    splits.build(snapshot, spec, place)
    split = splits.load(place, snapshot, spec, SplitVersion(f"{name}-published"))
    registry.record("split_versions", **splits.row(split, spec))
    version = NormalizationVersion(f"{name}-{method}")
    features = feature_table(snapshot, spec)
    apply.build(split.train(), features, spec.normalization, version, place)
    return Prepared(
        name=name,
        spec=spec,
        split=split,
        normalization=apply.load(place),
        registry=registry,
    )


def _spec(name: str, folder: Path, method: str) -> PipelineSpec:
    extract = folder / f"{name}.sql"
    extract.write_text(f"SELECT * FROM public.{name}\n", "utf-8")
    return PipelineSpec.model_validate(
        {
            "name": name,
            "source": {"sql": extract.name, "key": [KEY], **SOURCES[name]},
            # The published splits hold some rows twice, on two sides: kept, to be comparable.
            "split": {"policy": "column", "column": SIDE, "duplicates": "keep"},
            "normalization": {"method": method},
        }
    )


def _renormalized(spec: PipelineSpec, method: str) -> PipelineSpec:
    declared = spec.model_dump(exclude_unset=True)
    return PipelineSpec.model_validate({**declared, "normalization": {"method": method}})


def _load(name: str, source: Path, postgres: Postgres) -> None:
    table = pq.read_table(source / "data.parquet").replace_schema_metadata()
    for at, field in enumerate(table.schema):
        if pa.types.is_int8(field.type):  # PostgreSQL has none
            table = table.set_column(at, field.name, table.column(at).cast(pa.int16()))
    sides = _sides(table.num_rows, source / "split_idx.npz")
    table = table.append_column(KEY, pa.array(np.arange(table.num_rows)))
    table = table.append_column(SIDE, pa.array(sides.tolist()))
    with postgres.arrow() as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(name, table, mode="replace")


def _sides(rows: int, published: Path) -> np.ndarray:
    """train, val or test for each row; by order, 60, 20 and 20 %, where nothing is published."""
    sides = np.full(rows, "train", dtype="U5")
    if not published.exists():
        sides[rows * 6 // 10 :] = "val"
        sides[rows * 8 // 10 :] = "test"
        return sides
    with np.load(published) as places:
        for side in ("val", "test"):
            sides[places[side]] = side
    return sides
