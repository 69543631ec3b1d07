"""Several connections read what one reads: the same rows, file and complaints, under all faults."""

import datetime as dt
import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from braked import BRAKED_ROW, FUNCTION, PATIENCE, brake, holding, until, waiting
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from snapshots import spec_of

from plumbline.errors import DatabaseUnreachable, ExtractError, PlumblineError, QueryFailed
from plumbline.extract import key_ranges, parallel
from plumbline.extract.extraction import extract
from plumbline.extract.parallel import ParallelRead
from plumbline.extract.query import Query
from plumbline.extract.read import describe, reading
from plumbline.extract.snapshot import DATA
from plumbline.extract.spool import Spool
from plumbline.extract.transaction import SnapshotLimit
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

FILE = "sql/extracts/tested.sql"
ROWS = 150_000
QUERY = "SELECT id, id % 2 AS label, brake(id) AS x FROM source"

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)
_MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
_VALUES = {
    "bigint": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
    "smallint": st.integers(-2, 2),
    "text": _TEXT,
    "character(3)": _TEXT,
    "uuid": st.uuids(),
    "timestamp": _MOMENTS,
    "timestamptz": _MOMENTS.map(lambda at: at.replace(tzinfo=dt.UTC)),
    "date": st.dates(),
    # PostgreSQL has one NaN, without a sign.
    "numeric": st.decimals(allow_nan=False) | st.just(Decimal("NaN")),
    "boolean": st.booleans(),
}


@st.composite
def tables(draw):
    """Types of the key's columns, and rows: a key each, now and then NULL or there twice."""
    types = draw(st.lists(st.sampled_from(sorted(_VALUES)), min_size=1, max_size=3))
    missing = draw(st.sampled_from([st.nothing()] * 4 + [st.none()]))
    keys = st.tuples(*(_VALUES[one] | missing for one in types))
    rows = draw(st.lists(keys, max_size=30, unique=draw(st.sampled_from([True, True, False]))))
    return types, rows


@pytest.fixture(scope="module")
def source(module_postgres):
    with module_postgres.connect() as connection:
        connection.execute(FUNCTION.encode())
        connection.execute("CREATE TABLE source (id bigint PRIMARY KEY, x float8)")
        connection.execute(
            "INSERT INTO source SELECT id, 1 FROM generate_series(1, %s) AS id", [ROWS]
        )
        connection.execute("ANALYZE source")
    return module_postgres


@pytest.fixture
def extracted(tmp_path, source):
    """Extract a query into a folder of its own: `extracted(sql, connections, ...)`."""
    numbers = itertools.count()

    def extracted(text=QUERY, connections=2, postgres=source, **options):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        spec = spec_of(connections=connections, **options)
        return extract(folder, spec, "v1", asked(text), postgres)

    return extracted


@pytest.fixture
def rows_of(tmp_path, source):
    """A read by two connections, before anything takes its rows."""
    query, spec = asked(QUERY), spec_of(connections=2)
    with source.connect() as connection:
        columns = describe(query, spec.source, connection)

    read = ParallelRead(
        query=query,
        columns=columns,
        source=spec.source,
        postgres=source,
        limit=SnapshotLimit(file=FILE, minutes=10),
    )
    return lambda: read.rows(tmp_path)


def asked(text, **parameters):
    return Query(file=FILE, text=text, parameters=parameters)


def outcome(folder, spec: PipelineSpec, postgres: Postgres, text="SELECT * FROM keyed"):
    """The digest and the file's bytes, or what was complained of."""
    folder.mkdir()
    try:
        snapshot = extract(folder, spec, "v1", asked(text), postgres)
    except PlumblineError as error:
        return type(error), str(error)
    finally:
        assert {path.name for path in folder.iterdir()} <= {
            DATA, "snapshot.json", "column_lineage.json",
        }  # fmt: skip
    return snapshot.digest, hashlib.sha256((folder / DATA).read_bytes()).hexdigest()


