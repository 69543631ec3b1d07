"""Run options: what the launchpad shows, and that they lead where `defs.yaml` would."""

from typing import Any

import dagster as dg
import pytest
from small_pipeline import make_source, small_spec

from assets.resources import PlumblineResource
from assets.run_options import OPTIONS, RunOptions, run_options
from pipelines.training_pipeline import pipeline_definitions
from plumbline.chain import Chain
from plumbline.errors import SpecError
from plumbline.spec import PipelineSpec
from plumbline.stages import stages
from plumbline.versions import DatasetVersion

NETWORK = small_spec().network.model_dump(exclude_unset=True)
OF_SPEC = {
    "network.architecture": ("resnet", {"network": {**NETWORK, "architecture": "resnet"}}),
    "network.max_epochs": (3, {"network": {**NETWORK, "max_epochs": 3}}),
    "network.seed": (7, {"network": {**NETWORK, "seed": 7}}),
    "baselines.seed": (7, {"baselines": {"seed": 7}}),
    "verdict.seeds": (2, {"verdict": {"seeds": 2}}),
}
"""A value of each option, and the same in `defs.yaml`."""


@pytest.fixture
def job(postgres, tmp_path) -> dg.JobDefinition:
    make_source(postgres, tmp_path, rows=10)
    shared = dg.Definitions(resources={"plumbline": PlumblineResource()})
    declared = pipeline_definitions(small_spec(), tmp_path)
    return dg.Definitions.merge(declared, shared).resolve_job_def("visits")


def versions(spec: PipelineSpec) -> dict[str, str]:
    chain = Chain(spec=spec, dataset_version=DatasetVersion("v1"), digest="d")
    return {stage: chain.version(stage) for stage in stages(spec)}


def test_every_option_of_a_version_is_compared_with_defs_yaml():
    assert set(OF_SPEC) == set(OPTIONS) - {"force", "full_leakage_proof"}


@pytest.mark.parametrize("name", OF_SPEC)
def test_an_option_leads_to_the_versions_of_the_same_change_in_defs_yaml(name):
    value, change = OF_SPEC[name]
    spec = run_options({name: str(value)}).applied_to(small_spec())
    assert spec == small_spec(**change)
    assert versions(spec) == versions(small_spec(**change)) != versions(small_spec())


@pytest.mark.parametrize("given", [{}, {"force": True}, {"full_leakage_proof": True}])
def test_what_is_left_out_changes_nothing(given):
    spec = small_spec()
    assert run_options(given).applied_to(spec) is spec
    assert run_options(given).given == given


def test_what_stays_declared_is_not_given():
    """Some options ask whether another one was declared, such as a search for its space."""
    spec = run_options({"network.seed": "1"}).applied_to(small_spec())
    assert spec.network.model_fields_set == {*NETWORK, "seed"}
    assert spec.model_fields_set == small_spec().model_fields_set


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"network.architecture": "forest"}, "'forest' is no architecture; choose among auto"),
        ({"network.max_epochs": "0"}, "network.max_epochs: .* greater than or equal to 1"),
        ({"verdict.seeds": "21"}, "verdict.seeds: .* less than or equal to 20"),
    ],
)
def test_what_defs_yaml_could_not_say_is_refused(given, told):
    (name,) = given
    with pytest.raises(SpecError, match=told) as caught:
        run_options(given).applied_to(small_spec())
    assert f"correct or leave out {name}=" in caught.value.remedy


@pytest.mark.parametrize("given", [{"network.width": "3"}, {"optimizer": "sgd"}])
def test_an_unknown_option_names_the_known_ones(given):
    with pytest.raises(SpecError, match=r"is no run option; .* network\.max_epochs"):
        run_options(given)


def test_a_value_of_another_type_is_refused():
    with pytest.raises(SpecError, match=r"network\.max_epochs: .*integer"):
        run_options({"network.max_epochs": "many"})


def test_the_launchpad_names_every_option_and_leaves_it_as_declared(job):
    shown = job.get_run_config_for_partition_key("v1")
    filled = shown["resources"]["plumbline"]["config"]["run_options"]
    named = [
        f"{name}.{option}" if below else name
        for name, value in filled.items()
        for below in [isinstance(value, dict)]
        for option in (value if below else [name])
    ]
    assert tuple(named) == OPTIONS
    assert RunOptions.model_validate(filled) == RunOptions()
    assert shown["ops"]["visits__snapshot"]["config"] == {"parameters": {}}
    dg.validate_run_config(job, shown)


def test_without_any_configuration_all_is_as_declared(job):
    found = dg.validate_run_config(job, {})["resources"]["plumbline"]["config"]
    assert found == {"run_options": RunOptions().model_dump()}


def test_every_option_is_described(job):
    field = job.resource_defs["plumbline"].config_schema.as_field()
    undescribed = [name for name, one in described(field, "") if not one]
    assert undescribed == []


def described(field: Any, name: str) -> list[tuple[str, str | None]]:
    inner = getattr(field.config_type, "fields", {})
    below = [line for key, one in inner.items() for line in described(one, f"{name}.{key}")]
    return [(name, field.description), *below] if name else below
