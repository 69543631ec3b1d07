"""Freezing a query of a real PostgreSQL: the contract of types, and the life of a version."""

import datetime as dt
import itertools
import json
import math
import shutil

import pyarrow as pa
import pytest
from snapshots import spec_of

from plumbline.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ExtractError,
    KeyViolation,
    LabelViolation,
    QueryFailed,
    SpecError,
    UnsupportedType,
    VersionConflict,
)
from plumbline.extract.digest import content_of_snapshot
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import find_snapshot, freeze, snapshot_address
from plumbline.extract.query import Query, read_query
from plumbline.extract.read import reading
from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.registry import Registry
from plumbline.store import files_of

FILE = "sql/extracts/tested.sql"
ROWS = "FROM generate_series(1, 4) AS id"


_numbers = itertools.count()


@pytest.fixture(scope="module")
def registry(module_postgres):
    return Registry.open(module_postgres)


@pytest.fixture
def name():
    """A pipeline of this test's own, for its tests share a database."""
    return f"tested_{next(_numbers)}"


@pytest.fixture
def frozen(name, tmp_path, module_postgres, registry, store):
    """Freeze a query: `frozen(sql, version=..., overrides=..., **options of the source)`."""

    def frozen(sql, version="v1", overrides=None, **options):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
        spec = spec_of(name=name, **options)
        return freeze(
            spec,
            dataset_version=version,
            query=read_query(spec, tmp_path, overrides),
            postgres=module_postgres,
            registry=registry,
            store=store,
        )

    return frozen


@pytest.fixture
def execute(module_postgres):
    """Run statements; what they make is gone after the test."""

    def execute(statement):
        with module_postgres.connect() as connection:
            return connection.execute(statement)

    yield execute
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
def nothing_is_bound(name, registry, store):
    def nothing_is_bound():
        rows = registry.rows("dataset_versions", pipeline=name)
        return rows == [] and not list(store.root.rglob("*.parquet"))

    return nothing_is_bound


def table_of(snapshot):
    return pa.Table.from_batches(snapshot.batches())


def selecting(columns, label="id > 2 AS label"):
    return f"SELECT id, {label}, {columns} {ROWS}"


def column(frozen, *values, kind):
    """A query's column of these values, and how it was stored."""
    listed = ", ".join(f"({i}, {value})" for i, value in enumerate(values))
    snapshot, _ = frozen(
        f"SELECT id, id = 0 AS label, 1.0 AS y, x::{kind} AS x FROM (VALUES {listed}) v(id, x)",
        version=kind,
    )
    return snapshot.column("x"), table_of(snapshot).column("x").to_pylist()


