"""Findings of the audit."""

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of

from plumbline.extract import tally
from plumbline.extract.audit import audit

ROWS = 200


@pytest.fixture
def findings(tmp_path):
    """Findings on one feature column `x` beside an unremarkable one."""

    def findings(values, previous=None, postgres_types=None, **source):
        table = pa.table(
            {
                "id": np.arange(ROWS),
                "label": np.arange(ROWS) % 2,
                "fine": np.arange(ROWS) % 7 * 0.5,
                "x": values,
            }
        )
        snapshot = snapshot_of(table, tmp_path / "snapshot", postgres_types=postgres_types)
        return audit(snapshot, spec_of(**source), previous)

    return findings


def repeated(*values):
    return [values[i % len(values)] for i in range(ROWS)]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(ROWS) * 1.0,
        np.arange(ROWS),
        repeated(1, 2, None),
        repeated("a", "b", None),
        repeated("1", "b", "c"),
        repeated(True, False),
        pa.array(range(ROWS), pa.date32()),
    ],
)
def test_unremarkable_columns_have_no_finding(findings, values):
    assert findings(values) == ()


@pytest.mark.parametrize("types", [None, {"x": "numeric"}])
def test_infinity_blocks(findings, types):
    values = [1.0, np.inf, -np.inf, np.nan] + [2.0] * (ROWS - 4)
    column = [str(value) for value in values] if types else values
    (infinite, nan) = findings(column, postgres_types=types)
    assert (infinite.check, infinite.severity, infinite.column) == ("finite", "ERROR", "x")
    assert infinite.count == 2
    assert "infinite in 2 rows" in infinite.message
    assert "THEN x END" in infinite.remedy
    assert (nan.check, nan.severity, nan.count) == ("finite", "WARN", 1)
    assert "nullif(x, 'NaN')" in nan.remedy


@pytest.mark.parametrize(
    "values", [pa.nulls(ROWS, kind) for kind in (pa.float64(), pa.string(), pa.bool_())]
)
def test_a_column_without_a_value(findings, values):
    (found,) = findings(values)
    assert (found.check, found.severity, found.count) == ("informative", "WARN", ROWS)
    assert found.message == "feature 'x' is NULL in every row"


@pytest.mark.parametrize("value", [0.0, 5, True, "same", "1"])
def test_a_constant_column(findings, value):
    found = findings([value] * ROWS)[0]
    assert (found.check, found.severity, found.count) == ("informative", "WARN", ROWS)
    assert "holds one value only" in found.message
    (beside, *_) = findings(repeated(value, None))
    assert f"beside {ROWS // 2} NULLs" in beside.message


def test_a_category_that_names_rows(findings, monkeypatch):
    (found,) = findings([f"row {i}" for i in range(ROWS)])
    assert (found.check, found.severity) == ("informative", "WARN")
    assert "looks like an identifier: 200 different values in 200 rows" in found.message
    monkeypatch.setattr(tally, "DISTINCT", 60)
    assert "identifier" in findings([f"row {i}" for i in range(ROWS)])[0].message
    assert findings([f"group {i // 10}" for i in range(ROWS)]) == ()


def test_a_category_beyond_the_vocabulary_is_told(findings, tmp_path):
    table = pa.table({"id": range(ROWS), "label": repeated(0, 1), "x": repeated("a", "b", "c")})
    spec = spec_of(normalization={"max_categories": 2})
    (found,) = audit(snapshot_of(table, tmp_path), spec, None)
    assert (found.check, found.severity) == ("informative", "INFO")
    assert "3 different values" in found.message


def test_numbers_in_a_text_column_with_something_else(findings):
    values = ["1", "2.5", " -3e4 ", ".5"] * (ROWS // 4)
    values[:5] = ["NA", "?", "NA", "", "n/a"]
    (found,) = findings(values)
    assert (found.check, found.severity, found.count) == ("types", "WARN", 5)
    assert "numbers in 195 rows and something else in 5, such as 'NA'" in found.message
    assert "nullif(x, 'NA')::float8" in found.remedy
    assert findings(values, kinds={"x": "category"}) == ()


def test_a_text_column_of_numbers_only_is_told(findings):
    (found,) = findings(repeated("1", "2", None))
    assert (found.check, found.severity) == ("types", "INFO")


def test_a_column_that_is_no_feature_is_not_judged(findings):
    assert findings(np.full(ROWS, np.inf), drop=["x"]) == ()
    assert findings(np.full(ROWS, np.inf), kinds={"x": "ignore"}) == ()


@pytest.mark.parametrize(("policy", "severity"), [("error", "ERROR"), ("warn", "WARN")])
def test_changes_since_the_previous_version(findings, policy, severity):
    previous = [
        {"name": "id", "postgres_type": "bigint"},
        {"name": "label", "postgres_type": "bigint"},
        {"name": "x", "postgres_type": "text"},
        {"name": "gone", "postgres_type": "date"},
    ]
    changed, gone, new = findings(repeated(1.0, 2.0), previous=previous, on_schema_change=policy)
    assert (changed.check, changed.severity, changed.column) == ("schema", severity, "x")
    assert "was text and is double precision" in changed.message
    assert (gone.severity, gone.column) == (severity, "gone")
    assert "(date) has vanished" in gone.message
    assert (new.severity, new.column) == ("INFO", "fine")


def test_blocks_add_up():
    numbers, words = tally.NumberTally(), tally.CategoryTally()
    for block in ([0.0, 0.0], [], [None], [np.inf, 1.0]):
        numbers.see(pa.array(block, pa.float64()))
    assert (numbers.infinite, numbers.low, numbers.high) == (1, 0.0, np.inf)
    for block in (["a", "1"], [], [None], ["1", "2", "a", "b"]):
        words.see(pa.array(block, pa.string()))
    assert (words.rows, words.numbers, words.distinct) == (6, 3, 4)
    assert words.words == ["a", "b"]
