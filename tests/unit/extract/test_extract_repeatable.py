"""Which queries may be read by several connections."""

import pytest

from plumbline.errors import QueryFailed
from plumbline.extract.query import Query
from plumbline.extract.repeatable import require_repeatable

FILE = "sql/extracts/tested.sql"


def check(text, connections=2, **parameters):
    require_repeatable(Query(file=FILE, text=text, parameters=parameters), connections)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("at < now()", "now"),
        ("at < NOW ( )", "now"),
        ("at < CURRENT_DATE - 7", "current_date"),
        ("at < localtimestamp(0)", "localtimestamp"),
        ("x < random()", "random"),
        ("at < pg_catalog.clock_timestamp()", "clock_timestamp"),
    ],
)
def test_the_clock_and_chance_are_refused(condition, told):
    with pytest.raises(
        QueryFailed, match=rf"{FILE} reads {told} \(line 2\), which differs"
    ) as error:
        check(f"SELECT id, at\nFROM t WHERE {condition}")
    assert "source.connections: 1" in str(error.value)
    check(f"SELECT id, at\nFROM t WHERE {condition}", connections=1)


def test_a_sample_is_repeatable_where_it_says_so():
    with pytest.raises(QueryFailed, match="tablesample"):
        check("SELECT id FROM t TABLESAMPLE SYSTEM (10)")
    check("SELECT id FROM t TABLESAMPLE SYSTEM (10) REPEATABLE (1)")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT now, random FROM t",
        "SELECT 'now()', \"now\" FROM t -- now()",
        "SELECT id FROM t WHERE at < :now",
        "SELECT date_trunc('day', at) FROM t ORDER BY id LIMIT 5",
    ],
)
def test_what_only_looks_like_it_is_accepted(text):
    check(text, **({"now": "2026-01-01"} if ":now" in text else {}))
