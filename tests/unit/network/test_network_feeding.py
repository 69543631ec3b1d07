"""Rows lie in memory or on disk by the budget of the process."""

import pytest

from plumbline.network import feeding, hardware


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    monkeypatch.setattr(hardware, "gpu_free", lambda: None)


def test_a_budget_bounds_the_rows_and_what_the_backend_takes(monkeypatch):
    monkeypatch.setattr(feeding, "host_free", lambda: pytest.fail("a budget was declared"))
    size = 100 * 2**20
    needed = int(feeding.HOST_COPIES * size) + feeding.BACKEND_BYTES
    assert feeding.decided("auto", size, needed).mode == "memory"
    assert feeding.decided("auto", size, needed - 1).mode == "stream"
    assert feeding.decided("auto", size, feeding.BACKEND_BYTES // 2).host_free == 0
    assert feeding.decided("memory", size, 0).mode == "memory"


def test_without_a_budget_it_is_what_is_free(monkeypatch):
    monkeypatch.setattr(feeding, "host_free", lambda: 2**20)
    assert feeding.decided("auto", 2**20).mode == "stream"
    assert feeding.decided("auto", 2**10).mode == "memory"
