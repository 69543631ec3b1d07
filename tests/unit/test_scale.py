"""What is made of benchmarks/scale.py's measurements: growth, limits, the model and the pages."""

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SIZES = (5_000, 100_000, 1_000_000, 10_000_000)


@pytest.fixture(scope="module")
def benchmarks() -> tuple[ModuleType, ModuleType]:
    """scale_shown and scale_model, which lie beside each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module("scale_shown"), importlib.import_module("scale_model")


@pytest.fixture(scope="module")
def shown(benchmarks: tuple[ModuleType, ModuleType]) -> ModuleType:
    return benchmarks[0]


@pytest.fixture(scope="module")
def model(benchmarks: tuple[ModuleType, ModuleType]) -> ModuleType:
    return benchmarks[1]


def measured(slope: float = 1.0, a_row: float = 1e-5) -> dict[int, dict[str, float]]:
    """A stage that starts in 4 CPU seconds and holds 300 MiB and 50 bytes a row."""
    return {
        rows: {
            "cpu": 4 + a_row * (rows**slope - SIZES[0] ** slope),
            "seconds": 5.0,
            "peak_mib": 300 + 50 * rows / 2**20,
            "bytes": 100.0 * rows,
        }
        for rows in SIZES
    }


def results(**stages: dict[int, dict[str, float]]) -> dict:
    found = {name: {str(rows): one for rows, one in of.items()} for name, of in stages.items()}
    return {"columns": 20, "budget_gib": 2.0, "tiny": SIZES[0], "machine": "", "note": "",
            "stages": found}  # fmt: skip


@given(slope=st.floats(0.8, 1.4))
def test_the_exponent_is_that_of_the_seconds_above_the_start_up(shown, slope):
    assert shown.exponent(measured(slope)) == pytest.approx(slope, abs=0.02)


def test_what_takes_no_time_has_no_exponent(shown):
    assert shown.exponent(measured(a_row=1e-7)) is None


def test_a_limit_that_is_broken_is_told(shown):
    large = measured()
    large[SIZES[-1]]["peak_mib"] = 2049
    few = {rows: measured()[rows] for rows in SIZES[:-1]}
    found = shown.broken(results(split=measured(), audit=measured(1.1), release=large, floor=few))
    assert found == [
        "audit: time grows with an exponent of 1.11, at most 1.05 is wanted",
        "release: 2,049 MiB at 10,000,000 rows, of 2,048",
        "floor: not measured at 10,000,000 rows",
    ]


def test_a_measurement_takes_the_place_of_an_earlier_one_of_its_kind_only(shown):
    asked = argparse.Namespace(columns=20, budget_gib=2.0, tiny=SIZES[0], note="")
    kept = results(split=measured(), audit=measured())
    found = shown.merged(kept, asked, "stages", "split", SIZES[1], {"cpu": 9.0004})
    assert found["stages"]["split"][str(SIZES[1])] == {"cpu": 9.0}
    assert found["stages"]["split"][str(SIZES[2])] == kept["stages"]["split"][str(SIZES[2])]
    assert found["stages"]["audit"] == kept["stages"]["audit"]
    peer = shown.merged(found, asked, "peers", "split", SIZES[1], {"cpu": 1.0})
    assert peer["stages"] == found["stages"]
    assert peer["peers"] == {"split": {str(SIZES[1]): {"cpu": 1.0}}}


def test_the_model_gives_back_what_was_measured(model):
    known = model.constants(measured())
    found = model.estimate(known, SIZES[-1])
    assert found.core_hours * 3600 == pytest.approx(4 + 1e-5 * SIZES[-1], rel=1e-3)
    assert found.memory_gib * 1024 == pytest.approx(300 + 50 * SIZES[-1] / 2**20)
    assert found.stored_gib * 2**30 == pytest.approx(100 * SIZES[-1])
    assert not found.extrapolated
    assert model.estimate(known, SIZES[-1] + 1).extrapolated


def test_ten_times_the_rows_take_ten_times_as_much_beside_what_is_fixed(model):
    known = model.constants(measured())
    one, ten = (model.estimate(known, rows) for rows in (10**9, 10**10))
    assert ten.core_hours / one.core_hours == pytest.approx(10, rel=1e-2)
    assert ten.memory_gib - one.memory_gib == pytest.approx(50 * 9 * 10**9 / 2**30)
    assert ten.stored_gib == pytest.approx(10 * one.stored_gib)
    machine = model.Machine(core_hour=1, gib_month=0)
    assert ten.dollars(machine) == ten.core_hours


def test_two_sizes_are_too_few_for_a_model(model):
    few = {rows: measured()[rows] for rows in SIZES[:2]}
    with pytest.raises(ValueError, match="2 sizes were measured; three are needed"):
        model.constants(few)


@pytest.mark.parametrize(
    ("stage", "hours", "gib", "stored", "told"),
    [
        ("split", 24, 64, 1, "one process"),
        ("split", 24, 64, 4001, "one process, object store"),
        ("split", 25, 64, 1, "out of reach: 1 days"),
        ("split", 1, 65, 1, "out of reach: 65 GiB of memory"),
        ("network", 48, 1, 1, "2 workers"),
        ("network", 24 * 17, 1, 1, "17 workers on Ray"),
        ("xgboost", 1, 128, 1, "2 workers on Ray"),
        ("snapshot", 48, 1, 1, "2 connections"),
    ],
)
def test_who_takes_over(model, stage, hours, gib, stored, told):
    found = model.Estimate(core_hours=hours, memory_gib=gib, stored_gib=stored, extrapolated=True)
    assert model.engine(stage, found, model.Machine()) == told


def test_the_pages_are_what_was_measured(shown, model):
    kept = json.loads((DOCS / "scale-measured.json").read_text("utf-8"))
    assert (DOCS / "scale-measured.md").read_text("utf-8") == shown.document(kept)
    known = model.modelled(kept)
    assert (DOCS / "scale-model.md").read_text("utf-8") == model.document(known, model.Machine())
