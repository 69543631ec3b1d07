"""docs/training-measured.md tells what benchmarks/training.py measured, and feeding.md its rule."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from plumbline.network import backend
from plumbline.network.loop import jax_shares

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "training-measured.md"


@pytest.fixture(scope="module")
def shown() -> ModuleType:
    path = ROOT / "benchmarks" / "training_shown.py"
    spec = importlib.util.spec_from_file_location("training_shown", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_was_measured(shown: ModuleType):
    results = json.loads(PAGE.with_suffix(".json").read_text("utf-8"))
    assert PAGE.read_text("utf-8") == shown.document(results)


def test_a_case_is_shown_by_its_fastest_round(shown: ModuleType):
    def runs(*rates: float, auc: float | None = 0.5) -> list[dict[str, float | None]]:
        return [{"rate": rate, "auc": auc, "peak": 100.4} for rate in rates]

    sides = {
        "Plumbline": runs(300.0, 100.0),
        "fit(numpy)": runs(150.0, 120.0),
        "matrix products": runs(400.0, 350.0, auc=None),
    }
    lines = shown.case({"rows": 2000, "batch": 64, "devices": 2, "sides": sides})
    assert lines[0] == "2,000 rows, batches of 64, shared by 2 devices; rounds: 2.\n"
    assert lines[3] == "| Plumbline | 300 | 100 | 2.00 | 0.75 | 0.5000 | 100 |"
    assert lines[5] == "| matrix products | 400 | 350 | 2.67 | 1.00 |  | 100 |"


def test_the_rule_for_replicas_is_that_of_the_code():
    text = (ROOT / "docs" / "feeding.md").read_text("utf-8")
    least = f"{jax_shares.LEAST:,.0f} operations or more"
    assert f"{least}, and {jax_shares.LEAST_PER_WEIGHT} or more for each weight" in text
    assert backend.REPLICAS == 2
    assert "a process has two devices, whatever its cores" in text