@pytest.mark.parametrize(
    ("kind", "values", "arrow", "stored"),
    [
        ("smallint", ["-32768", "NULL"], "int16", [-32768, None]),
        ("integer", ["NULL", "2147483647"], "int32", [None, 2147483647]),
        ("bigint", ["9007199254740993", "NULL"], "int64", [9007199254740993, None]),
        ("boolean", ["true", "NULL", "false"], "bool", [True, None, False]),
        (
            "numeric",
            ["'1.50'", "NULL", "'NaN'", "'-Infinity'", "'100'", "'123456789012345678901.0000001'"],
            "string",
            ["1.5", None, "NaN", "-Infinity", "100", "123456789012345678901.0000001"],
        ),
        ("text", ["'NA'", "'None'", "'nan'", "''", "NULL", "'é\t\"'"], "string",
         ["NA", "None", "nan", "", None, "é\t\""]),
        ("character varying", ["'a '", "NULL"], "string", ["a ", None]),
        ("character", ["'a'", "NULL"], "string", ["a", None]),
        ("uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "NULL"], "string",
         ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None]),
        ("date", ["'0001-01-01'", "NULL", "'9999-12-31'"], "date32[day]",
         [dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
        ("timestamp without time zone", ["'2020-01-01 12:00:00.000001'", "NULL"], "timestamp[us]",
         [dt.datetime(2020, 1, 1, 12, 0, 0, 1), None]),
        ("timestamp with time zone", ["'2020-01-01 12:00+02'", "NULL"], "timestamp[us, tz=UTC]",
         [dt.datetime(2020, 1, 1, 10, tzinfo=dt.UTC), None]),
        ("interval", ["'1 mon 2 days 03:00:00.5'", "NULL", "'1 year'"], "double",
         [32 * 86400 + 3 * 3600 + 0.5, None, 365.25 * 86400]),
    ],
)  # fmt: skip
def test_the_contract_of_types(frozen, kind, values, arrow, stored):
    described, found = column(frozen, *values, kind=kind)
    assert (described.postgres_type, described.arrow_type) == (kind, arrow)
    assert described.nulls == stored.count(None)
    assert found == stored


@pytest.mark.parametrize(("kind", "arrow"), [("real", "float"), ("double precision", "double")])
def test_floats_keep_their_bits(frozen, kind, arrow):
    described, found = column(frozen, "'-0'", "'NaN'", "'Infinity'", "NULL", "'0.1'", kind=kind)
    assert (described.postgres_type, described.arrow_type) == (kind, arrow)
    assert math.copysign(1, found[0]) == -1
    assert math.isnan(found[1])
    assert found[2:4] == [math.inf, None]
    assert found[4] == pa.scalar(0.1, pa.type_for_alias(arrow)).as_py()


def test_enums_domains_and_other_text_types(frozen, execute):
    execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN age AS int CHECK (VALUE > 0)")
    snapshot, _ = frozen(
        selecting("""'glad'::mood AS m, 3::age AS a, 'n'::name AS n, 'c'::"char" AS c""")
    )
    types = {c.name: (c.postgres_type, c.arrow_type) for c in snapshot.columns}
    assert types["m"] == ("mood", "string")
    assert types["a"] == ("integer", "int32")
    assert table_of(snapshot).slice(0, 1).to_pylist()[0] == {
        "id": 1, "label": False, "m": "glad", "a": 3, "n": "n", "c": "c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        ("'{}'::jsonb", "jsonb", "->>"),
        ("'{}'::json", "json", "->>"),
        ("'a'::bytea", "bytea", "declare it an image under source.kinds"),
        ("ARRAY['a']", r"text\[\]", "its elements"),
        ("'10:00'::time", "time without time zone", "extract"),
        ("1::money", "money", "numeric"),
        ("int4range(1, 2)", "int4range", "lower"),
        ("ROW(1, 2)", "record", "to fix"),
        ("'1.2.3.4'::inet", "inet", "cast it to a number or to text"),
    ],
)
def test_types_without_a_place_are_refused_with_advice(
    frozen, nothing_is_bound, value, kind, advice
):
    with pytest.raises(UnsupportedType, match=f"column 'x' of {FILE} is of type {kind}") as caught:
        frozen(selecting(f"{value} AS x"))
    assert advice in str(caught.value)
    assert nothing_is_bound()


@pytest.mark.parametrize(
    "value",
    [
        "'infinity'::date",
        "'-infinity'::date",
        "'infinity'::timestamptz",
        "'-infinity'::timestamp",
        "'294276-12-31'::timestamp",
    ],
)
def test_infinite_moments_are_refused(frozen, value):
    with pytest.raises(ExtractError, match=r"'x' .* holds an infinite or far-off moment") as caught:
        frozen(selecting(f"CASE WHEN id = 3 THEN {value} END AS x, 1 AS y"))
    assert "nullif(x, 'infinity')" in str(caught.value)


