"""Which executor a pipeline's job has, and what is said where Ray is not installed."""

import importlib.util
from typing import Any, cast

import pytest
from small_pipeline import small_spec

from pipelines import ray_jobs
from pipelines.ray_jobs import Heard
from pipelines.running import executor
from plumbline.errors import SpecError

ON_CLUSTER = {"engine": "ray", "address": "http://head:8265", "workers": 2}


def test_stages_run_here_unless_a_cluster_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert executor(small_spec()).name == "in_process"
    assert executor(small_spec(execution={"workers": 2})).name == "in_process"
    assert executor(small_spec(run={"processes": 2})).name == "multiprocess"
    local = {"engine": "ray", "address": "local", "workers": 2}
    assert executor(small_spec(execution=local)).name == "in_process"


@pytest.mark.parametrize("execution", [ON_CLUSTER, {"engine": "ray"}])
def test_without_ray_the_declaration_is_refused_with_what_to_install(monkeypatch, execution):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"ray and dagster_ray cannot be imported here") as told:
        executor(small_spec(execution=execution))
    assert "pip install plumbline[ray]" in told.value.remedy


class _Silent:
    """A handler of a cluster whose head is gone."""

    name = "silent"

    def check_step_health(self, _: object) -> object:
        raise ConnectionError("nobody listens")


def test_a_head_that_stays_silent_fails_the_stage_with_what_to_do(monkeypatch):
    handler: Any = Heard(cast(Any, _Silent()), small_spec(execution=ON_CLUSTER).execution)
    assert handler.check_step_health(None).is_healthy
    monkeypatch.setattr(ray_jobs, "SILENCE_SECONDS", 0)
    found = handler.check_step_health(None)
    assert not found.is_healthy
    assert "http://head:8265 has not answered for 0 s (ConnectionError)" in found.unhealthy_reason
    assert "to fix: start it, then run this again" in found.unhealthy_reason
