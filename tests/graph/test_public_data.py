"""Public tables, loaded into PostgreSQL as they are, with nothing declared of their columns."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_pipeline import run

from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec

SOURCES: dict[str, dict[str, Any]] = {
    "adult": {"key": ["row_id"], "label": "income"},
    "bank_marketing": {"key": ["row_id"], "label": "y"},
    "telco_churn": {"key": ["customerID"], "label": "Churn"},
    "diamonds": {"key": ["row_id"], "label": "price", "task": "regression"},
    "covertype": {"key": ["row_id"], "label": "Cover_Type", "task": "multiclass"},
}
DATA_STAGES = ["snapshot", "split", "audit", "normalization"]


def audited(
    name: str,
    data: Path,
    postgres: Postgres,
    root: Path,
    *,
    network: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run the data's stages of one table, and `network`; its findings and its certificate."""
    _load(name, data / name / "data.parquet", postgres)
    extract = root / f"{name}.sql"
    extract.write_text(f"SELECT * FROM public.{name}")
    spec = PipelineSpec.model_validate(
        {
            "name": name,
            "source": {"sql": extract.name, **SOURCES[name]},
            "network": network or {},
        }
    )
    stages = [*DATA_STAGES, *(["network"] if network else [])]
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(spec, root, instance, selection=stages)
    registry = Registry.open(postgres)
    (split,) = registry.rows("split_versions", pipeline=name)
    (found,) = registry.rows("audits", pipeline=name)
    return {
        "result": result,
        "certificate": split["certificate"],
        "findings": registry.rows("findings", audit_version=found["audit_version"]),
    }


def _load(name: str, path: Path, postgres: Postgres) -> None:
    table = pq.read_table(path).replace_schema_metadata()
    for at, field in enumerate(table.schema):
        if pa.types.is_int8(field.type):  # PostgreSQL has none
            table = table.set_column(at, field.name, table.column(at).cast(pa.int16()))
    with postgres.arrow() as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(name, table, mode="create")
        if "row_id" in SOURCES[name]["key"]:
            cursor.execute(f"ALTER TABLE public.{name} ADD COLUMN row_id bigserial")


@pytest.fixture
def environment(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    return tmp_path


def found(facts: dict[str, Any], check: str, column: str | None) -> dict[str, Any]:
    """The one finding of a check on a column."""
    (finding,) = [
        one for one in facts["findings"] if (one["check"], one["column"]) == (check, column)
    ]
    return finding


def test_adult_repeats_rows_and_says_missing_by_a_question_mark(
    public_data: Path, postgres: Postgres, environment: Path
) -> None:
    facts = audited("adult", public_data, postgres, environment)
    assert facts["result"].success
    assert found(facts, "duplicates", None)["count"] == 52
    for column, rows in {"workclass": 2799, "occupation": 2809, "native-country": 857}.items():
        finding = found(facts, "types", column)
        assert finding["count"] == rows
        assert "'?'" in finding["message"]
    assert facts["certificate"]["sides"]["train"]["rows"] > 30_000


def test_the_duration_of_a_call_gives_the_answer_away(
    public_data: Path, postgres: Postgres, environment: Path
) -> None:
    facts = audited("bank_marketing", public_data, postgres, environment)
    leaks = [one for one in facts["findings"] if one["check"] == "target_leakage"]
    assert "duration" in {one["column"] for one in leaks}
    assert facts["result"].success


def test_blank_charges_are_told(public_data: Path, postgres: Postgres, environment: Path) -> None:
    facts = audited("telco_churn", public_data, postgres, environment)
    finding = found(facts, "types", "TotalCharges")
    assert finding["count"] == 11
    assert facts["result"].success


@pytest.mark.parametrize(("name", "rows"), [("diamonds", 53_940), ("covertype", 581_012)])
def test_other_tasks_are_frozen_audited_and_split(
    name: str, rows: int, public_data: Path, postgres: Postgres, environment: Path
) -> None:
    facts = audited(name, public_data, postgres, environment)
    assert facts["result"].success
    certificate = facts["certificate"]
    assert certificate["rows"] == rows
    if name == "diamonds":
        whole_rows = [one for one in facts["findings"] if one["check"] == "duplicates"]
        assert any(one["count"] == 146 for one in whole_rows)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_regression_ends_in_a_network_that_answers_in_dollars(
    public_data: Path, postgres: Postgres, environment: Path
) -> None:
    network = {"architecture": "dense", "widths": [32], "max_epochs": 3, "learning_rate": 0.01}
    facts = audited("diamonds", public_data, postgres, environment, network=network)
    assert facts["result"].success
    (event,) = [
        one.materialization
        for one in facts["result"].get_asset_materialization_events()
        if one.asset_key.path[-1] == "network"
    ]
    # Prices range to 18,823 dollars, with a deviation of about 4,000.
    assert 100 < event.metadata["val_rmse"].value < 2000
    assert event.metadata["val_r2"].value > 0.75
