"""Declared expectations: by the checks of pandera, and as SQL that selects offenders."""

import datetime as dt
import subprocess
import sys

import numpy as np
import pytest
from audits import ROWS, findings, split_table, table_of

from plumbline.audit import offenders
from plumbline.errors import SpecError
from plumbline.extract import snapshot as snapshots
from plumbline.spec import Expectation


@pytest.fixture
def found(tmp_path):
    def found(values, check, postgres_types=None, **arguments):
        rule = {"column": "x", "check": check, "arguments": arguments}
        listed = findings(
            table_of(x=values),
            tmp_path / "snapshot",
            audit={"expectations": [rule]},
            drop=["x"],
            postgres_types=postgres_types,
        )
        return [
            (one.severity, one.count, [example["id"] for example in one.examples])
            for one in listed
            if one.check == "expectations"
        ]

    return found


def with_one(value, other, at=700):
    return [other if i == at else value for i in range(ROWS)]


ONE = [("ERROR", 1, [700])]


@pytest.mark.parametrize(
    ("good", "bad", "check", "arguments"),
    [
        (1, -1, "in_range", {"min_value": 0, "max_value": 120}),
        (1.5, 130.0, "in_range", {"min_value": 0, "max_value": 120}),
        (1, 0, "greater_than", {"min_value": 0}),
        (0, -1, "greater_than_or_equal_to", {"min_value": 0}),
        (0, 1, "less_than", {"max_value": 1}),
        (1, 2, "less_than_or_equal_to", {"max_value": 1}),
        ("a", "c", "isin", {"allowed_values": ["a", "b"]}),
        ("a", "c", "notin", {"forbidden_values": ["c"]}),
        ("ab1", "b", "str_matches", {"pattern": "^ab[0-9]$"}),
        ("ab", "abcd", "str_length", {"min_value": 1, "max_value": 3}),
        (True, False, "isin", {"allowed_values": [True]}),
        (
            dt.date(2020, 1, 1),
            dt.date(2030, 1, 1),
            "less_than",
            {"max_value": dt.date(2025, 1, 1)},
        ),
        (
            dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
            dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
            "less_than",
            {"max_value": dt.date(2025, 1, 1)},
        ),
    ],
)
def test_a_value_that_breaks_a_rule(found, good, bad, check, arguments):
    assert found(with_one(good, bad), check, **arguments) == ONE
    assert found(with_one(good, None), check, **arguments) == []
    assert found(with_one(good, good), check, **arguments) == []


def test_exact_numbers_are_compared_as_numbers(found):
    values = with_one("9.5", "10.25")
    assert found(values, "less_than", {"x": "numeric"}, max_value=10) == ONE


def test_integers_with_nulls_keep_their_digits(found):
    big = 2**53 + 1
    values = with_one(big, big - 1)
    values[0] = None
    assert found(values, "isin", allowed_values=[big]) == ONE


def test_a_check_leaves_the_environment_as_it_was(monkeypatch):
    """Left set, PYARROW_IGNORE_TIMEZONE shifts every zoned moment that Arrow reads later."""
    program = """
import os
import pyarrow as pa
from plumbline.audit.declared import checked
from plumbline.spec import Expectation

before = dict(os.environ)
rule = Expectation(column="x", check="in_range", arguments={"min_value": 0, "max_value": 1})
assert checked(pa.array([0, 2]), rule, decimal=False).tolist() == [False, True]
assert dict(os.environ) == before, os.environ.keys() - before.keys()
"""
    monkeypatch.delenv("PYARROW_IGNORE_TIMEZONE", raising=False)
    subprocess.run([sys.executable, "-c", program], check=True)


def test_rules_over_all_rows(found):
    assert found(with_one(1, None), "not_null") == ONE
    different = [f"v{i}" for i in range(ROWS)]
    assert found(different, "unique") == []
    different[700] = "v3"
    assert found(different, "unique") == ONE
    different[700] = different[701] = None
    assert found(different, "unique") == []


def test_rules_hold_beyond_a_block(found, monkeypatch):
    monkeypatch.setattr(snapshots.Snapshot.batches, "__defaults__", (None, 64))
    assert found(with_one(1, -1), "greater_than", min_value=0) == ONE


@pytest.mark.parametrize(
    ("check", "arguments", "told"),
    [
        ("in_range", {"low": 0}, "low"),
        ("greater_than", {}, "min_value"),
        ("str_matches", {"pattern": "("}, "check str_matches"),
        ("greater_than", {"min_value": "a"}, "check greater_than"),
    ],
)
def test_a_rule_that_cannot_be_asked(found, check, arguments, told):
    with pytest.raises(SpecError, match=told) as caught:
        found(with_one(1, 2), check, **arguments)
    assert "to fix: correct them in defs.yaml" in str(caught.value)


def test_a_rule_of_an_absent_column(tmp_path):
    rule = Expectation(column="absent", check="not_null")
    with pytest.raises(SpecError, match=r"'absent'.*does not select"):
        findings(table_of(), tmp_path, audit={"expectations": [rule]})


@pytest.fixture
def asked(tmp_path):
    """Findings of one SQL file over a small table."""

    def asked(text, **audit):
        (tmp_path / "checks.sql").write_text(text)
        options = {"audit": {"sql": ["checks.sql"], **audit}, "root": tmp_path}
        table = table_of(x=np.arange(ROWS) % 10)
        return findings(table, tmp_path / "snapshot", **options)

    return asked


def test_rows_that_a_file_selects(asked):
    (finding,) = asked("-- no x above 8\nSELECT id, x FROM snapshot WHERE x > 8 ORDER BY id")
    assert (finding.check, finding.severity, finding.column) == ("expectations", "ERROR", None)
    assert finding.count == ROWS // 10
    assert finding.examples == tuple({"id": 10 * i + 9, "x": 9} for i in range(5))
    assert finding.message == "checks.sql selects 200 rows: no x above 8"
    assert asked("SELECT id FROM snapshot WHERE x > 9") == ()


def test_a_file_says_how_severe_it_is(asked):
    (finding,) = asked("-- severity: warn\nSELECT id FROM snapshot LIMIT 1")
    assert finding.severity == "WARN"
    with pytest.raises(SpecError, match="severity FATAL"):
        asked("-- severity: fatal\nSELECT 1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELEC id FROM snapshot", "checks.sql cannot be run: Parser Error"),
        ("SELECT absent FROM snapshot", "checks.sql cannot be run: Binder Error.*absent"),
        ("SELECT 1; SELECT 2", r"checks.sql holds 2 statements \(SELECT, SELECT\)"),
        ("", r"checks.sql holds 0 statements"),
        ("CREATE TABLE t AS SELECT 1", r"1 statements \(CREATE\)"),
        ("SELECT * FROM read_csv('/etc/passwd')", "checks.sql cannot be run: Permission Error"),
    ],
)
def test_a_file_that_cannot_be_run(asked, text, told):
    with pytest.raises(SpecError, match=told):
        asked(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SpecError, match=r"absent.sql, which cannot be read"):
        findings(table_of(), tmp_path, audit={"sql": ["absent.sql"]}, root=tmp_path)


def test_the_texts_of_the_files_are_part_of_the_version(tmp_path):
    _, spec = split_table(table_of(), tmp_path / "s", audit={"sql": ["a.sql"]})
    (tmp_path / "a.sql").write_text("SELECT 1")
    one = offenders.sql_fingerprint(spec, tmp_path)
    (tmp_path / "a.sql").write_text("SELECT 2")
    assert one != offenders.sql_fingerprint(spec, tmp_path)
