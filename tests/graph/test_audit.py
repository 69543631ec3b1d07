"""The audit as an asset: its checks, its rows in the registry, its page, and what redoes it."""

from pathlib import Path

import dagster as dg
import pytest
from small_pipeline import run, small_spec

from plumbline.audit.findings import CHECKS
from plumbline.registry import Registry

STAGES = ["snapshot", "split", "audit", "normalization"]
QUERY = """
SELECT visit_id, customer, happened_at, side, bought, amount, age, channel,
       visit_id % 7 AS weekday, CASE WHEN visit_id % 9 = 0 THEN 'NA' ELSE 'b' END AS word
FROM public.visits
"""
SQL = "-- severity: WARN\n-- no large amounts\nSELECT visit_id FROM snapshot WHERE amount > 9.5"


@pytest.fixture(scope="module")
def asked(project: Path) -> Path:
    """The project, with an extract and an expectation of this module's own."""
    _ask(project, QUERY)
    (project / "checks.sql").write_text(SQL)
    return project


def spec_with(**audit):
    return small_spec(
        source={"parameters": {}},
        training_features=None,
        audit={"sql": ["checks.sql"], "accept": {"target_leakage": "made so"}, **audit},
    )


@pytest.fixture(scope="module")
def first(asked, instance):
    return run(spec_with(), asked, instance, selection=STAGES)


def _ask(root: Path, query: str) -> None:
    (root / "sql" / "extracts" / "visits.sql").write_text(query)


def _checks(result):
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def _made(result, stage="audit"):
    (made,) = result.asset_materializations_for_node(f"visits__{stage}")
    return made.metadata


def _recorded(postgres, version):
    registry = Registry.open(postgres)
    audit = registry.one("audits", audit_version=version)
    return audit, registry.rows("findings", audit_version=version)


def test_every_check_is_evaluated(first):
    assert first.success
    checks = {name: check for name, check in _checks(first).items() if name in CHECKS}
    assert list(checks) == list(CHECKS)
    failed = {name for name, check in checks.items() if not check.passed}
    assert failed == {"range", "types", "expectations"}
    assert {checks[name].severity for name in failed} == {dg.AssetCheckSeverity.WARN}
    assert "'NA' in 222 rows" in str(checks["types"].description)
    assert "nullif(word, 'NA')" in str(checks["types"].description)
    assert "no large amounts" in str(checks["expectations"].description)


def test_what_is_accepted_passes_with_its_reason(first):
    check = _checks(first)["target_leakage"]
    assert check.passed
    assert "WARN accepted (made so): feature 'amount'" in str(check.description)


def test_findings_are_rows_of_the_registry(first, module_postgres):
    audit, rows = _recorded(module_postgres, _made(first)["data_version"].value)
    assert audit
    assert (audit["errors"], audit["warnings"]) == (0, 3)
    assert audit["previous_version"] is None
    assert audit["split_version"] == _made(first, "split")["data_version"].value
    assert [row["finding"] for row in rows] == [1, 2, 3, 4]
    words = next(row for row in rows if row["check"] == "types")
    assert (words["column"], words["count"]) == ("word", 222)
    assert words["examples"] == [{"visit_id": 9 * at} for at in range(1, 6)]
    assert rows[-1]["accepted"] == "made so"


def test_the_materialization_shows_page_findings_and_histograms(first):
    shown = _made(first)
    assert Path(shown["page"].value).is_file()
    assert shown["verdict"].value.startswith("WARN: 3 warnings, no error")
    assert "| WARN | types | word | 222 |" in shown["findings"].value
    assert "| amount | double precision | numeric |" in shown["columns"].value
    assert "data:image/svg+xml;base64," in shown["histograms"].value


def test_a_second_run_redoes_and_rewrites_nothing(first, asked, instance, module_postgres):
    again = run(spec_with(), asked, instance, selection=STAGES)
    assert again.success
    assert _made(again)["reused"].value
    assert _made(again)["findings"].value == _made(first)["findings"].value
    assert len(Registry.open(module_postgres).rows("audits")) == 1


def test_a_changed_sql_file_is_another_audit_of_the_same_data(first, asked, instance):
    (asked / "checks.sql").write_text(SQL.replace("9.5", "100"))
    result = run(spec_with(), asked, instance, selection=STAGES)
    (asked / "checks.sql").write_text(SQL)
    assert not _made(result)["reused"].value
    assert _checks(result)["expectations"].passed
    assert _made(result, "normalization")["reused"].value


def test_an_error_stops_what_comes_after(first, asked, instance):
    rule = {"column": "age", "check": "less_than", "arguments": {"max_value": 50}}
    result = run(spec_with(expectations=[rule]), asked, instance, selection=STAGES)
    assert not result.success
    check = _checks(result)["expectations"]
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert "'age' breaks less_than(max_value=50)" in str(check.description)
    made = {e.asset_key.path[-1] for e in result.get_asset_materialization_events()}
    assert made == {"snapshot", "split", "audit"}


def test_a_file_that_is_not_there_is_told(asked, instance):
    result = run(spec_with(sql=["absent.sql"]), asked, instance, selection=STAGES)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told
    assert "audit.sql names absent.sql" in str(told.description)


def test_a_new_version_is_held_against_the_one_before(first, asked, instance, module_postgres):
    _ask(asked, QUERY.replace("age,", "CASE WHEN visit_id % 3 > 0 THEN age END AS age,"))
    second = run(spec_with(), asked, instance, dataset_version="v2", selection=STAGES)
    assert second.success
    (missing,) = [c for c in _checks(second).values() if c.check_name == "missing"]
    assert not missing.passed
    assert "9.0% of v1" in str(missing.description)
    audit, _ = _recorded(module_postgres, _made(second)["data_version"].value)
    assert audit
    assert audit["previous_version"] == "v1"
