"""The fraud pipeline with and without normalization: what a plain network makes of either."""

import dagster as dg
import pytest
from small_pipeline import run

from pipelines.definitions import ROOT
from pipelines.loading import pipeline
from plumbline.demo import fraud
from plumbline.network.diagnosis.findings import CHECKS
from plumbline.postgres import Postgres
from plumbline.spec import PipelineSpec

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ROWS = 10_000
STAGES = [
    *("snapshot", "split", "audit", "normalization"),
    *("random_forest", "xgboost", "baseline_gate", "network"),
]
NETWORK = {
    "architecture": "dense",
    "batch_normalization": False,
    "learning_rate": 0.003,
    "max_epochs": 12,
    "patience": 4,
}


def declared(method: str) -> PipelineSpec:
    """The bundled pipeline with a plain network; `none` is accepted as a user would."""
    blocks = pipeline("fraud").model_dump(exclude_unset=True)
    accept = {"range": "to see what becomes of it"} if method == "none" else {}
    changed = {
        "normalization": {"method": method},
        "audit": {"accept": accept},
        "network": NETWORK,
        "training_features": None,
    }
    return PipelineSpec.model_validate({**blocks, **changed})


@pytest.fixture(scope="module")
def ran(module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory):
    """The results without and with normalization, and of a second run without."""
    assert fraud.load(module_postgres, "v1", ROWS)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(tmp_path_factory.mktemp("store")))
        raw = run(declared("none"), ROOT, instance, "v1", selection=STAGES)
        scaled = run(declared("standard"), ROOT, instance, "v1", selection=STAGES)
        again = run(declared("none"), ROOT, instance, "v1", selection=STAGES[-1:])
    return raw, scaled, again


def _network(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {
        one.check_name: one
        for one in result.get_asset_check_evaluations()
        if one.asset_key.path[-1] == "network" and one.check_name in CHECKS
    }


def _auc(result: dg.ExecuteInProcessResult) -> float:
    (event,) = [
        one
        for one in result.get_asset_materialization_events()
        if one.asset_key and one.asset_key.path[-1] == "network"
    ]
    return float(str(event.materialization.metadata["val_auc"].value))


def test_without_normalization_the_network_is_of_no_use_and_the_column_is_named(ran):
    raw, _, _ = ran
    assert raw.success
    assert _auc(raw) == pytest.approx(0.5, abs=0.02)
    checks = _network(raw)
    for name in ("learning", "predictions"):
        assert not checks[name].passed
        assert "'amount_cents' runs from" in (checks[name].description or "")
        assert "set normalization.method to standard" in (checks[name].description or "")
    assert checks["learning"].severity == dg.AssetCheckSeverity.WARN
    assert checks["predictions"].severity == dg.AssetCheckSeverity.ERROR


def test_with_normalization_nothing_is_found(ran):
    _, scaled, _ = ran
    assert _auc(scaled) > 0.9
    checks = _network(scaled)
    assert set(checks) == set(CHECKS)
    assert all(one.passed for one in checks.values())


def test_a_network_that_is_reused_keeps_its_findings(ran):
    raw, _, again = ran
    first, second = _network(raw), _network(again)
    assert [(n, c.passed, c.description) for n, c in first.items()] == [
        (n, c.passed, c.description) for n, c in second.items()
    ]
