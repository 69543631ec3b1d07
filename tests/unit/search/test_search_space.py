"""What may be varied: as declared, by architecture, and as options of a network."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from searching import problem

from plumbline.network.recipe import RECIPES
from plumbline.search.space import (
    SPACES,
    applied,
    distributions,
    merged,
    restored,
    space,
    start,
    stored,
)
from plumbline.spec import NetworkSpec, PipelineSpec, Range, SearchSpec
from plumbline.spec.network import ARCHITECTURES
from plumbline.spec.search import SEARCHED_COUNTS, SEARCHED_NAMES, SEARCHED_NUMBERS

SOURCE = {"sql": "sql/extracts/x.sql", "key": ["id"], "label": "y"}


def complaint(space: Any, **network: Any) -> tuple[str, str]:
    """Location and message of the one error that declaring this space raises."""
    declared = {**network, "search": {"trials": 3, "space": space}}
    with pytest.raises(ValidationError) as caught:
        PipelineSpec.model_validate({"name": "x", "source": SOURCE, "network": declared})
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"learning_rat": [1]}, "'learning_rat' cannot be searched for; known are accumulation"),
        ({"seed": [1, 2]}, "known are .*width, widths"),
        ({"learning_rate": 3}, "learning_rate is 3; give a list of values, or a block with low"),
        ({"learning_rate": []}, r"learning_rate is \[\]; give a list"),
        ({"learning_rate": {"low": 0, "high": 1}}, "low is 0; start above 0, or set scale: linear"),
        ({"learning_rate": {"low": 2, "high": 1}}, "low is 2 and high 1; low has to be below"),
        ({"learning_rate": {"low": 2}}, "learning_rate: high: Field required"),
        ({"optimizer": {"low": 1, "high": 2}}, "optimizer has no low and high; give a list"),
        ({"widths": [[8]], "blocks": [1]}, "widths stands beside width or blocks"),
    ],
)
def test_what_is_no_space_is_refused_at_its_place(declared: Any, told: str):
    place, message = complaint(declared)
    assert place == "network.search.space"
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(message)


@pytest.mark.parametrize(
    ("declared", "network", "told"),
    [
        ({"learning_rate": [-1]}, {}, "search.space.learning_rate holds -1: .*greater than 0"),
        ({"dropout": {"low": 0.1, "high": 1.5}}, {}, "dropout holds 1.5: .*less than 1"),
        ({"optimizer": ["adm"]}, {}, "holds 'adm': .*'adam', 'adamw', 'sgd', 'rmsprop' or 'nada"),
        ({"architecture": ["tree"]}, {}, "'tree' is no architecture; choose among auto, linear"),
        ({"blocks": [0]}, {}, "blocks holds 0: widths: .*at least 1 item"),
        ({"blocks": [1, 2]}, {"dropout": [0.1, 0.1]}, "2 dropout rates for 1 widths"),
        ({"weight_decay": [0.1]}, {"optimizer": "adam"}, "optimizer adam reads only beta_2"),
        ({"widths": [[8, "a"]]}, {}, "widths: 1: Input should be a valid integer"),
    ],
)
def test_values_that_an_option_does_not_take_are_refused(declared: Any, network: Any, told: str):
    place, message = complaint(declared, **network)
    assert place == "network"
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(message)


def test_width_goes_with_the_declared_layers():
    for network in ({"widths": [4, 4], "dropout": [0.1, 0.2]}, {"dropout": [0.1, 0.2]}):
        NetworkSpec.model_validate(
            {**network, "search": {"trials": 1, "space": {"width": [8, 16]}}}
        )


def test_every_searchable_name_is_an_option_of_the_network():
    names = {*SEARCHED_COUNTS, *SEARCHED_NUMBERS, *SEARCHED_NAMES} - {"width", "blocks"}
    assert names <= NetworkSpec.model_fields.keys()


def test_every_architecture_has_a_space_of_searchable_values():
    assert SPACES.keys() == {*ARCHITECTURES} - {"auto"}
    for architecture, own in SPACES.items():
        optimizer = RECIPES.get(architecture, {}).get("optimizer", "adamw")
        NetworkSpec.model_validate(
            {"architecture": architecture, "optimizer": optimizer}
            | {"search": {"trials": 1, "space": dict(own)}}
        )


@pytest.mark.parametrize("architecture", sorted(SPACES))
def test_the_first_trial_of_every_architecture_is_one_that_resolves(architecture: str):
    task = problem({"trials": 1, "space": {}}, architecture=architecture, batch_size=None)
    assert task.space
    first = start(task.space, task.base, task.recipe)
    assert first.keys() == task.space.keys()
    spec = task.network(first)
    assert spec.architecture == architecture
    if "learning_rate" in task.space:
        assert first["learning_rate"] == task.recipe.learning_rate


def test_what_is_declared_is_not_varied_by_default():
    def names(**options: Any) -> set[str]:
        return set(problem({"trials": 1, "space": {}}, **options).space)

    everything = names(batch_size=None)
    assert everything == {"width", "blocks", "dropout", "learning_rate", "l2"}
    assert names(learning_rate=0.1) == everything - {"learning_rate"}
    assert names(widths=[4, 4]) == everything - {"width", "blocks"}
    assert names(dropout=[0.1, 0.2]) == everything - {"dropout", "blocks"}


def test_a_declared_space_varies_what_else_is_declared():
    task = problem({"trials": 1, "space": {"learning_rate": [0.1, 0.2]}}, learning_rate=0.15)
    assert set(task.space) == {"learning_rate"}
    assert start(task.space, task.base, task.recipe) == {"learning_rate": 0.1}
    assert task.network({"learning_rate": 0.2}).learning_rate == 0.2


def test_auto_varies_what_it_picks():
    task = problem({"trials": 1, "space": {}}, architecture="auto", batch_size=None)
    assert task.space == SPACES[task.recipe.architecture]


def test_a_draw_becomes_options():
    task = problem({"trials": 1}, widths=[5, 5, 5])

    def options(**values: Any) -> dict[str, Any]:
        return applied(values, task.base, task.recipe)

    assert options(width=8) == {"widths": [8, 8, 8]}
    assert options(blocks=2) == {"widths": [5, 5]}
    assert options(width=8, blocks=1) == {"widths": [8]}
    assert options(optimizer="adam", weight_decay=0.1) == {"optimizer": "adam"}
    assert options(optimizer="adamw", weight_decay=0.1)["weight_decay"] == 0.1


def test_width_follows_the_declared_rates():
    task = problem({"trials": 1, "space": {"width": [8]}}, dropout=[0.1, 0.2, 0.3, 0.4])
    assert task.network({"width": 8}).widths == [8] * 4


def test_what_is_declared_stays_and_nothing_is_left_to_search():
    declared = NetworkSpec.model_validate(
        {"clip_norm": 1.0, "batch_size": [{"until": 1, "size": 64}], "search": {"trials": 1}}
    )
    found = merged(declared, {"learning_rate": 0.1})
    assert (found.clip_norm, found.batch_size, found.learning_rate, found.search) == (
        *(1.0, declared.batch_size, 0.1),
        None,
    )
    assert found.model_fields_set == {"clip_norm", "batch_size", "learning_rate"}


def test_architectures_are_compared_by_one_metric():
    task = problem({"trials": 1, "space": {"architecture": ["dense", "linear"]}}, monitor="auc")
    assert task.metric == "auc"
    assert task.maximize
    assert task.chosen({"architecture": "linear"})["monitor"] == "auc"
    assert "monitor" not in task.chosen({"learning_rate": 0.1})


values = st.one_of(
    st.integers(-5, 5),
    st.floats(-5, 5).filter(lambda one: not one.is_integer()),
    st.sampled_from(["adam", "none"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
)


@given(st.lists(values, min_size=1, max_size=6, unique_by=repr))
def test_optuna_gives_every_value_back_as_it_was(choices: list[Any]):
    searched = {"widths": choices}
    distribution = distributions(searched)["widths"]
    for place, choice in enumerate(choices):
        drawn = distribution.to_external_repr(place)
        assert distribution.to_internal_repr(stored(choice)) == place
        assert restored(searched, {"widths": drawn}) == {"widths": choice}


def test_ranges_of_counts_are_whole():
    found = distributions(
        {
            "width": Range(low=8, high=64),
            "blocks": Range(low=1, high=3, scale="linear"),
            "dropout": Range(low=0, high=0.5, scale="linear"),
            "learning_rate": Range(low=1e-4, high=1e-2),
        }
    )
    assert {name: (type(one).__name__, one.log) for name, one in found.items()} == {
        "width": ("IntDistribution", True),
        "blocks": ("IntDistribution", False),
        "dropout": ("FloatDistribution", False),
        "learning_rate": ("FloatDistribution", True),
    }


def test_the_declared_space_comes_before_the_architecture(monkeypatch):
    task = problem({"trials": 1})
    declared = SearchSpec(trials=1, space={"bins": [4]})
    assert space(task.options, declared, task.recipe) == {"bins": [4]}
