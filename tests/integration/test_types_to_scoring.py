"""Every type from a real PostgreSQL to a score: frozen, split, fitted, bundled, scored."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_bundles import VERSIONS, Prepared, build
from snapshots import spec_of, split_of

from plumbline.baselines import boosted_trees
from plumbline.errors import BundleError
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query
from plumbline.normalization.fit import fit
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.release.bundle import load_bundle
from plumbline.scoring.files import score_file
from plumbline.scoring.snapshots import PREDICTIONS, score_snapshot
from plumbline.store import ArtifactStore
from plumbline.versions import NormalizationVersion

WORDS = ["NA", "None", "nan", "", "NULL", "two\nlines"]

TABLE = """
CREATE EXTENSION vector;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE everything AS
SELECT g::bigint                                                   AS id,
       CASE WHEN g % 9 > 0 THEN g % 100 END::smallint              AS small,
       CASE WHEN g % 7 > 0 THEN g * 7919 % 1000 END::integer       AS whole,
       (g * 7919 % 1000 / 7.0)::real                               AS single,
       CASE g % 50 WHEN 0 THEN 'NaN' ELSE g % 13 / 3.0 END::float8 AS double,
       (g % 97 / 8.0)::numeric(12, 3)                              AS fee,
       g % 3 = 0                                                   AS member,
       (ARRAY['NA', 'None', 'nan', '', 'NULL', E'two\\nlines', NULL])[g % 7 + 1] AS word,
       (ARRAY['sad', 'glad'])[g % 2 + 1]::mood                     AS mood,
       g % 30 * interval '1 hour'                                  AS lasted,
       date '2024-01-01' + g                                       AS day,
       CASE WHEN g % 11 > 0
            THEN ARRAY[g % 40, CASE WHEN g % 5 > 0 THEN g % 17 END, g % 3] END::float8[] AS vec,
       format('[%s,%s]', g % 8, g % 6)::vector                     AS embedded,
       (g % 7 < 3) <> (g * 7919 % 1000 > 600)                      AS label
FROM generate_series(1, 900) AS g
"""
COLUMNS = "small, whole, single, double, fee::text AS fee, member, word, mood::text, lasted"
SECONDS = COLUMNS.replace("lasted", "extract(epoch FROM lasted)::float8 AS lasted")
ARRAYS = "vec, embedded::real[] AS embedded"
EXPANDED = "vec[1] AS a, vec[2] AS b, vec[3] AS c, (embedded::real[])[1] AS embedded_1"
OPTIONS = {"vectors": {"vec": ["a", "b", "c"]}, "drop": ["b", "embedded_2"]}


@pytest.fixture(scope="module")
def made(module_postgres: Postgres, tmp_path_factory):
    """The frozen snapshot, a bundle made from it, and its predictions for the snapshot."""
    root = tmp_path_factory.mktemp("everything")
    with module_postgres.connect() as connection:
        connection.execute(TABLE)
    (root / "sql" / "extracts").mkdir(parents=True)
    (root / "sql" / "extracts" / "tested.sql").write_text("SELECT * FROM everything")
    spec = spec_of(**OPTIONS)
    snapshot, _ = freeze(
        spec,
        dataset_version="v1",
        query=read_query(spec, root),
        postgres=module_postgres,
        registry=Registry.open(module_postgres),
        store=ArtifactStore.at(root / "store"),
    )
    split = split_of(snapshot, spec)
    version = NormalizationVersion(VERSIONS["normalization_version"])
    fitted = fit(split.train(), feature_table(snapshot, spec), spec.normalization, version)
    prepared = Prepared(snapshot=snapshot, spec=spec, split=split, normalization=fitted)
    predictor = boosted_trees.fit(split.train(), fitted, 0).predictor
    build(prepared, "xgboost", predictor, root / "bundle")
    score_snapshot(load_bundle(root / "bundle"), snapshot, root)
    return prepared, root / "bundle", pq.read_table(root / PREDICTIONS).column("score").to_numpy()


@pytest.fixture
def parquet(module_postgres: Postgres, tmp_path: Path):
    """The table's rows as a Parquet file of what another client would read."""

    def parquet(columns: str) -> Path:
        with module_postgres.arrow() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM everything ORDER BY id")
            pq.write_table(cursor.fetch_arrow_table(), tmp_path / "rows.parquet")
        return tmp_path / "rows.parquet"

    return parquet


