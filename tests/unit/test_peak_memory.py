"""The most memory a process held, counted from the start of a stage."""

from pathlib import Path

import pytest

from plumbline import peak_memory
from plumbline.peak_memory import PeakMemory

MIB = 1 << 20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts anew")
def test_each_stage_has_a_peak_of_its_own():
    first = PeakMemory()
    held = b"x" * (300 * MIB)
    high = first.measured["peak_memory_mib"]
    assert held
    del held
    # Linux keeps the size per processor, and adds it up roughly.
    assert first.measured["peak_memory_mib"] > high - 20
    assert PeakMemory().measured["peak_memory_mib"] < high - 200


def test_what_is_not_of_the_stage_alone_is_named_so(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_CLEAR", tmp_path / "nowhere" / "clear_refs")
    (name,) = measured = PeakMemory().measured
    assert name == "peak_memory_of_process_mib"
    assert measured[name] > 10
