"""Arrays, vectors and images of a real PostgreSQL: columns of their own, or refused."""

import json
import re
import shutil

import numpy as np
import pyarrow as pa
import pytest
from snapshots import spec_of

from plumbline.errors import (
    ExtractError,
    KeyViolation,
    QueryFailed,
    SpecError,
    UnsupportedType,
    VersionConflict,
)
from plumbline.extract.digest import content_of_snapshot
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query
from plumbline.extract.snapshot import RECORD, Snapshot

FILE = "sql/extracts/tested.sql"
THREE = "ARRAY[id, NULL, id / 4.0]::float8[] AS v"


@pytest.fixture
def frozen(tmp_path, postgres, registry, store):
    """Freeze a query: `frozen(sql, version=..., **options of the source)`."""

    def frozen(sql, version="v1", **options):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
        spec = spec_of(**options)
        snapshot, _ = freeze(
            spec,
            dataset_version=version,
            query=read_query(spec, tmp_path, dataset_version=version),
            postgres=postgres,
            registry=registry,
            store=store,
        )
        return snapshot

    return frozen


def selecting(columns, rows=4):
    return f"SELECT id, id > 2 AS label, {columns} FROM generate_series(1, {rows}) AS id"


def table_of(snapshot):
    return pa.Table.from_batches(snapshot.batches())


def test_elements_are_columns_counted_from_one(frozen, registry):
    snapshot = frozen(selecting(f"{THREE}, 'x' AS z"))
    assert table_of(snapshot).slice(0, 1).to_pylist() == [
        {"id": 1, "label": False, "v_1": 1.0, "v_2": None, "v_3": 0.25, "z": "x"}
    ]
    described = snapshot.column("v_3")
    assert (described.postgres_type, described.arrow_type) == ("double precision", "double")
    assert (described.origin, described.array) == ("v[3]", "v")
    assert (snapshot.column("z").origin, snapshot.column("z").array) == ("", "")
    assert snapshot.column("v_2").nulls == 4
    assert content_of_snapshot(snapshot).digest == snapshot.digest
    (row,) = registry.rows("dataset_versions")
    assert [one["origin"] for one in row["columns"]] == ["", "", "v[1]", "v[2]", "v[3]", ""]


@pytest.mark.parametrize(
    ("value", "stored_as", "arrow", "first"),
    [
        ("ARRAY[id, -32768]::smallint[]", "smallint", "int16", [1, -32768]),
        ("ARRAY[id, NULL]::int[]", "integer", "int32", [1, None]),
        ("ARRAY[id, 9007199254740993]::bigint[]", "bigint", "int64", [1, 9007199254740993]),
        ("ARRAY[0.1, 'NaN']::real[]", "real", "float", [np.float32(0.1), np.nan]),
        ("ARRAY['-0', 'Infinity']::float8[]", "double precision", "double", [-0.0, np.inf]),
        ("ARRAY[id, 2.5]::numeric[]", "double precision", "double", [1.0, 2.5]),
        ("ARRAY[id, 2.5]::numeric(9, 2)[]", "double precision", "double", [1.0, 2.5]),
        ("'[0:1]={7,8}'::int[]", "integer", "int32", [7, 8]),
        ("format('[%s,2.5]', id)::ext.vector", "real", "float", [1.0, 2.5]),
        ("format('[%s,2.5]', id)::ext.vector(2)", "real", "float", [1.0, 2.5]),
        ("format('[%s,2.5]', id)::ext.halfvec", "real", "float", [1.0, 2.5]),
        ("format('[%s,2.5]', id)::ext.vector::real[]", "real", "float", [1.0, 2.5]),
    ],
)
def test_the_types_of_elements(frozen, postgres, value, stored_as, arrow, first):
    with postgres.connect() as connection:
        connection.execute("CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext")
    snapshot = frozen(selecting(f"{value} AS v"))
    columns = [snapshot.column(name) for name in ("v_1", "v_2")]
    assert [(one.postgres_type, one.arrow_type) for one in columns] == [(stored_as, arrow)] * 2
    found = list(table_of(snapshot).select(["v_1", "v_2"]).slice(0, 1).to_pylist()[0].values())
    np.testing.assert_array_equal(np.array(found, float), np.array(first, float))
    assert [type(one) for one in found if one is not None] == [
        int if arrow.startswith("int") else float for one in first if one is not None
    ]


