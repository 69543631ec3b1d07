"""How far a table is: what moves its watermark, and where it is refused."""

from pathlib import Path

import pytest

from plumbline.automation.watermark import digest, read_watermarks
from plumbline.errors import ExtractError, QueryFailed
from plumbline.postgres import Postgres

TABLES = """
CREATE TABLE visits (id int PRIMARY KEY, happened_at timestamptz, customer text);
INSERT INTO visits SELECT g, timestamptz '2024-01-01 UTC' + g * interval '1 day', 'c' || g
FROM generate_series(1, 100) AS g;
CREATE VIEW recent AS SELECT * FROM visits WHERE id > 50;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS visits FROM visits;
CREATE TABLE untouched (id int);
"""


@pytest.fixture(scope="module")
def source(module_postgres: Postgres) -> Postgres:
    _do(module_postgres, TABLES)
    return module_postgres


def _do(server: Postgres, *statements: str) -> None:
    """Run them, and have the server count them at once: it else does so within seconds."""
    with server.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("SELECT pg_stat_force_next_flush()")


def _version(server: Postgres, table: str, **declared: str) -> str:
    (found,) = read_watermarks([table], declared, Path(), server)
    return found.version


@pytest.mark.parametrize(
    ("table", "change", "moved"),
    [
        ("visits", "SELECT count(*) FROM visits", False),
        ("visits", "INSERT INTO untouched VALUES (1)", False),
        ("visits", "ANALYZE visits", False),
        ("visits", "INSERT INTO visits VALUES (201, now(), 'new')", True),
        ("visits", "UPDATE visits SET customer = 'x' WHERE id = 3", True),
        ("visits", "DELETE FROM visits WHERE id = 4", True),
        ("visits", "ALTER TABLE visits ADD COLUMN fee int", True),
        ("recent", "UPDATE visits SET customer = 'y' WHERE id = 60", True),
        ("recent", "CREATE OR REPLACE VIEW recent AS SELECT * FROM visits WHERE id > 51", True),
        ("parted", "INSERT INTO parted VALUES (3)", True),
        ("parted", "CREATE TABLE parted_high PARTITION OF parted DEFAULT", True),
        ("counted", "REFRESH MATERIALIZED VIEW counted", True),
        ("untouched", "TRUNCATE untouched", True),
    ],
)
def test_a_watermark_moves_with_every_change_of_its_table(source, table, change, moved):
    before = _version(source, table)
    assert _version(source, table) == before
    _do(source, change)
    assert (_version(source, table) != before) is moved


def test_a_declared_column_is_read_by_its_maximum(source):
    _do(source, "CREATE TABLE growing AS SELECT 7 AS n, 'a' AS t")
    (found,) = read_watermarks(["growing"], {"growing": "n"}, Path(), source)
    assert (found.value, found.declared, found.columns[0]) == ("7", "n", ("n", "integer"))
    _do(source, "UPDATE growing SET t = 'b'")
    assert _version(source, "growing", growing="n") == found.version
    _do(source, "INSERT INTO growing VALUES (8, 'c')")
    assert _version(source, "growing", growing="n") != found.version


def test_a_declared_query_is_asked(source, tmp_path):
    (tmp_path / "far.sql").write_text("SELECT max(id) / 1000 FROM visits;\n")
    (found,) = read_watermarks(["visits"], {"visits": "far.sql"}, tmp_path, source)
    assert found.value == "0"


@pytest.mark.parametrize(
    ("query", "told"),
    [("SELECT 1, 2", "one row of one column"), ("SELECT id FROM visits", "one row of one column")],
)
def test_a_query_of_more_than_one_value_is_refused(source, tmp_path, query, told):
    (tmp_path / "far.sql").write_text(query)
    with pytest.raises(QueryFailed, match=told):
        read_watermarks(["visits"], {"visits": "far.sql"}, tmp_path, source)


def test_an_unknown_column_is_refused_with_its_name(source):
    with pytest.raises(QueryFailed, match=r"nowhere.*to fix: correct source\.watermarks"):
        _version(source, "visits", visits="nowhere")


def test_a_table_that_is_not_there_is_refused(source):
    with pytest.raises(ExtractError, match=r"no table public\.nothing"):
        _version(source, "public.nothing")


def test_counters_that_could_stand_still_are_refused(source):
    _do(source, "ALTER ROLE CURRENT_USER SET track_counts = off")
    try:
        with pytest.raises(ExtractError, match=r"track_counts is off.*source\.watermarks"):
            _version(source, "visits")
        assert _version(source, "visits", visits="id").startswith("201@")
    finally:
        _do(source, "ALTER ROLE CURRENT_USER RESET track_counts")


def test_a_foreign_table_needs_a_declared_watermark(source):
    _do(
        source,
        "CREATE FOREIGN DATA WRAPPER elsewhere",
        "CREATE SERVER other FOREIGN DATA WRAPPER elsewhere",
        "CREATE FOREIGN TABLE away (id int) SERVER other",
        "CREATE VIEW over_it AS SELECT * FROM away",
    )
    with pytest.raises(ExtractError, match="away lies on another server"):
        _version(source, "over_it")


def test_the_digest_is_of_all_tables(source):
    one, other = read_watermarks(["visits", "untouched"], {}, Path(), source)
    assert digest([one, other]) == digest([other, one])
    assert digest([one]) != digest([one, other])