@settings(max_examples=6)
@example(table=(["text"], [("b",), ("B",), (None,), ("a",), (None,)]))
@example(table=(["text", "bigint"], [("a", 1), ("b", None), ("a", None), (None, 3)]))
@example(table=(["bigint", "bigint"], [(1, n) for n in range(6)] + [(2, 1), (1, 3)]))
@given(table=tables())
def test_any_table_read_by_any_number(table, module_postgres, tmp_path_factory):
    types, rows = table
    names = [f"k{place}" for place in range(len(types))]
    with module_postgres.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS keyed")
        listed = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        connection.execute(f"CREATE TABLE keyed ({listed}, label bool, x float8)")
        marks = ", ".join(["%s"] * (len(names) + 2))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO keyed VALUES ({marks})",
                [(*key, place % 2 == 0, place / 3) for place, key in enumerate(rows)],
            )
    folder = tmp_path_factory.mktemp("read")
    found = {
        outcome(folder / str(n), spec_of(key=names, connections=n), module_postgres)
        for n in (1, 2, 3)
    }
    assert len(found) == 1


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5])
def test_few_rows(rows, module_postgres, tmp_path):
    text = f"SELECT id, id % 2 AS label, 1.5::float8 AS x FROM generate_series(1, {rows}) AS id"
    found = [outcome(tmp_path / str(n), spec_of(connections=n), module_postgres, text)
             for n in (1, 4)]  # fmt: skip
    assert len(set(found)) == 1
    assert rows != 0 or "returned no rows" in found[0][1]


