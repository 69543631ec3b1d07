"""Bad input ends in words the user can act on, and leaves nothing half-made behind."""

from pathlib import Path

import dagster as dg
import pytest
from small_pipeline import make_source, run, small_spec

from plumbline.postgres import Postgres
from plumbline.registry import Registry

UP_TO_NORMALIZATION = ["snapshot", "split", "audit", "normalization"]


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def project(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_source(postgres, tmp_path, rows=600)
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    return tmp_path


def _ask(project: Path, query: str) -> None:
    (project / "sql" / "extracts" / "visits.sql").write_text(query)


def _failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    told = {}
    for event in result.all_events:
        if event.is_step_failure:
            reason = event.step_failure_data.user_failure_data
            told[event.step_key or ""] = str(reason and reason.description)
    return told


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def _made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT * FROM public.visits UNION ALL SELECT * FROM public.visits", "visit_id"),
        (
            "SELECT nullif(visit_id, 3) AS visit_id, customer, happened_at, amount, side, bought"
            " FROM public.visits",
            "NULL",
        ),
        ("SELECT * FROM public.visits WHERE false", "no rows"),
        ("SELECT * FROM public.absent", "absent"),
        ("SELECT *, visit_id AS visit_id FROM public.visits", "visit_id"),
        (
            "SELECT visit_id, customer, happened_at, amount, side, NULLIF(bought, true) AS bought"
            " FROM public.visits",
            "bought",
        ),
        (
            "SELECT visit_id, customer, happened_at, amount, side, true AS bought"
            " FROM public.visits",
            "bought",
        ),
        (
            "SELECT visit_id, customer, happened_at, amount, side, visit_id % 3 AS bought"
            " FROM public.visits",
            "bought",
        ),
        ("SELECT visit_id, amount, bought FROM public.visits", "happened_at"),
    ],
)
def test_an_extract_that_breaks_its_contract_freezes_nothing(
    project, instance, postgres, query, told
):
    _ask(project, query)
    result = run(small_spec(source={"parameters": {}}), project, instance)
    assert told in _failures(result)["visits__snapshot"]
    assert "to fix:" in _failures(result)["visits__snapshot"]
    assert _made(result) == set()
    assert Registry.open(postgres).rows("dataset_versions") == []
    store = project / "store" / "visits" / "snapshot"
    assert not store.exists() or list(store.iterdir()) == []


def test_an_infinity_blocks_what_comes_after(project, instance):
    _ask(
        project,
        "SELECT visit_id, customer, happened_at, side, bought,"
        " CASE WHEN visit_id = 5 THEN 'Infinity' ELSE amount END AS amount FROM public.visits",
    )
    result = run(small_spec(source={"parameters": {}}), project, instance)
    assert not result.success
    check = _checks(result)["finite"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert "amount" in str(check.description)
    assert _made(result) == {"snapshot", "split", "version_diff", "audit"}


def test_columns_that_say_nothing_are_found_and_left_out(project, instance):
    _ask(
        project,
        "SELECT visit_id, customer, happened_at, side, bought, amount, 7 AS same,"
        " NULL::float8 AS empty,"
        " CASE WHEN visit_id % 50 = 0 THEN '?' ELSE visit_id::text END AS mixed"
        " FROM public.visits",
    )
    spec = small_spec(source={"parameters": {}})
    result = run(spec, project, instance, selection=UP_TO_NORMALIZATION)
    assert result.success
    checks = _checks(result)
    for name, column in {"informative": "same", "missing": "empty", "types": "mixed"}.items():
        assert not checks[name].passed
        assert checks[name].severity == dg.AssetCheckSeverity.WARN
        assert repr(column) in str(checks[name].description)
    dropped = result.asset_materializations_for_node("visits__normalization")[0].metadata["dropped"]
    assert {"same", "empty"} <= set(dropped.value)


@pytest.mark.parametrize(("rule", "succeeds"), [("error", False), ("warn", True)])
def test_a_column_that_vanished_is_an_error_unless_declared_otherwise(
    project, instance, rule, succeeds
):
    spec = small_spec(source={"parameters": {}, "on_schema_change": rule})
    _ask(project, "SELECT * FROM public.visits")
    assert run(spec, project, instance, selection=UP_TO_NORMALIZATION).success
    _ask(project, "SELECT visit_id, customer, happened_at, amount, side, bought FROM public.visits")
    second = run(spec, project, instance, dataset_version="v2", selection=UP_TO_NORMALIZATION)
    assert second.success is succeeds
    check = _checks(second)["schema"]
    assert not check.passed
    assert "channel" in str(check.description)


def test_two_rows_are_too_few_to_split(project, instance, postgres):
    one_of_each = "SELECT min(visit_id) FROM public.visits GROUP BY bought"
    _ask(project, f"SELECT * FROM public.visits WHERE visit_id IN ({one_of_each})")
    result = run(small_spec(source={"parameters": {}}), project, instance)
    told = _failures(result)["visits__split"]
    assert "train" in told
    assert "to fix:" in told
    assert _made(result) == {"snapshot"}
    assert Registry.open(postgres).rows("split_versions") == []


def test_an_unreachable_database_is_named_without_its_password(project, instance, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cret@127.0.0.1:1/db")
    result = run(small_spec(), project, instance)
    told = _failures(result)["visits__snapshot"]
    assert "127.0.0.1:1/db" in told
    assert "s3cret" not in str([event.message for event in result.all_events])


def test_a_version_asked_with_other_parameters_is_refused(project, instance):
    first = run(small_spec(), project, instance, selection=["snapshot"])
    assert first.success
    other = run(
        small_spec(), project, instance, parameters={"as_of": "2024-02-01"}, selection=["snapshot"]
    )
    told = _failures(other)["visits__snapshot"]
    assert "as_of" in told
    assert "v1" in told