def test_declared_names_keep_null_arrays_null_in_every_element(frozen):
    snapshot = frozen(
        selecting(f"CASE WHEN id <> 2 THEN v END AS v FROM (SELECT id, {THREE}").replace(
            "FROM generate_series(1, 4) AS id", "FROM generate_series(1, 4) AS id) AS t"
        ),
        vectors={"v": ["amount", "unknown", "quarter"]},
    )
    table = table_of(snapshot)
    assert table.column("amount").to_pylist() == [1.0, None, 3.0, 4.0]
    assert table.column("quarter").to_pylist() == [0.25, None, 0.75, 1.0]
    assert snapshot.column("unknown").nulls == 4


@pytest.mark.parametrize(
    ("value", "options", "told"),
    [
        (
            "CASE id WHEN 3 THEN ARRAY[1.5, 2] ELSE ARRAY[1.5, 2, 3] END::float8[]",
            {},
            r"in the row with k 7, id 3 of .*, 'v' has 2 elements; expected 3 elements in every "
            r"row, or NULL: v_1, v_2, v_3; .*cardinality\(v\) = 3 in",
        ),
        (
            "ARRAY[1.5, 2]::float8[]",
            {"vectors": {"v": ["a", "b", "c", "d"]}},
            r"k 7, id 1 .* has 2 elements; expected 4 elements .*: a, b, ..., d; .*source.vectors",
        ),
        (
            "CASE id WHEN 4 THEN ARRAY[[1, 2], [3, 4]] ELSE ARRAY[1, 2, 3, 4] END",
            {},
            "id 4 .* 'v' has no elements, or more than one dimension; expected 4",
        ),
        (
            "CASE id WHEN 2 THEN '{}' ELSE ARRAY[1, 2] END",
            {},
            "id 2 .* 'v' has no elements, or .*; expected 2",
        ),
    ],
)
def test_another_width_is_refused_with_the_row(frozen, registry, store, value, options, told):
    with pytest.raises(ExtractError, match=told):
        frozen(selecting(f"7 AS k, {value} AS v"), key=["k", "id"], **options)
    assert not registry.rows("dataset_versions")
    assert not list(store.root.rglob("*.parquet"))


def test_the_row_is_found_in_a_later_batch(frozen):
    wide = "array_agg(id + place ORDER BY place)::float8[] FROM generate_series(1, n) AS place"
    sql = selecting(f"(SELECT {wide}) AS v", rows=20_000).replace(
        "AS id", "AS id, LATERAL (SELECT 50 - (id = 19999)::int AS n) AS w"
    )
    with pytest.raises(ExtractError, match=r"in the row with id 19999 .* has 49") as caught:
        frozen(sql)
    assert caught.value.values == {"column": "v", "found_width": 49, "expected_width": 50}


@pytest.mark.parametrize(
    ("columns", "options", "error", "told"),
    [
        ("NULL::float8[] AS v, 1 AS x", {}, ExtractError, "no row has an array in it"),
        ("'{}'::float8[] AS v, 1 AS x", {}, ExtractError, "a row's array has no elements"),
        ("ARRAY[[1, 2]] AS v, 1 AS x", {}, ExtractError, "more than one dimension"),
        (THREE, {"vectors": {"x": ["a"]}}, SpecError, "'x', which is no array .* elements of v"),
        (THREE, {"vectors": {"v": []}}, SpecError, "names 0 elements of 'v', which is an array"),
        (THREE, {"vectors": {"v": ["a", "b", "a"]}}, QueryFailed, "2 called 'a'"),
        (THREE, {"vectors": {"v": ["a", "b", "id"]}}, QueryFailed, "2 called 'id'"),
        (f"{THREE}, 1 AS v_2", {}, QueryFailed, "2 called 'v_2'"),
        (THREE, {"kinds": {"v": "numeric"}}, SpecError, "v declared .* but not selected"),
        (THREE, {"drop": ["v", "w"]}, SpecError, "^w declared .* but not selected"),
        (THREE, {"drop": ["v"]}, SpecError, "no column .* is left as a feature"),
        (THREE, {"key": ["id", "v"]}, SpecError, "v declared .* but not selected"),
        (f"1 / (id - id) AS x, {THREE}", {}, QueryFailed, f"{FILE}: division by zero"),
    ],
)
def test_what_cannot_be_expanded_is_refused(frozen, registry, columns, options, error, told):
    with pytest.raises(error, match=told) as caught:
        frozen(selecting(columns), **options)
    assert "to fix: " in str(caught.value)
    assert not registry.rows("dataset_versions")


