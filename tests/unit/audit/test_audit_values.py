"""Findings on the values of single columns, and on the schema."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from audits import ROWS, findings, of_check, table_of

from plumbline.audit import tallies


@pytest.fixture
def found(tmp_path):
    """Findings on one feature column `x` beside unremarkable ones."""

    def found(values, **options):
        return findings(table_of(x=values), tmp_path / "snapshot", **options)

    return found


def repeated(*values):
    return [values[i % len(values)] for i in range(ROWS)]


def keys(finding):
    return [example["id"] for example in finding.examples]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(ROWS)[::-1] % 97 / 10,
        repeated(3, 1, 2),
        repeated(1, 2, None),
        repeated("a", "b", None),
        repeated("1", "b", "c"),
        repeated(True, False),
        pa.array(range(ROWS), pa.date32()),
    ],
)
def test_unremarkable_columns_have_no_finding(found, values):
    assert found(values) == ()


@pytest.mark.parametrize("types", [None, {"x": "numeric"}])
def test_infinity_blocks(found, types):
    values = [1.0, np.inf, -np.inf, np.nan] + [2.0, 3.0] * (ROWS // 2 - 2)
    column = [str(value) for value in values] if types else values
    infinite, nan = found(column, postgres_types=types)
    assert (infinite.check, infinite.severity, infinite.column) == ("finite", "ERROR", "x")
    assert (infinite.count, keys(infinite)) == (2, [1, 2])
    assert "infinite in 2 rows" in infinite.message
    assert "THEN x END" in infinite.remedy
    assert (nan.check, nan.severity, nan.count, keys(nan)) == ("finite", "WARN", 1, [3])
    assert "nullif(x, 'NaN')" in nan.remedy


def test_nan_is_told_apart_from_null(found):
    values = [None, 1.0, float("nan"), None] + [2.0, 3.0] * (ROWS // 2 - 2)
    (finding,) = found(pa.array(values))
    assert (finding.check, finding.count, keys(finding)) == ("finite", 1, [2])


@pytest.mark.parametrize(
    "values", [pa.nulls(ROWS, kind) for kind in (pa.float64(), pa.string(), pa.bool_())]
)
def test_a_column_without_a_value(found, values):
    (finding,) = found(values)
    assert (finding.check, finding.severity, finding.count) == ("missing", "WARN", ROWS)
    assert finding.message == "feature 'x' is missing in every row"
    assert keys(finding) == [0, 1, 2, 3, 4]


def test_a_column_mostly_without_values_is_told(found):
    (finding,) = found(repeated(None, None, 1.0, 2.0, None))
    assert (finding.check, finding.severity, finding.count) == ("missing", "INFO", ROWS * 3 // 5)
    assert "(60.0%)" in finding.message


def before(nulls, rows=ROWS, name="x"):
    columns = [{"name": n, "postgres_type": "bigint", "nulls": 0} for n in ("id",)]
    columns += [{"name": "label", "postgres_type": "boolean", "nulls": 0}]
    columns += [{"name": "fine", "postgres_type": "double precision", "nulls": 0}]
    columns += [{"name": name, "postgres_type": "bigint", "nulls": nulls}]
    return {"dataset_version": "v0", "row_count": rows, "columns": columns}


@pytest.mark.parametrize(
    ("nulls", "then", "told"),
    [
        (200, 0, True),
        (200, 200, False),
        (200, 400, False),
        (15, 0, False),  # too small to matter
        (65, 40, False),  # within chance
    ],
)
def test_a_rise_of_missing_values_since_the_previous_version(found, nulls, then, told):
    values = [None] * nulls + repeated(1, 2, 3)[nulls:]
    rises = [f for f in found(values, previous=before(then)) if f.check == "missing"]
    assert bool(rises) is told
    if told:
        assert (rises[0].severity, rises[0].count, keys(rises[0])) == ("WARN", nulls, [*range(5)])
        assert "10.0% of the rows, and was in 0.0% of v0" in rises[0].message


@pytest.mark.parametrize(("policy", "severity"), [("error", "ERROR"), ("warn", "WARN")])
def test_changes_since_the_previous_version(found, policy, severity):
    previous = before(0)
    previous["columns"][-1] |= {"postgres_type": "text"}
    previous["columns"][2] |= {"name": "gone"}
    listed = found(repeated(1, 2), previous=previous, on_schema_change=policy)
    gone, changed, new = listed
    assert (changed.check, changed.severity, changed.column) == ("schema", severity, "x")
    assert "was text and is bigint" in changed.message
    assert (gone.severity, gone.column) == (severity, "gone")
    assert "(double precision) has vanished" in gone.message
    assert (new.severity, new.column) == ("INFO", "fine")


@pytest.mark.parametrize(("method", "severity"), [("standard", "WARN"), ("none", "ERROR")])
def test_raw_values_beyond_the_scale_are_one_finding(tmp_path, method, severity):
    table = table_of(far=repeated(3.0, -50_000.0, 4.0), near=repeated(0, 90), inside=repeated(9, 1))
    (finding,) = findings(table, tmp_path, normalization={"method": method})
    assert (finding.check, finding.severity, finding.column) == ("range", severity, "far")
    assert finding.count == 2
    assert "far (-50000 to 4), near (0 to 90)" in finding.message
    assert "inside" not in finding.message
    assert keys(finding)[0] == 1


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (5, "5"), (True, "1"), ("a", "a")])
def test_a_constant_column(found, value, shown):
    (finding,) = found([value] * ROWS)
    assert (finding.check, finding.severity, finding.count) == ("informative", "WARN", ROWS)
    assert f"holds one value only, '{shown}'" in finding.message
    (beside,) = found(repeated(value, None))
    assert f"beside {ROWS // 2:,} missing ones" in beside.message


@pytest.mark.parametrize("usual", [0.0, 7, False, "a"])
def test_a_nearly_constant_column(found, usual):
    other = {str: "b", bool: True}.get(type(usual), 3)
    values = [usual] * ROWS
    values[17] = other
    (finding,) = found(values)
    assert (finding.check, finding.count, keys(finding)) == ("informative", ROWS - 1, [17])
    values[18] = values[19] = other  # 99.85 %
    assert found(values) == ()


def test_a_category_that_names_rows(found, monkeypatch):
    (finding,) = found([f"row {i}" for i in range(ROWS)])
    assert (finding.check, finding.severity) == ("informative", "WARN")
    assert "looks like an identifier: 2,000 different values in 2,000 rows" in finding.message
    monkeypatch.setattr(tallies, "DISTINCT", 60)
    assert "identifier" in found([f"row {i}" for i in range(ROWS)])[0].message
    assert found([f"group {i % 40}" for i in range(ROWS)]) == ()


def test_an_integer_that_names_rows(found):
    scattered = np.random.default_rng(1).permutation(ROWS)
    identifier = [f for f in found(scattered) if f.check == "informative"]
    assert "integer 'x' looks like an identifier" in identifier[0].message
    assert of_check(found(scattered / 1000), "informative") == []
    assert of_check(found(scattered // 2), "informative") == []


def test_a_category_beyond_the_vocabulary_is_told(tmp_path):
    options = {"normalization": {"max_categories": 2}}
    (finding,) = findings(table_of(x=repeated("a", "b", "c")), tmp_path, **options)
    assert (finding.check, finding.severity) == ("informative", "INFO")
    assert "3 different values" in finding.message


def test_numbers_in_a_text_column_with_something_else(found):
    values = repeated("1", "2.5", " -3e4 ", ".5")
    values[:5] = ["NA", "?", "NA", "", "n/a"]
    (finding,) = found(values)
    assert (finding.check, finding.severity, finding.count) == ("types", "WARN", 5)
    assert "numbers in 1,995 rows and something else in 5, such as 'NA'" in finding.message
    assert "nullif(x, 'NA')::float8" in finding.remedy
    assert keys(finding) == [0, 1, 2, 3, 4]
    (words,) = found(values, kinds={"x": "category"})
    assert (words.check, words.count) == ("types", 5)


def test_numbers_as_text_are_no_identifier(found):
    numbers, vocabulary = found([" " if i == 7 else f"{i}.5" for i in range(ROWS)])
    assert (numbers.check, numbers.count, keys(numbers)) == ("types", 1, [7])
    assert (vocabulary.check, vocabulary.severity) == ("informative", "INFO")


def test_a_text_column_of_numbers_only_is_told(found):
    (finding,) = found(repeated("1", "2", None))
    assert (finding.check, finding.severity) == ("types", "INFO")


@pytest.mark.parametrize("word", ["?", "", " ", "NA", "N/A", "null", "None", "nan", "-", "missing"])
def test_words_for_missing_values(found, word):
    (finding,) = found(repeated("a", "b", word, None))
    assert (finding.check, finding.severity, finding.count) == ("types", "WARN", ROWS // 4)
    assert repr(word) in finding.message
    assert keys(finding) == [2, 6, 10, 14, 18]
    assert found(repeated("a", "b", f"{word}x")) == ()


def test_unknown_may_be_an_answer(found):
    (finding,) = found(repeated("a", "b", "Unknown"))
    assert (finding.check, finding.severity) == ("types", "INFO")


def test_a_word_is_quoted_as_sql_wants_it(found):
    values = repeated("1", "2")
    values[7] = "it's"
    assert "nullif(x, 'it''s')" in found(values)[0].remedy


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (repeated(-1, *range(0, 9)), True),
        (repeated(-999, *range(-9, 9)), True),
        (repeated(99, *range(0, 9)), True),
        (repeated(-1, *range(-5, 5)), False),  # not at the end
        (repeated(99, *range(90, 99)), False),  # not alone
        ([-1, *repeated(*range(0, 9))[1:]], False),  # rare
        (repeated(-1, -1), False),  # nothing else
    ],
)
def test_numbers_that_stand_for_missing(found, values, told):
    listed = [f for f in found(values) if f.check == "types"]
    assert bool(listed) is told
    if told:
        assert listed[0].severity == "INFO"
        assert listed[0].count == sum(value == values[0] for value in values)


def test_digits_that_are_lost(found):
    values = ["1.5", "2"] * (ROWS // 2)
    values[3] = "1.00000000000000000001"
    (finding,) = found(values, postgres_types={"x": "numeric"})
    assert (finding.check, finding.severity, finding.count) == ("types", "WARN", 1)
    assert "21 significant digits" in finding.message
    assert keys(finding) == [3]


def test_a_column_that_is_no_feature_is_not_judged(found):
    assert found(np.full(ROWS, np.inf), drop=["x"]) == ()
    assert found(np.full(ROWS, np.inf), kinds={"x": "ignore"}) == ()


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (dt.datetime(1899, 12, 31), "before 1900"),
        (dt.datetime(1900, 1, 1), None),
        (dt.datetime(2999, 1, 1), "after the rows were read"),
    ],
)
@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")])
def test_impossible_moments(found, moment, told, kind):
    values = [dt.datetime(2020, 1, 1)] * ROWS
    values[11] = moment
    moments = pa.array(values, pa.timestamp("us")).cast(kind)
    listed = found(moments)
    assert [told in finding.message for finding in listed] == ([True] if told else [])
    for finding in listed:
        assert (finding.check, finding.severity, finding.count) == ("moments", "WARN", 1)
        assert keys(finding) == [11]


def test_blocks_add_up():
    numbers, words = tallies.NumberTally(), tallies.TextTally()
    for block in ([0.0, 0.0], [], [np.inf, 1.0], [4.0, np.nan]):
        numbers.see(pa.array(block), np.array(block))
    facts = numbers.facts
    assert (facts.infinite, facts.nan, facts.zeros) == (1, 1, 2)
    assert (facts.minimum, facts.maximum, facts.mean) == (0.0, 4.0, 1.25)
    assert facts.std == pytest.approx(np.std([0, 0, 1, 4]))
    for block in (["a", "1"], [], ["1", "2", "a", "b"]):
        words.see(pa.array(block, pa.string()))
    assert words.facts.numbers == 3
    assert words.facts.others == ("a", "b")
    distinct = words.distinct.facts
    assert (distinct.count, distinct.rows, distinct.complete) == (4, 6, True)
    assert (distinct.commonest, distinct.commonest_rows) == ("a", 2)


def test_distinct_values_are_counted_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(tallies, "DISTINCT", 10)
    few, many = tallies.DistinctTally(), tallies.DistinctTally()
    for start in range(0, 100, 20):
        few.see(pa.array(np.arange(start, start + 20) % 10))
        many.see(pa.array(np.arange(start, start + 20)))
    assert (few.facts.count, few.facts.rows, few.facts.complete) == (10, 100, True)
    assert (many.facts.count, many.facts.rows, many.facts.complete) == (11, 11, False)


def test_far_numbers_overflow_nothing(found):
    listed = found(repeated(1e308, -1e308, 1.0, 5e-324))
    assert {finding.check for finding in listed} == {"range"}
