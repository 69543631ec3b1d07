"""Reading an extract's SQL file: parameters, one SELECT, identity, tables."""

import pytest
from snapshots import spec_of

from plumbline.errors import QueryFailed
from plumbline.extract.query import Query, read_query, source_tables

FILE = "sql/extracts/tested.sql"


@pytest.fixture
def read(tmp_path):
    def read(text, overrides=None, version=None, **parameters):
        path = tmp_path / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_query(spec_of(parameters=parameters), tmp_path, overrides, version)

    return read


def query(text, **parameters):
    return Query(file=FILE, text=text, parameters=parameters)


def bound(text, **parameters):
    return query(text, **parameters).bound(None)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a::int, b::text FROM t",
        "SELECT ':no', 'it''s :no', E'\\':no', U&':no', $$ :no $$, $q$ :no $q$ FROM t",
        'SELECT "a:no" FROM t -- :no',
        "SELECT 1 /* :no /* :nested */ :no */ FROM t",
        "SELECT a[1:n], a[:n], a[lo:], a[1:2][x:y] FROM t",
        "SELECT f(a := 1), '10:30'::time FROM t",
        "SELECT a : b FROM t",
    ],
)
def test_what_is_no_parameter(text):
    assert query(text).placeholders == ()


def test_parameters_become_literals_of_their_type():
    text = "SELECT :s::date, :i+:f, a-:neg, :b, :n, ARRAY[:i, a[1:2]], a[(:i)] FROM t"
    assert bound(text, s="it's :i", i=5, f=0.5, neg=-2, b=True, n=None) == (
        "SELECT 'it''s :i'::date, 5+0.5, a- -2, true, NULL, ARRAY[5, a[1:2]], a[(5)] FROM t"
    )


def test_a_parameter_may_be_called_as_a_keyword():
    assert bound("SELECT a FROM t WHERE d < :date AND e < :end", date="x", end=1) == (
        "SELECT a FROM t WHERE d < 'x' AND e < 1"
    )


def test_comments_around_the_statement_and_a_semicolon_are_left_out():
    assert bound("-- é: header :x\n\nSELECT 'é', :n -- why\nFROM t ; -- end\n", n=1) == (
        "SELECT 'é', 1 -- why\nFROM t"
    )


def test_a_position_leads_to_the_line_of_the_file():
    text = "-- header\nSELECT\n  :long,\n  wrong\nFROM t"
    asked = query(text, long="a\nb\nc\nd")
    statement = asked.bound(None)
    assert asked.line_at(statement.index("'a"), None) == 3
    assert asked.line_at(statement.index("d'"), None) == 3
    assert asked.line_at(statement.index("wrong"), None) == 4
    assert asked.line_at(len(statement), None) is None
    assert asked.line_at(-1, None) is None


def test_the_version_that_is_frozen_is_a_value_of_its_own(read):
    def asked(text, overrides=None, **parameters):
        return read(text, overrides, version="v7", **parameters).parameters

    assert asked("SELECT :dataset_version, :a", a=1) == {"dataset_version": "v7", "a": 1}
    assert asked("SELECT :dataset_version", dataset_version="own") == {"dataset_version": "own"}
    assert asked("SELECT :dataset_version", {"dataset_version": "x"}) == {"dataset_version": "x"}
    assert asked("SELECT 1 -- :dataset_version") == {}
    with pytest.raises(QueryFailed, match=":dataset_version"):
        read("SELECT :dataset_version")


def test_values_come_from_the_declaration_and_overrides_replace_them(read):
    asked = read("SELECT :a, :b", a=1, b="x", overrides={"b": "y"})
    assert asked.parameters == {"a": 1, "b": "y"}
    assert asked.file == FILE


def test_an_override_is_read_as_the_declared_type(read):
    declared = {"i": 1, "f": 1.5, "b": True, "s": "1", "n": None}
    given = {"i": "2", "f": "3", "b": "False", "s": "2", "n": "3"}
    asked = read("SELECT :i, :f, :b, :s, :n", given, **declared)
    assert asked.parameters == {"i": 2, "f": 3.0, "b": False, "s": "2", "n": "3"}
    same = read("SELECT :i, :f, :b, :s, :n", **{**declared, "i": 2, "f": 3.0, "b": False})
    assert asked.parameters["i"] == same.parameters["i"]


@pytest.mark.parametrize(("declared", "given"), [(1, "x"), (1, "1.5"), (0.5, ""), (True, "1")])
def test_an_override_that_cannot_be_read_is_refused(read, declared, given):
    with pytest.raises(QueryFailed, match=f"parameter n of {FILE} is {given!r}"):
        read("SELECT :n", {"n": given}, n=declared)


def test_a_missing_value_is_named_with_file_and_line(read):
    with pytest.raises(
        QueryFailed, match=rf"{FILE}:2 .*:as_of \(line 2\), :b \(line 3\)"
    ) as caught:
        read("SELECT :a,\n:as_of,\n:b", a=1)
    assert caught.value.values["missing"] == ["as_of", "b"]
    assert "--param as_of=VALUE" in str(caught.value)