def test_expanded_columns_are_features_by_name_and_dropped_by_the_arrays(frozen):
    sql = selecting(f"{THREE}, ARRAY[1, 2, id] AS w, ARRAY[id] AS u")
    options = {"drop": ["w", "v_2"], "kinds": {"v_3": "ignore", "u_1": "category"}}
    features = feature_table(frozen(sql, **options), spec_of(**options))
    assert {one.name: one.kind for one in features.features} == {
        "v_1": "numeric",
        "u_1": "category",
    }
    dropped = [name for name, why in features.ignored.items() if "source.drop" in why]
    assert dropped == ["v_2", "w_1", "w_2", "w_3"]


def test_the_names_of_elements_belong_to_the_question(frozen, store):
    sql = selecting(THREE)
    frozen(sql, vectors={"v": ["a", "b", "c"]})
    frozen(sql, vectors={"v": ["a", "b", "c"]})
    with pytest.raises(VersionConflict, match=r"of v was \['a', 'b', 'c'\] and is \['a', 'c', 'b'"):
        frozen(sql, vectors={"v": ["a", "c", "b"]})
    shutil.rmtree(store.root)
    with pytest.raises(VersionConflict, match=r"and is \['v_1', 'v_2', 'v_3'\]"):
        frozen(sql)


def test_a_record_without_origins_is_read(frozen):
    snapshot = frozen(selecting("1.5 AS x, id AS y"))
    record = json.loads((snapshot.folder / RECORD).read_text())
    for column in record["columns"]:
        del column["origin"]
    (snapshot.folder / RECORD).write_text(json.dumps(record))
    assert Snapshot.load(snapshot.folder) == snapshot


def test_an_image_is_kept_as_bytes_and_is_no_feature(frozen):
    sql = selecting("CASE WHEN id <> 2 THEN decode('00ff' || id || '0', 'hex') END AS photo, 1 x")
    snapshot = frozen(sql, kinds={"photo": "image"})
    described = snapshot.column("photo")
    assert (described.postgres_type, described.arrow_type, described.nulls) == (
        "bytea", "binary", 1,
    )  # fmt: skip
    assert table_of(snapshot).column("photo").to_pylist() == [
        b"\x00\xff\x10", None, b"\x00\xff\x30", b"\x00\xff\x40",
    ]  # fmt: skip
    assert content_of_snapshot(snapshot).digest == snapshot.digest
    changed = frozen(sql.replace("'0'", "'1'"), version="v2", kinds={"photo": "image"})
    assert changed.digest != snapshot.digest
    features = feature_table(snapshot, spec_of(kinds={"photo": "image"}))
    assert features.ignored["photo"] == "declared as image"
    assert [one.name for one in features.features] == ["x"]


@pytest.mark.parametrize("kinds", [{}, {"photo": "category"}, {"photo": "ignore"}])
def test_bytes_that_are_no_image_are_refused_with_advice(frozen, kinds):
    with pytest.raises(UnsupportedType, match=r"'photo' .* is of type bytea") as caught:
        frozen(selecting("'a'::bytea AS photo, 1 AS x"), kinds=kinds)
    assert "declare it an image under source.kinds" in str(caught.value)


def test_an_element_of_an_array_is_no_key(frozen):
    with pytest.raises(KeyViolation, match=r"key column 'v' of .* is integer\[\]"):
        frozen(selecting("ARRAY[id, 0] AS v"), key=["v_1"])


def test_a_version_reads_its_own_rows(frozen, postgres):
    with postgres.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT id, id % 2 AS label, ARRAY[id, n] AS v, 'v' || n AS version "
            "FROM generate_series(1, 4) AS id, generate_series(1, 2) AS n"
        )
    sql = "SELECT id, label, v FROM t WHERE version = :dataset_version ORDER BY id"
    for version in ("v1", "v2"):
        snapshot = frozen(sql, version=version)
        assert set(table_of(snapshot).column("v_2").to_pylist()) == {int(version[1:])}
        assert snapshot.parameters == {"dataset_version": version}
    assert not re.search("'v1'", snapshot.query)