def test_features_agree_with_what_is_stored(frozen):
    snapshot, _ = frozen(
        selecting(
            "1::smallint a, 1.5::numeric b, true c, 'x' d, now()::date e, now() f, "
            "'1 day'::interval g, 1::real h, gen_random_uuid() i"
        )
    )
    table = feature_table(snapshot, spec_of())
    kinds = {feature.name: feature.kind for feature in table.features}
    assert kinds == {
        "a": "numeric", "b": "numeric", "c": "numeric", "d": "category", "g": "numeric",
        "h": "numeric", "i": "category",
    }  # fmt: skip
    assert table.ignored.keys() == {"id", "label", "e", "f"}
    assert table_of(snapshot).column("b").cast(pa.float64()).to_pylist()[0] == 1.5


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("unnest(ARRAY['b', 'B', 'a', 'Z'])", ["B", "Z", "a", "b"]),
        ("unnest(ARRAY[1.5, 10, 2, -1])", ["-1", "1.5", "2", "10"]),
        ("unnest(ARRAY['10', '9', '1', '2'])::bigint", [1, 2, 9, 10]),
    ],
)
def test_rows_come_in_order_of_the_key(frozen, key, order):
    snapshot, _ = frozen(
        f"SELECT k, random() AS x, row_number() OVER () % 2 AS label FROM (SELECT {key} AS k) t "
        "ORDER BY 2",
        key="k",
    )
    assert table_of(snapshot).column("k").to_pylist() == order
    assert snapshot.key_collation == "C"


def test_the_order_does_not_depend_on_a_collation(frozen, execute):
    found = execute("SELECT collname FROM pg_collation WHERE collprovider = 'i' LIMIT 1").fetchone()
    if found is None:
        pytest.skip("this server has no other collation to order text by")
    snapshot, _ = frozen(
        f"""SELECT k COLLATE "{found[0]}" AS k, k = 'a' AS label, 1 AS x
        FROM unnest(ARRAY['b', 'B', 'a', 'Z']) AS k""",
        key="k",
    )
    assert table_of(snapshot).column("k").to_pylist() == ["B", "Z", "a", "b"]


def test_what_is_recorded(frozen, name, module_postgres, registry, store):
    text = f"-- header\nSELECT id, id > :least AS label, 'é' || :s AS x\n{ROWS} -- end\n;\n"
    snapshot, reused = frozen(text, parameters={"least": 2, "s": "a"}, overrides={"s": "it's"})
    assert not reused
    assert snapshot == Snapshot.load(snapshot.folder)
    assert snapshot.folder == store.folder(name, "snapshot", snapshot_address(name, "v1"))
    written = {"data.parquet", "snapshot.json", "column_lineage.json"}
    assert set(files_of(snapshot.folder)) == written
    assert snapshot.digest == content_of_snapshot(snapshot).digest
    assert (snapshot.rows, snapshot.key, snapshot.label) == (4, ("id",), "label")
    assert (snapshot.query, snapshot.parameters) == (text, {"least": 2, "s": "it's"})
    assert [c.name for c in snapshot.columns] == ["id", "label", "x"]
    with module_postgres.connect() as connection:
        (version,) = connection.execute("SELECT current_setting('server_version')").fetchone()
    assert snapshot.server_version == version
    assert len(snapshot.postgres_snapshot.split(":")) == 3

    row = registry.one("dataset_versions", pipeline=name, dataset_version="v1")
    assert row["digest"] == snapshot.digest
    assert row["query"] == text
    assert row["parameters"] == {"least": 2, "s": "it's"}
    assert (row["row_count"], row["key_columns"], row["key_collation"]) == (4, ["id"], "C")
    assert row["columns"] == json.loads((snapshot.folder / "snapshot.json").read_text())["columns"]
    assert row["server_version"] == version
    assert row["postgres_snapshot"] == snapshot.postgres_snapshot


def test_the_settings_of_the_session_do_not_matter(frozen, execute):
    query = selecting("1 AS x, ('2020-01-01 00:30+00'::timestamptz)::text AS t")
    one, _ = frozen(query)
    name = execute("SELECT current_database()").fetchone()[0]
    for setting in ("TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", "extra_float_digits = 0"):
        execute(f'ALTER DATABASE "{name}" SET {setting}')
    two, _ = frozen(query, version="v2")
    execute(f'ALTER DATABASE "{name}" RESET ALL')
    assert one.digest == two.digest
    assert table_of(two).column("t")[0].as_py() == "2020-01-01 00:30:00+00"