def test_an_unknown_value_is_named_with_those_there_are(read):
    with pytest.raises(QueryFailed, match=r"no parameter :asof; expected only :as_of \(line 1\)"):
        read("SELECT :as_of", {"asof": "x"}, as_of="2020-01-01")
    with pytest.raises(QueryFailed, match="no parameter :n; expected no parameters"):
        read("SELECT 1", n=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no statement"),
        ("-- nothing\n;", "holds no statement"),
        ("DELETE FROM t", "1 begins with 'DELETE'"),
        ("\nVALUES (1)", "2 begins with 'VALUES'"),
        ("SELECT 1;\nDROP TABLE t", "2 holds a second statement"),
        ("SELECT 1) AS q;", "1 closes a bracket"),
        ("SELECT (1\n, (2)", "1 opens a bracket"),
        ("SELECT 'open", "cannot be read as SQL"),
        ("SELECT a FROM t LIMIT 5", "1 has LIMIT without ORDER BY"),
        ("SELECT a FROM t\nOFFSET 5", "2 has OFFSET without ORDER BY"),
        ("SELECT a FROM (SELECT 1 ORDER BY 1) t\nFETCH FIRST 5 ROWS ONLY", "2 has FETCH"),
        ("SELECT row_number() OVER (ORDER BY a) FROM t LIMIT 1", "1 has LIMIT"),
    ],
)
def test_what_is_not_one_select_is_refused(read, text, told):
    with pytest.raises(QueryFailed) as caught:
        read(text)
    assert f"{FILE}:{told}" in str(caught.value) or f"{FILE} {told}" in str(caught.value)
    assert "to fix: " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "WITH a AS (SELECT 1 LIMIT 1) SELECT * FROM a",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT a FROM t ORDER BY a LIMIT 5;",
        "SELECT a FROM t ORDER BY b;;",
        "SELECT a AS limit, b.offset FROM t b",
        "SELECT 'a;b' -- ; c",
    ],
)
def test_what_is_one_select_is_accepted(read, text):
    assert read(text).text == text


def test_a_parameter_called_limit_is_no_limit(read):
    read("SELECT a FROM t WHERE a < :limit", limit=5)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(QueryFailed, match=f"no file {FILE}"):
        read_query(spec_of(), tmp_path)
    (tmp_path / FILE).mkdir(parents=True)
    with pytest.raises(QueryFailed, match=f"no file {FILE}"):
        read_query(spec_of(), tmp_path)


def test_a_file_that_is_not_utf8_is_refused_and_a_byte_order_mark_is_not(read):
    with pytest.raises(QueryFailed, match="is not UTF-8"):
        read("SELECT 'é'".encode("latin-1"))
    assert read("SELECT 'é'".encode("utf-8-sig")).text == "SELECT 'é'"


def test_layout_comments_and_the_case_of_words_are_not_the_querys_identity():
    one = query("-- v1\nSELECT A, \"B\", 'X'\nFROM T;", n=1)
    assert one.identity == query("select a ,\"B\",'X' from t -- v2", n=1).identity


@pytest.mark.parametrize(
    "other",
    [
        query("SELECT a, 'x' FROM t", n=2),
        query("SELECT a, 'x' FROM t"),
        query("SELECT a, 'X' FROM t", n=1),
        query("SELECT \"A\", 'x' FROM t", n=1),
        query("SELECT a, 'x ' FROM t", n=1),
        query("SELECT a, 'x' FROM t WHERE true", n=1),
        query("SELECT ab, 'x' FROM t", n=1),
    ],
)
def test_what_asks_something_else_has_another_identity(other):
    assert other.identity != query("SELECT a, 'x' FROM t", n=1).identity


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("SELECT * FROM nyc.flights f JOIN planes USING (x)", ("nyc.flights", "planes")),
        ("WITH a AS (SELECT * FROM s.t), b AS (SELECT * FROM a) SELECT * FROM b", ("s.t",)),
        ('SELECT (SELECT max(x) FROM s.u) FROM "S"."T t" WHERE d < :d', ("S.T t", "s.u")),
        ("SELECT g FROM generate_series(1, :n) g, LATERAL (SELECT * FROM w) x", ("w",)),
        ("SELECT * FROM a.t WHERE EXISTS (SELECT FROM b.t)", ("a.t", "b.t")),
        ("SELECT * FROM s.t UNION ALL SELECT * FROM s.t", ("s.t",)),
        ("SELECT FROM WHERE ((", ()),
    ],
)
def test_the_tables_that_are_read(text, tables):
    assert query(text, d=1, n=1).tables() == tables


def test_the_tables_are_known_before_the_parameters(tmp_path, read):
    with pytest.raises(QueryFailed, match="has no value for"):
        read("SELECT * FROM s.t WHERE d < :as_of")
    assert source_tables(spec_of(), tmp_path) == ("s.t",)
