"""Every asset check of the code location: what it blocks, and what it says when it fails."""

from pathlib import Path

import dagster as dg
import pytest
from small_pipeline import make_source, small_spec

from assets.checks import REMEDIES, checked
from pipelines.training_pipeline import pipeline_definitions
from plumbline.audit.findings import CHECKS as AUDITED
from plumbline.network.diagnosis.findings import CHECKS as DIAGNOSED
from plumbline.postgres import Postgres

BEFORE_MONEY = {
    *(("split", "certificate"), ("normalization", "leakage_proof")),
    *((kind, "leakage_proof") for kind in ("floor", "random_forest", "xgboost")),
    ("normalization", "independent_statistics"),
    *(("audit", name) for name in AUDITED),
}


@pytest.fixture
def specs(postgres: Postgres, tmp_path: Path) -> dict[tuple[str, str], dg.AssetCheckSpec]:
    make_source(postgres, tmp_path, rows=10)
    assets = pipeline_definitions(small_spec(), tmp_path).assets or []
    return {
        (one.asset_key.path[-1], one.name): one
        for asset in assets
        if isinstance(asset, dg.AssetsDefinition)
        for one in asset.check_specs
    }


def test_what_is_wrong_with_the_data_stops_the_run_before_money_is_spent(specs):
    blocking = {place for place, one in specs.items() if one.blocking}
    assert blocking >= BEFORE_MONEY


def test_every_check_has_a_remedy(specs):
    from assets import agreement

    by_finding = {*AUDITED, *DIAGNOSED, agreement.CHECK}
    assert {name for _, name in specs} - by_finding <= REMEDIES.keys()


def test_no_result_is_made_without_it():
    """But by the one that says its own, of each upstream stage."""
    made = {
        path.name
        for path in (Path(__file__).parents[2] / "assets").glob("*.py")
        if "AssetCheckResult(\n" in path.read_text("utf-8")
    }
    assert made == {"checks.py", "agreement.py"}


@pytest.mark.parametrize(
    ("passed", "found", "told"),
    [
        (True, "all is well", "all is well"),
        (False, "3 rows straddle", f"3 rows straddle; to fix: {REMEDIES['certificate']}"),
        (False, "3 rows. To fix: this", "3 rows. To fix: this"),
    ],
)
def test_a_remedy_is_said_once_and_only_where_it_is_needed(passed, found, told):
    key = dg.AssetKey(["visits", "split"])
    result = checked(asset_key=key, check_name="certificate", passed=passed, description=found)
    assert result.description == told
