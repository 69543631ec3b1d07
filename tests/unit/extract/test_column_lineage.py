"""Which columns of which tables an extract's columns are made of, by its SQL."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.extract.column_lineage import ColumnLineage, Table, known_tables, trace
from plumbline.extract.query import Query

VISITS = Table(schema="public", name="visits", columns=("id", "Amount", "age", "tags"))
PEOPLE = Table(schema="public", name="people", columns=("pid", "name"))
KNOWN = {
    **dict.fromkeys(("public.visits", "Public.Visits", "visits"), VISITS),
    "public.people": PEOPLE,
}


def _query(text: str) -> Query:
    return Query(file="q.sql", text=text, parameters={})


def _traced(
    text: str, columns: Iterable[str], tables: dict[str, Table] = KNOWN
) -> tuple[dict[str, str], set[str]]:
    """Origins by column as words, and the columns that something is said of."""
    found = trace(_query(text), list(columns), tables)
    origins = {
        name: " ".join(f"{one.table}.{one.column}" for one in made)
        for name, made in found.origins.items()
    }
    return origins, set(found.unresolved)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        # aliases
        ("SELECT v.age AS years FROM public.visits AS v", {"years": "public.visits.age"}),
        ("SELECT age + 1 AS next FROM public.visits", {"next": "public.visits.age"}),
        # as the table is written in the query, for so the source asset is called
        ("SELECT Visits.AGE FROM Public.Visits", {"age": "Public.Visits.age"}),
        ("SELECT public.visits.age FROM public.visits", {"age": "public.visits.age"}),
        ("SELECT age FROM visits", {"age": "visits.age"}),
        # quoted identifiers
        (
            'SELECT v."Amount" AS "The Amount" FROM public.visits v',
            {"The Amount": "public.visits.Amount"},
        ),
        # joins: which table has a column is known from the schema
        (
            "SELECT age, name FROM public.visits JOIN public.people ON pid = id",
            {"age": "public.visits.age", "name": "public.people.name"},
        ),
        (
            "SELECT a.age - b.age AS gap FROM public.visits a LEFT JOIN public.visits b ON true",
            {"gap": "public.visits.age"},
        ),
        # what chooses rows is not what a value is made of
        ("SELECT age FROM public.visits WHERE id > 5 ORDER BY tags", {"age": "public.visits.age"}),
        # CTEs and subqueries, one of them called like a table
        (
            "WITH a AS (SELECT id AS i, age FROM public.visits), visits AS (SELECT i, age FROM a) "
            "SELECT s.x FROM (SELECT i * age AS x FROM visits) AS s",
            {"x": "public.visits.age public.visits.id"},
        ),
        (
            "SELECT (SELECT max(p.name) FROM public.people p WHERE p.pid = v.id) AS last "
            "FROM public.visits v",
            {"last": "public.people.name"},
        ),
        # unions, by place
        (
            "SELECT id AS one, age AS two FROM public.visits "
            "UNION ALL SELECT pid, name FROM public.people",
            {
                "one": "public.people.pid public.visits.id",
                "two": "public.people.name public.visits.age",
            },
        ),
        # windows, CASE, aggregates, arrays
        (
            "SELECT lag(age) OVER (PARTITION BY id ORDER BY tags) AS before FROM public.visits",
            {"before": "public.visits.age public.visits.id public.visits.tags"},
        ),
        (
            "SELECT CASE WHEN age > :limit THEN id END AS old FROM public.visits",
            {"old": "public.visits.age public.visits.id"},
        ),
        (
            "SELECT sum(age) FILTER (WHERE id > 1) AS s FROM public.visits",
            {"s": "public.visits.age public.visits.id"},
        ),
        ("SELECT u.tag FROM public.visits, unnest(tags) AS u(tag)", {"tag": "public.visits.tags"}),
        # parameters
        (
            "SELECT age * :n::int AS x FROM public.visits WHERE id < :as_of",
            {"x": "public.visits.age"},
        ),
        # from no column
        (
            "SELECT count(*) AS n, 1 AS one, now() AS t FROM public.visits",
            {"n": "", "one": "", "t": ""},
        ),
    ],
)
def test_every_column_is_followed_to_its_tables(text, origins):
    assert _traced(text, origins) == (origins, set())


def test_a_star_is_every_column_of_the_table():
    each = {name: f"public.visits.{name}" for name in VISITS.columns}
    assert _traced("SELECT * FROM public.visits", each) == (each, set())
    nested = "WITH a AS (SELECT * FROM public.visits) SELECT a.* FROM a"
    assert _traced(nested, each) == (each, set())


def test_columns_without_a_name_go_by_their_place():
    text = "SELECT max(age), lower(name) FROM public.visits, public.people"
    assert _traced(text, ["max", "lower"])[0] == {
        "max": "public.visits.age",
        "lower": "public.people.name",
    }


@pytest.mark.parametrize(
    ("text", "columns", "tables", "origins", "unresolved"),
    [
        # without the tables' columns
        ("SELECT * FROM public.visits", "id age", {}, {}, {"id", "age"}),
        (
            "SELECT v.age, name FROM public.visits v JOIN public.people ON true",
            "age name",
            {},
            {"age": "public.visits.age", "name": ""},
            {"name"},
        ),
        # rows as values, functions that return rows, recursion
        ("SELECT v AS whole FROM public.visits v", "whole", KNOWN, {"whole": ""}, {"whole"}),
        ("SELECT i FROM generate_series(1, 9) AS g(i)", "i", KNOWN, {"i": ""}, {"i"}),
        (
            "WITH RECURSIVE r AS (SELECT id FROM public.visits UNION ALL SELECT r.id + 1 FROM r) "
            "SELECT id FROM r",
            "id",
            KNOWN,
            {"id": "public.visits.id"},
            {"id"},
        ),
        # what PostgreSQL knows of every table, and sqlglot does not
        (
            "SELECT age, ctid::text AS c FROM public.visits",
            "age c",
            KNOWN,
            {"age": "public.visits.age", "c": ""},
            {"c"},
        ),
        ("SELECT 1 +", "x", KNOWN, {}, {"x"}),
    ],
)
def test_what_cannot_be_resolved_is_left_out_and_said(text, columns, tables, origins, unresolved):
    assert _traced(text, columns.split(), tables) == (origins, unresolved)


@given(st.permutations(VISITS.columns), st.lists(st.sampled_from("abcd"), max_size=4))
def test_a_column_keeps_its_origin_however_deep_it_is_nested(columns, levels):
    """Law: renaming and selecting again, in any order, changes no origin."""
    names = [f"c{place}" for place in range(len(columns))]
    chosen = ", ".join(f'"{column}" AS {name}' for column, name in zip(columns, names, strict=True))
    text = f"SELECT {chosen} FROM public.visits"
    for level in levels:
        text = f"SELECT {', '.join(names)} FROM ({text}) AS {level}"
    assert _traced(text, names) == (
        {name: f"public.visits.{column}" for column, name in zip(columns, names, strict=True)},
        set(),
    )


def test_it_is_read_back_as_it_was_saved(tmp_path):
    found = trace(
        _query("SELECT age, v AS w, 1 AS one FROM public.visits v"), ["age", "w", "one"], KNOWN
    )
    assert found.unresolved
    found.save(tmp_path)
    assert ColumnLineage.load(tmp_path) == found


def test_tables_are_known_as_postgres_finds_them(postgres):
    with postgres.connect() as connection:
        connection.execute('CREATE SCHEMA "Odd"')
        connection.execute('CREATE TABLE "Odd"."Table" (a int, "B" int, gone int)')
        connection.execute('ALTER TABLE "Odd"."Table" DROP COLUMN gone')
        connection.execute("CREATE VIEW seen AS SELECT 1 AS x")
        query = _query('SELECT t.*, Seen.X FROM "Odd"."Table" t, Seen, nowhere')
        found = known_tables(query, connection)
    assert found == {
        "Odd.Table": Table(schema="Odd", name="Table", columns=("a", "B")),
        "Seen": Table(schema="public", name="seen", columns=("x",)),
    }
    origins, unresolved = _traced('SELECT t.*, Seen.X FROM "Odd"."Table" t, Seen', "aBx", found)
    assert origins == {"a": "Odd.Table.a", "B": "Odd.Table.B", "x": "Seen.x"}
    assert not unresolved