def test_one_transaction_repeatable_read_only_and_serial(frozen):
    names = ("transaction_isolation", "transaction_read_only", "max_parallel_workers_per_gather")
    settings = ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    snapshot, _ = frozen(selecting(f"{settings}, pg_current_snapshot()::text AS seen"))
    for row in table_of(snapshot).to_pylist():
        assert [row[name] for name in names] == ["repeatable read", "on", "0"]
        assert row["seen"] == snapshot.postgres_snapshot


def test_names_of_columns_may_be_anything(frozen):
    names = ['a"b', "c%sd", "e.f", "SELECT", "ü:x", "g h"]
    quoted = ", ".join(
        f'{i} AS "{name.replace(chr(34), chr(34) * 2)}"' for i, name in enumerate(names)
    )
    snapshot, _ = frozen(selecting(f"{quoted}, '100%' AS \"%\""), key=["id", "e.f"])
    assert [column.name for column in snapshot.columns] == ["id", "label", *names, "%"]
    (batch, *_) = snapshot.batches(["e.f", "%"])
    assert batch.to_pylist()[0] == {"e.f": 2, "%": "100%"}


def test_an_extract_cannot_write(frozen, execute):
    execute("CREATE TABLE t (x int); CREATE SEQUENCE s")
    with pytest.raises(QueryFailed, match="read-only transaction"):
        frozen(selecting("nextval('s') AS x"))


def test_a_version_that_is_there_is_returned_without_the_source(frozen, execute):
    execute(f"CREATE TABLE t AS {selecting('1.5 AS x')}")
    one, _ = frozen("SELECT * FROM t")
    execute("DROP TABLE t")
    two, reused = frozen("select *  from T; -- other words")
    assert reused
    assert two == one


CHANGES = [
    ({"overrides": {"n": "3"}}, "parameter n was 2 and is 3"),
    ({"sql": "SELECT *, id >= :n AS label FROM t"}, f"the SQL of {FILE} has changed"),
    ({"key": ["x", "id"]}, r"source.key was \['id'\] and is \['x', 'id'\]"),
]
NEW_LABEL = ({"label": "x"}, "source.label was 'label' and is 'x'")


@pytest.mark.parametrize(
    ("change", "told", "pruned"),
    [(*change, False) for change in [*CHANGES, NEW_LABEL]]
    + [(*change, True) for change in CHANGES],
)
def test_a_name_is_bound_to_what_was_asked(frozen, execute, store, change, told, pruned):
    execute(f"CREATE TABLE t AS SELECT id, id % 2 AS x, 1 AS y {ROWS}")
    asked = {"sql": "SELECT *, id > :n AS label FROM t", "parameters": {"n": 2}}
    frozen(**asked)
    if pruned:
        shutil.rmtree(store.root)
    with pytest.raises(VersionConflict, match=told) as caught:
        frozen(**{**asked, **change})
    assert "choose a new name" in str(caught.value)
    frozen(**{**asked, **change}, version="v2")
    assert frozen(**asked)[1] is not pruned


def test_a_pruned_snapshot_is_read_again_and_must_be_the_same(frozen, execute, name, registry):
    execute(f"CREATE TABLE t AS {selecting('id * 1.5 AS x, 7 AS y')}")
    one, _ = frozen("SELECT * FROM t")
    shutil.rmtree(one.folder)
    again, reused = frozen("SELECT * FROM t")
    assert (again.digest, reused) == (one.digest, False)

    shutil.rmtree(one.folder)
    execute("UPDATE t SET x = 0 WHERE id = 3; INSERT INTO t VALUES (5, true, 1, 7)")
    with pytest.raises(VersionConflict, match="the source no longer reproduces") as caught:
        frozen("SELECT * FROM t")
    assert "4 rows then, 5 now; differing columns: id, label, x, y" in str(caught.value)
    assert not one.folder.exists()
    assert list(one.folder.parent.iterdir()) == []
    execute("DELETE FROM t WHERE id = 5")
    with pytest.raises(VersionConflict, match="differing columns: x;"):
        frozen("SELECT * FROM t")
    assert len(registry.rows("dataset_versions", pipeline=name)) == 1
    assert frozen("SELECT * FROM t", version="v2")[0].digest != one.digest