def scores(bundle: Path, source: Path) -> np.ndarray:
    target = source.with_name("scored.parquet")
    score_file(bundle, source, target, strict=True)
    return pq.read_table(target).column("score").to_numpy()


def test_words_that_look_like_nothing_are_categories(made):
    prepared, bundle, predicted = made
    (vocabulary,) = [one for one in prepared.normalization.categories if one.name == "word"]
    assert {*WORDS} == {*vocabulary.values}
    assert vocabulary.nulls > 0
    row = pa.Table.from_batches(prepared.snapshot.batches()).slice(0, 1)
    place = row.schema.names.index("word")
    found = {
        word: load_bundle(bundle).score(
            row.set_column(place, "word", pa.array([word], pa.string())).to_batches()[0]
        )[0]
        for word in [*WORDS, None]
    }
    assert len({*found.values()}) > 1
    assert len({*predicted}) > 100


def test_integers_with_nulls_are_integers(made):
    snapshot = made[0].snapshot
    schema = pq.read_schema(snapshot.folder / "data.parquet")
    assert [schema.field(name).type for name in ("small", "whole")] == [pa.int16(), pa.int32()]
    assert all(snapshot.column(name).nulls for name in ("small", "whole"))


@pytest.mark.parametrize("vectors", [EXPANDED, ARRAYS, f"{ARRAYS}, vec[1] AS a"])
def test_parquet_scores_as_the_snapshot(made, parquet, vectors):
    _, bundle, predicted = made
    np.testing.assert_array_equal(scores(bundle, parquet(f"{SECONDS}, {vectors}")), predicted)


def test_csv_scores_as_the_snapshot(made, module_postgres, tmp_path):
    _, bundle, predicted = made
    rows = f"COPY (SELECT {SECONDS}, {EXPANDED} FROM everything ORDER BY id) TO STDOUT"
    with (
        module_postgres.connect() as connection,
        connection.cursor().copy(f"{rows} (FORMAT csv, HEADER)".encode()) as copy,
        (tmp_path / "rows.csv").open("wb") as file,
    ):
        for block in copy:
            file.write(block)
    np.testing.assert_array_equal(scores(bundle, tmp_path / "rows.csv"), predicted)


def test_rows_with_other_vectors_are_put_aside(made, parquet):
    prepared, bundle, predicted = made
    longer = "CASE WHEN id IN (1, 500) THEN vec || 1.0 ELSE vec END AS vec"
    source = parquet(f"{SECONDS}, {longer}, embedded::real[] AS embedded")
    target = source.with_name("scored.parquet")
    outcome = score_file(bundle, source, target)
    assert (outcome.scored, outcome.rejected) == (prepared.snapshot.rows - 2, 2)
    told = pq.read_table(source.with_name("scored.rejects.parquet")).to_pylist()
    assert [(one["row"], one["column"], one["reason"]) for one in told] == [
        (row, "vec", "4 elements, not 3 as in training") for row in (1, 500)
    ]
    found = pq.read_table(target).column("score").to_numpy()
    np.testing.assert_array_equal(found, np.delete(predicted, [0, 499]))


@pytest.mark.parametrize("kind", [pa.large_list(pa.float32()), pa.list_(pa.float32(), 3)])
def test_other_lists_are_read_alike(made, parquet, kind):
    _, bundle, predicted = made
    path = parquet(f"{SECONDS}, {ARRAYS}")
    table = pq.read_table(path)
    vectors = pa.array(table.column("vec").to_pylist(), kind)
    table = table.set_column(table.schema.names.index("vec"), "vec", vectors)
    pq.write_table(table, path)
    np.testing.assert_array_equal(scores(bundle, path), predicted)


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (
            "vec[1:2] AS vec, embedded::real[] AS embedded",
            "row 1, column 'vec': 2 elements, not 3 as in training",
        ),
        (
            "CASE id WHEN 500 THEN vec || 1.0 ELSE vec END AS vec, embedded::real[] AS embedded",
            "row 500, column 'vec': 4 elements, not 3 as in training",
        ),
        ("vec", "no column 'embedded_1'"),
        ("id AS vec, embedded::real[] AS embedded", "no column 'a', 'c'"),
        ("ARRAY['x', 'y', 'z'] AS vec, embedded::real[] AS embedded", "column 'a' is string"),
    ],
)
def test_other_vectors_are_refused(made, parquet, vectors, told):
    with pytest.raises(BundleError, match=told):
        scores(made[1], parquet(f"{SECONDS}, {vectors}"))
