"""What may be declared of the engine, and which versions it is part of."""

import pytest
from pydantic import ValidationError

from plumbline import stage_options, stages
from plumbline.spec import PipelineSpec

CLUSTER = {"engine": "ray", "address": "http://head:8265"}


def spec(**execution: object) -> PipelineSpec:
    source = {"sql": "x.sql", "key": ["id"], "label": "y"}
    return PipelineSpec.model_validate({"name": "x", "source": source, "execution": execution})


def renewed(**execution: object) -> set[str]:
    """Stages whose version `execution` changes, before what follows from their inputs."""
    return {
        stage
        for stage in stages.STAGES
        if stages.stage_code_version(spec(), stage)
        != stages.stage_code_version(spec(**execution), stage)
    }


def test_left_out_a_model_is_trained_by_the_process_of_its_run():
    assert (spec().execution.engine, spec().execution.workers) == ("local", 1)
    assert not spec().execution.on_cluster
    assert not spec(engine="ray").execution.on_cluster
    assert spec(**CLUSTER).execution.on_cluster
    assert spec(**CLUSTER | {"address": "https://head:8265/"}).execution.address == (
        "https://head:8265"
    )


@pytest.mark.parametrize(
    ("execution", "told"),
    [
        ({"engine": "dask"}, "'local' or 'ray'"),
        ({"engine": "ray", "address": "head:6379"}, "write http://HOST:8265, or local"),
        ({"engine": "ray", "address": "auto"}, "write http://HOST:8265, or local"),
        ({"address": "http://head:8265"}, "address is http://head:8265, and only engine ray"),
        ({"gpus_per_worker": 1}, "gpus_per_worker is 1, and only engine ray has it"),
        ({"workers": 0}, "greater than or equal to 1"),
        (CLUSTER | {"worker": 2}, "did you mean 'workers'?"),
    ],
)
def test_a_mistake_is_refused(execution: dict, told: str):
    with pytest.raises(ValidationError) as caught:
        spec(**execution)
    assert told in str(caught.value)


def test_an_address_with_a_password_is_refused():
    with pytest.raises(ValidationError):
        spec(engine="ray", address="http://user:secret@head:8265")


@pytest.mark.parametrize("execution", [CLUSTER, CLUSTER | {"max_failures": 7}, {"engine": "ray"}])
def test_one_worker_leads_to_the_same_versions_on_every_engine(monkeypatch, execution: dict):
    monkeypatch.setattr(stage_options, "accelerator", lambda: "cpu")
    assert renewed(**execution) == set()


@pytest.mark.parametrize("execution", [{"workers": 2}, CLUSTER | {"workers": 2}])
def test_several_workers_are_part_of_the_version_of_what_they_train(monkeypatch, execution: dict):
    monkeypatch.setattr(stage_options, "accelerator", lambda: "cpu")
    assert renewed(**execution) == {"network", "network_seeds", "xgboost"}


def test_engines_share_no_version_of_what_several_workers_trained():
    network = stages.STAGES["network"]
    local, ray = network.options(spec(workers=2)), network.options(spec(**CLUSTER, workers=2))
    assert local["execution"] == {"engine": "local", "workers": 2}
    assert ray["execution"] == {"engine": "ray", "workers": 2}


def test_a_worker_trains_on_the_gpus_that_are_declared(monkeypatch):
    monkeypatch.setattr(stage_options, "accelerator", lambda: "gpu")
    assert renewed(**CLUSTER) == {"network", "xgboost"}
    assert renewed(**CLUSTER, gpus_per_worker=1) == set()