def test_a_snapshot_published_before_a_crash_is_recorded(frozen, name, registry, monkeypatch):
    with monkeypatch.context() as crash:
        crash.setattr(type(registry), "record", lambda *_, **__: (_ for _ in ()).throw(KeyError()))
        with pytest.raises(KeyError):
            frozen(selecting("1 AS x"))
    assert registry.rows("dataset_versions", pipeline=name) == []
    snapshot, reused = frozen(selecting("1 AS x"))
    assert reused
    (row,) = registry.rows("dataset_versions", pipeline=name)
    assert row["digest"] == snapshot.digest


def test_a_store_that_belongs_to_another_registry_is_noticed(frozen, name, registry, store):
    one, _ = frozen(selecting("1 AS x"))
    address = store.folder(name, "snapshot", snapshot_address(name, "v2"))
    frozen(selecting("2 AS x"), version="v2")
    shutil.rmtree(one.folder)
    shutil.copytree(address, one.folder)
    with pytest.raises(VersionConflict, match="the store and the registry disagree"):
        find_snapshot(name, "v1", registry, store)


def test_changed_bytes_are_noticed(frozen, name, registry, store):
    snapshot, _ = frozen(selecting("1 AS x"))
    data = bytearray((snapshot.folder / DATA).read_bytes())
    data[len(data) // 2] ^= 1
    (snapshot.folder / DATA).write_bytes(data)
    with pytest.raises(ArtifactCorrupt, match="sha256 is"):
        frozen(selecting("1 AS x"))
    with pytest.raises(ArtifactCorrupt):
        find_snapshot(name, "v1", registry, store)


def test_finding_a_snapshot(frozen, name, registry, store):
    with pytest.raises(ArtifactMissing, match=f"materialize {name}/snapshot"):
        find_snapshot(name, "v1", registry, store)
    snapshot, _ = frozen(selecting("1 AS x"))
    assert find_snapshot(name, "v1", registry, store) == snapshot


def test_many_blocks(frozen):
    snapshot, _ = frozen(
        "SELECT id, id % 3 = 0 AS label, CASE WHEN id % 5 > 0 THEN repeat('x', id % 7) END AS x "
        "FROM generate_series(1, 150000) AS id"
    )
    table = table_of(snapshot)
    assert table.column("id").to_pylist() == list(range(1, 150_001))
    assert snapshot.column("x").nulls == 30_000
    assert content_of_snapshot(snapshot).digest == snapshot.digest


def test_two_rows_are_enough(frozen):
    assert frozen("SELECT id, id - 1 AS label, 0.5 AS x FROM generate_series(1, 2) id")[0].rows == 2


@pytest.mark.parametrize(
    ("sql", "options", "error", "told"),
    [
        (selecting("1 AS x") + " WHERE false", {}, ExtractError, f"{FILE} returned no rows"),
        (
            "SELECT 7 AS id, i > 1 AS label, 1 AS x FROM generate_series(1, 3) i",
            {}, KeyViolation, r"repeats: 2 rows .* such as id 7",
        ),
        (
            f"SELECT nullif(id, 2) AS id, id > 1 AS label, 1 AS x {ROWS}",
            {}, KeyViolation, "is NULL: id in 1 rows",
        ),
        (
            "SELECT k, l AS label, 1 AS x FROM (VALUES (1.0, 0), (1.00, 1)) t(k, l)",
            {"key": "k"}, KeyViolation, r"repeats: 1 rows .* such as k 1",
        ),
        (selecting("1 AS x, 2 AS y"), {"key": "x"}, KeyViolation, "repeats: 3 rows"),
        (
            selecting("random() AS x, 1 AS y"), {"key": ["id", "x"]}, KeyViolation,
            f"key column 'x' of {FILE} is double precision",
        ),
        (
            selecting("1 AS x", label="nullif(id, 1) AS label"), {}, LabelViolation,
            "'label' of .* is NULL in 1 of 4 rows",
        ),
        (selecting("1 AS x", label="true AS label"), {}, LabelViolation, "holds True in 4 rows"),
        (
            selecting("1 AS x", label="id % 3 AS label"), {}, LabelViolation,
            "holds 0, 1, 2; expected boolean",
        ),
        (
            selecting("1 AS x", label="'c' || id % 3 AS label"), {"positive_label": "c1"},
            LabelViolation, "holds 'c0', 'c1', 'c2' in 4 rows; expected two values",
        ),
        (selecting("1 AS x"), {"key": "nope"}, SpecError, "nope declared in the pipeline"),
        (selecting("1 AS x"), {"timestamp": "nope"}, SpecError, "nope declared in the pipeline"),
        (selecting("1 AS x"), {"drop": ["x"]}, SpecError, "no column .* is left as a feature"),
        (selecting("'a' AS x"), {"kinds": {"x": "numeric"}}, SpecError, "declares 'x' numeric"),
        (selecting("1 AS x, 2 AS x"), {}, QueryFailed, "2 called 'x'"),
        (selecting("1, 2"), {}, QueryFailed, "2 without a name"),
        (f"SELECT {ROWS}", {}, QueryFailed, "selects no column"),
        (selecting("1 / (id - 3) AS x"), {}, QueryFailed, f"{FILE}: division by zero"),
        ("SELECT 1 AS id, 1 / 0 AS label, 1 AS x", {}, QueryFailed, f"{FILE}: division by zero"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_binds_nothing(
    frozen, nothing_is_bound, sql, options, error, told
):
    with pytest.raises(error, match=told) as caught:
        frozen(sql, **options)
    assert "to fix: " in str(caught.value)
    assert nothing_is_bound()
    assert frozen(selecting("1 AS x"))[1] is False


def test_a_refused_query_is_shown_with_its_line(frozen):
    with pytest.raises(QueryFailed) as caught:
        frozen("-- header\nSELECT id, :n AS a,\n  wrong\nFROM t", parameters={"n": "a\nb"})
    assert f'{FILE}:4: relation "t" does not exist' in str(caught.value)
    with pytest.raises(QueryFailed) as caught:
        frozen(f"-- header\nSELECT id, :n AS a,\n  wrong\n{ROWS}", parameters={"n": "a\nb"})
    assert f'{FILE}:3: column "wrong" does not exist' in str(caught.value)
    with pytest.raises(QueryFailed) as caught:
        frozen("SELECT id,, 1\nFROM t")
    assert f'{FILE}:1: syntax error at or near ","' in str(caught.value)
    with pytest.raises(QueryFailed, match="explicit type casts") as caught:
        frozen(f"SELECT id + '2020-01-01'::text {ROWS}")
    assert f"{FILE}:1: operator does not exist" in str(caught.value)


def test_a_query_that_fails_late_binds_nothing(frozen, nothing_is_bound):
    with pytest.raises(QueryFailed, match=f"{FILE}: division by zero"):
        frozen(
            "SELECT id, id % 2 AS label, 1 / (id - 150000) AS x "
            "FROM generate_series(1, 200000) AS id"
        )
    assert nothing_is_bound()


def test_a_query_that_breaks_between_description_and_reading(module_postgres):
    query = Query(file=FILE, text="SELECT 1", parameters={})
    with (
        pytest.raises(QueryFailed, match=f'{FILE}: relation "t" does not exist'),
        reading("SELECT * FROM t", (), query, module_postgres),
    ):
        pass