def test_skew_makes_no_difference_to_the_ranges(source):
    """Half of the rows share the first key column's value, and the others are far apart."""
    text = "SELECT mod(id, 2) * (id / 2) AS a, id * id AS b, true AS label FROM source"
    spec = spec_of(key=["a", "b"])
    with source.connect() as connection:
        columns = describe(asked(text), spec.source, connection)
        divided = key_ranges.divide(asked(text), columns, spec.source.key, 3, connection)
        limits = [one.start for one in divided.ranges[1:]]
        counts = [
            connection.execute(
                f"SELECT count(*) FROM ({text}) q WHERE (a, b) < (%s::bigint, %s::bigint)", limit
            ).fetchone()[0]
            for limit in limits
        ]
    assert [one.stop for one in divided.ranges[:-1]] == limits
    assert divided.rows == ROWS
    assert counts == [ROWS // 3, 2 * ROWS // 3]


def test_changes_during_the_read_are_not_seen(extracted, source, monkeypatch):
    """They come after the snapshot was taken, and before another connection could take its own."""

    def change_then_divide(*arguments):
        found = key_ranges.divide(*arguments)
        with source.connect() as connection:
            connection.execute("UPDATE source SET x = x + 1, id = -id WHERE id % 3 = 0")
            connection.execute("INSERT INTO source VALUES (1000000, 5)")
        return found

    text = "SELECT id, id % 2 = 0 AS label, x FROM source"
    before = extracted(text, 1)
    monkeypatch.setattr(parallel, "divide", change_then_divide)
    during = extracted(text, 3)
    after = extracted(text, 1)
    with source.connect() as connection:
        connection.execute("DELETE FROM source WHERE id = 1000000")
        connection.execute("UPDATE source SET x = 1, id = abs(id)")
    assert during.digest == before.digest
    assert after.digest != before.digest


def test_nobody_but_the_readers_holds_the_snapshot(rows_of, source):
    with brake(source), rows_of() as read:
        assert len(holding(source)) == 2
        until(lambda: waiting(source) == 1, "one connection to reach the brake")
        until(lambda: len(holding(source)) == 1, "the other to have read its last row")
        taken = read.batches
        assert next(taken).num_rows
    # The block ended while a row was waited for: the connection is gone, or cancelled.
    assert holding(source) == []


def test_a_writer_that_does_not_write_holds_no_snapshot(rows_of, source, tmp_path):
    with rows_of() as read:
        until(lambda: holding(source) == [], "all rows to be read")
        assert list(tmp_path.iterdir()) == []
        assert sum(batch.num_rows for batch in read.batches) == ROWS


def test_one_connection_holds_it_until_its_last_row(source):
    query, spec = asked("SELECT id FROM source"), spec_of()
    with source.connect() as connection:
        columns = describe(query, spec.source, connection)
    with reading("SELECT id FROM source", columns, query, source) as read:
        assert len(holding(source)) == 1
        assert sum(batch.num_rows for batch in read.batches) == ROWS
        assert holding(source) == []


def test_a_killed_connection_ends_the_others(extracted, source, tmp_path):
    with ThreadPoolExecutor() as running, brake(source):
        future = running.submit(extracted)
        until(lambda: waiting(source), "a connection to reach the brake")
        with source.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        with pytest.raises(DatabaseUnreachable, match=f"was lost while {FILE} was read"):
            future.result(PATIENCE)
    assert holding(source) == []
    assert extracted().digest == extracted(connections=1).digest


def test_a_failure_in_one_range_cancels_a_connection_that_waits(extracted, source):
    """Range two fails on a value; range one waits for a lock that nobody gives back."""
    late = QUERY.replace("id % 2", f"1 / (id - {ROWS})")
    early = late.replace("brake(id)", f"brake(id + {BRAKED_ROW - 5})")
    with ThreadPoolExecutor() as running, brake(source):
        future = running.submit(extracted, early)
        with pytest.raises(QueryFailed, match="division by zero"):
            future.result(PATIENCE)
        assert waiting(source) == 0


def test_a_failure_while_writing_ends_all(rows_of, source):
    def fail_to_write():
        with rows_of():
            until(lambda: waiting(source), "a connection to reach the brake")
            raise OSError("no room")

    with brake(source), pytest.raises(OSError, match="no room"):
        fail_to_write()
    assert holding(source) == []


@pytest.mark.parametrize("connections", [1, 2])
def test_a_read_may_not_outlive_its_limit(extracted, source, connections):
    with ThreadPoolExecutor() as running, brake(source):
        future = running.submit(extracted, connections=connections, max_snapshot_minutes=0.005)
        with pytest.raises(ExtractError, match=r"kept one state of the database for 0\.005 min"):
            future.result(PATIENCE)
    assert holding(source) == []


def test_a_reader_without_room_ends_at_the_limit(rows_of, source, monkeypatch):
    """The server cannot end it: it is the server that waits."""
    asked = []
    monkeypatch.setattr(Spool, "put", lambda self, batch, patience: asked.append(patience))
    with rows_of() as read, pytest.raises(ExtractError, match="kept one state of the database"):
        list(read.batches)
    assert all(0 < patience <= 600 for patience in asked)
    assert holding(source) == []


def test_a_query_that_changes_its_answer(extracted):
    text = "SELECT id, id % 2 AS label, x FROM source"
    fickle = f"{text} WHERE id <= 140000 OR current_query() LIKE '%count(' || '*)%'"
    with pytest.raises(ExtractError, match=r"returned 150,000 rows .* and 140,000 when they"):
        extracted(fickle)


def test_the_clock_is_refused_before_a_row_is_read(extracted):
    with pytest.raises(QueryFailed, match=r"reads now \(line 1\)"):
        extracted("SELECT id, id % 2 AS label, now() AS at FROM source")


@pytest.fixture
def reader(source):
    """The source, for a login that may read it and not export a snapshot."""
    name = sql.Identifier("reader_without_export")
    export = sql.SQL("{} EXECUTE ON FUNCTION pg_export_snapshot() {} PUBLIC")
    with source.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        connection.execute(sql.SQL("GRANT SELECT ON source TO {}").format(name))
        connection.execute(export.format(sql.SQL("REVOKE"), sql.SQL("FROM")))
    yield Postgres(source.url.replace("//postgres:@", "//reader_without_export:@"))
    with source.connect() as connection:
        connection.execute(export.format(sql.SQL("GRANT"), sql.SQL("TO")))
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))


def test_a_server_that_exports_no_snapshot(extracted, reader):
    assert reader.url.count("reader_without_export") == 1
    with pytest.raises(QueryFailed, match=r"exports no snapshot \(permission denied") as error:
        extracted(postgres=reader)
    assert "source.connections: 1" in str(error.value)
    assert extracted(connections=1, postgres=reader).rows == ROWS
